"""Editing a version: one row in a form, many rows at once with a preview, and the draft that holds it all until its commit."""

from __future__ import annotations

from typing import Any

import numpy as np
from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from studio.access import WorkspaceRequest, role_required
from studio.jobs import State
from studio.lib.errors import StudioError
from vault import browsing
from vault.browse_form import FilterForm, filter_values
from vault.browse_page import flat, version_path
from vault.editing import drafts
from vault.editing.drafts import Changed, Closed, Standing
from vault.editing.forms import Incomplete, RowForm, can_be_edited, read_operation
from vault.editing.positions import Positions, as_positions
from vault.editing.selection import changed_by, examples
from vault.editing.wording import describe, field_changes, sentence
from vault.models import DatasetVersion, Draft, EditOperation
from vault.rows import Row
from vault.views.lookup import address, get_version

OPERATIONS_PAGE = 100
WORDS = (
    ("tag", "Tag"),
    ("untag", "Untag"),
    ("reject", "Reject"),
    ("unreject", "Keep"),
    ("label", "Set answer"),
    ("replace", "Find and replace"),
)
"""What can be done to many rows, as the drawer offers it."""


def row_of(request: WorkspaceRequest, version: DatasetVersion, rid: int) -> Row:
    """A row of the version, or 404."""
    found: Row | None = browsing.open_table(version, user=request.user).row(rid)
    if found is None:
        raise Http404("There is no such row.")
    return found


def back(request: WorkspaceRequest, version: DatasetVersion) -> HttpResponse:
    """To the page that the form was on, or to the rows."""
    wanted = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return HttpResponseRedirect(wanted if safe and wanted.startswith("/") else version_path(version))


# --- one row ----------------------------------------------------------------------------------------------------------


@role_required("editor")
@require_http_methods(["GET", "HEAD", "POST"])
def edit_row(request: WorkspaceRequest, slug: str, number: int, rid: int) -> HttpResponse:
    """Prompt, answer, reference and tags of one row in a form. What was typed is never lost, whoever was faster."""
    version = get_version(request, slug, number)
    base = row_of(request, version, rid)
    standing = drafts.standing(drafts.live_draft(version), rid, base)
    if request.method != "POST":
        return show_form(request, version, rid, standing, RowForm.of(standing.row))
    form = RowForm.typed(request.POST, standing.row)
    try:
        params = form.changes(standing.row)
        if not params:
            messages.info(request, "Nothing was changed.")
            return back(request, version)
        draft = drafts.open_draft(version, user=request.user)
        drafts.edit_row(draft, rid, base, "row", params, seen=request.POST.get("seen", "-"), user=request.user)
    except Changed:
        standing = drafts.standing(drafts.live_draft(version), rid, base)
        return show_form(request, version, rid, standing, form, theirs=True, status=409)
    except StudioError as error:
        status = 409 if isinstance(error, Closed) else 422
        return show_form(request, version, rid, standing, form, problem=error, status=status)
    messages.success(request, f"Row {rid + 1:,} was edited. It is in the draft until you commit.")
    return back(request, version)


def show_form(
    request: WorkspaceRequest,
    version: DatasetVersion,
    rid: int,
    standing: Standing,
    form: RowForm,
    *,
    theirs: bool = False,
    problem: StudioError | None = None,
    status: int = 200,
) -> HttpResponse:
    """The edit form, as a drawer for htmx; with ``theirs`` what somebody else wrote meanwhile stands beside what was typed."""
    draft = drafts.live_draft(version)
    after = request.POST.get("next") or request.GET.get("next") or f"{version_path(version)}rows/{rid}/"
    context = {
        "version": version,
        "dataset": version.dataset,
        "rid": rid,
        "form": form,
        "seen": standing.stamp,
        "too_large": not can_be_edited(standing.row),
        "theirs": RowForm.of(standing.row) if theirs else None,
        "last": standing.last,
        "rejected": standing.rejected,
        "problem": problem,
        "newer": latest_made(version) if isinstance(problem, Closed) else None,
        "draft": draft,
        "next": after,
        "close": after if url_has_allowed_host_and_scheme(after, allowed_hosts=None) else version_path(version),
    }
    template = "vault/row_edit.html#drawer" if request.htmx else "vault/row_edit.html"
    return render(request, template, context, status=status)


def latest_made(version: DatasetVersion) -> DatasetVersion | None:
    """The newest version that was made of this one's edits."""
    return version.children.order_by("-number").first()


@role_required("editor")
@require_POST
def change_row(request: WorkspaceRequest, slug: str, number: int, rid: int) -> HttpResponse:
    """A change of one row that needs no form: reject it, keep it after all, tag it, take a tag off."""
    version = get_version(request, slug, number)
    base = row_of(request, version, rid)
    try:
        asked = read_operation(request.POST)
        draft = drafts.open_draft(version, user=request.user)
        drafts.edit_row(draft, rid, base, asked.kind, asked.params, seen="", user=request.user)
        messages.success(request, f"{sentence(asked.kind, asked.params, rows=1, first=rid)}.")
    except StudioError as error:
        messages.error(request, f"{error} {error.action}")
    return back(request, version)


# --- many rows --------------------------------------------------------------------------------------------------------


@role_required("editor")
@require_http_methods(["GET", "HEAD", "POST"])
def bulk(request: WorkspaceRequest, slug: str, number: int) -> HttpResponse:
    """One operation for all rows under the filter, or for the ticked ones: first as a preview, then laid over them."""
    version = get_version(request, slug, number)
    data = request.POST if request.method == "POST" else request.GET
    context: dict[str, Any] = {"version": version, "dataset": version.dataset, **scope_of(data)}
    do = data.get("do", "")
    here = reverse("bulk_edit", args=[request.workspace.slug, slug, number])
    kept = context["query"] | ({"rid": context["ticked"]} if context["ticked"] else {})
    context["kinds"] = [(key, word, address(here, kept | {"do": key})) for key, word in WORDS]
    context |= {
        "do": do if do in dict(WORDS) else "tag",
        "data": data,
        "close": address(version_path(version), context["query"]),
    }
    status = 200
    try:
        rids = selected(request, version, data)
        context["selected"] = len(rids)
        asked = read_operation(data)
        context["rids_changed"] = changed = changed_by(
            asked.kind, asked.params, among=rids, version=version, draft=drafts.live_draft(version)
        )
        if request.method == "POST":
            draft = drafts.open_draft(version, user=request.user)
            operation = drafts.add(draft, asked.kind, asked.params, rids=changed, user=request.user)
            messages.success(request, f"{describe(operation)}. It is in the draft until you commit.")
            return HttpResponseRedirect(str(context["close"]))
        context |= preview(version, asked.kind, asked.params, changed)
    except Incomplete as error:
        context["hint"] = error
        status = 422 if request.method == "POST" else 200
    except StudioError as error:
        context["problem"] = error
        status = 409 if isinstance(error, Closed) else 422
    if request.htmx and request.headers.get("HX-Target", "").endswith("bulk-preview"):
        return render(request, "vault/bulk_edit.html#preview", context)
    return render(
        request, "vault/bulk_edit.html#drawer" if request.htmx else "vault/bulk_edit.html", context, status=status
    )


def scope_of(data: Any) -> dict[str, Any]:
    """The ticked rows and the filter of an address, as the form carries them along."""
    form = FilterForm(data)
    wanted = form.wanted()
    query = filter_values(wanted) | ({"sort": form.order} if form.order else {})
    ticked = sorted({int(rid) for rid in data.getlist("rid") if rid.isdecimal() and len(rid) < 12})
    return {"query": query, "hidden": flat(query), "ticked": ticked, "filtered": wanted.active}


def selected(request: WorkspaceRequest, version: DatasetVersion, data: Any) -> Positions:
    """The ticked rows, or all under the filter. A filter that makes no sense selects nothing at all: it raises."""
    ticked = scope_of(data)["ticked"]
    if ticked:
        rids = as_positions(ticked)
        return rids[rids < version.rows]
    form = FilterForm(data)
    wanted = form.wanted()
    if form.problems:
        raise StudioError(
            f"The filter makes no sense, so no row was chosen. {form.problems[0]}", action="Correct the filter first."
        )
    table = browsing.open_table(version, user=request.user)
    return np.sort(table.positions(wanted)).astype(np.int64)


def preview(version: DatasetVersion, kind: str, params: dict[str, Any], rids: Positions) -> dict[str, Any]:
    """What an operation would do: to how many rows, and the first of them before and after."""
    found = examples(kind, params, rids=rids, version=version, draft=drafts.live_draft(version)) if len(rids) else []
    rows = [
        {
            "rid": one.rid,
            "text": one.before.row().user_text,
            "changes": field_changes(one.before.row(), one.after.row()),
            "rejected": one.after.rejected is not None and one.before.rejected is None,
            "kept": one.after.rejected is None and one.before.rejected is not None,
        }
        for one in found
    ]
    return {
        "count": len(rids),
        "examples": rows,
        "sentence": sentence(kind, params, rows=len(rids), first=int(rids[0]) if len(rids) else 0),
    }


# --- the draft --------------------------------------------------------------------------------------------------------


@role_required("viewer")
@require_safe
def draft(request: WorkspaceRequest, slug: str, number: int) -> HttpResponse:
    """Everything edited in a version and not yet committed; how a commit goes on; drafts that were discarded."""
    version = get_version(request, slug, number)
    found = drafts.live_draft(version) or version.drafts.filter(state=State.SUCCEEDED).order_by("-finished_at").first()
    before = request.GET.get("before", "")
    operations: list[EditOperation] = []
    if found:
        listed = found.operations.select_related("author", "undone_by").defer("rids").order_by("-number")
        if before.isdecimal():
            listed = listed.filter(number__lt=int(before))
        operations = list(listed[: OPERATIONS_PAGE + 1])
    latest = version.dataset.latest
    context = {
        "version": version,
        "dataset": version.dataset,
        "tab": "rows",
        "draft": found,
        "tally": drafts.tally(found) if found else None,
        "operations": operations[:OPERATIONS_PAGE],
        "more": operations[OPERATIONS_PAGE - 1].number if len(operations) > OPERATIONS_PAGE else None,
        "newer": latest if latest and latest.number > version.number else None,
        "discarded": version.drafts.filter(state=State.CANCELLED, last_number__gt=0).order_by("-finished_at")[:10],
        "here": reverse("draft", args=[request.workspace.slug, slug, number]),
    }
    return render(request, "vault/draft.html#status" if request.htmx else "vault/draft.html", context)


def get_draft(request: WorkspaceRequest, slug: str, number: int) -> tuple[DatasetVersion, Draft]:
    """A version with its live draft, or 404."""
    version = get_version(request, slug, number)
    found = drafts.live_draft(version)
    if found is None:
        raise Http404("This version has no draft.")
    return version, found


def to_draft(version: DatasetVersion) -> HttpResponse:
    """To the draft's page."""
    return redirect("draft", version.dataset.workspace.slug, version.dataset.slug, version.number)


@role_required("editor")
@require_POST
def commit(request: WorkspaceRequest, slug: str, number: int) -> HttpResponse:
    """Make the next version of the draft."""
    version = get_version(request, slug, number)
    found = drafts.live_draft(version)
    if found is None:
        # A second click, or somebody else's commit, has done it.
        return to_draft(version)
    message = " ".join(request.POST.get("message", "").replace("\0", "").split())[:300]
    try:
        if not message:
            raise StudioError("The message is empty.", action="Say in a line what was changed and why.")
        drafts.commit(found, message=message, user=request.user)
    except StudioError as error:
        messages.error(request, f"{error} {error.action}")
    return to_draft(version)


@role_required("editor")
@require_POST
def discard(request: WorkspaceRequest, slug: str, number: int) -> HttpResponse:
    """Lay the draft aside."""
    version, found = get_draft(request, slug, number)
    if drafts.discard(found, user=request.user):
        messages.success(request, "The edits were discarded. They can be brought back from here.")
    return to_draft(version)


@role_required("editor")
@require_POST
def reopen(request: WorkspaceRequest, slug: str, number: int, pk: Any) -> HttpResponse:
    """Go on with a draft that was discarded or whose commit failed."""
    version = get_version(request, slug, number)
    found = get_object_or_404(Draft, version=version, pk=pk)
    try:
        if not drafts.reopen(found):
            messages.info(request, "That draft is open, being committed or committed already.")
    except StudioError as error:
        messages.error(request, f"{error} {error.action}")
    return to_draft(version)


@role_required("editor")
@require_POST
def retry(request: WorkspaceRequest, slug: str, number: int) -> HttpResponse:
    """Try a failed commit again."""
    version, found = get_draft(request, slug, number)
    if found.state == State.FAILED and found.retry():
        found.ring()
    return to_draft(version)


@role_required("editor")
@require_POST
def stop(request: WorkspaceRequest, slug: str, number: int) -> HttpResponse:
    """Stop a commit; the draft is open again."""
    version, found = get_draft(request, slug, number)
    if found.is_committing:
        found.request_cancel()
        if found.state == State.CANCELLED:
            drafts.reopen(found)
    return to_draft(version)


@role_required("editor")
@require_POST
def undo(request: WorkspaceRequest, slug: str, number: int, operation: int, way: str) -> HttpResponse:
    """Take an operation back, or do it again: one's own or another's."""
    version, found = get_draft(request, slug, number)
    one = get_object_or_404(EditOperation.objects.select_related("draft"), draft=found, number=operation)
    try:
        done = drafts.undo(one, user=request.user) if way == "undo" else drafts.redo(one, user=request.user)
        if done:
            messages.success(request, f"{'Undone' if way == 'undo' else 'Done again'}: {describe(one)}.")
    except StudioError as error:
        messages.error(request, f"{error} {error.action}")
    return back(request, version)

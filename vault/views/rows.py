"""The row browser: facets at the left, rows in the middle, one row in a drawer; every choice in the address."""

from __future__ import annotations

import json
from typing import Any

from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from studio.access import WorkspaceRequest, role_required
from studio.lib.errors import StudioError
from vault import browsing
from vault.browse_form import FilterForm
from vault.browse_page import browser_context, failed, kept_query, row_address, version_path
from vault.editing import drafts
from vault.models import DatasetVersion
from vault.query import Filter, RowTable
from vault.row_view import show_row
from vault.rows import Row, to_json
from vault.views.downloads import attachment
from vault.views.lookup import address, get_version

TWINS = 20
"""Near-duplicates of a row that are listed beside it."""


@role_required("viewer")
@require_safe
def browse(request: WorkspaceRequest, slug: str, number: int | None = None) -> HttpResponse:
    """Rows of a version under the filter in the address."""
    version = get_version(request, slug, number)
    context = browser_context(request, version)
    template = "vault/dataset.html#browser" if request.htmx else "vault/dataset.html"
    response = render(request, template, context, status=context["status"])
    if request.htmx:
        response["HX-Push-Url"] = context["here"]
    return response


@role_required("viewer")
@require_safe
def index(request: WorkspaceRequest, slug: str, number: int) -> HttpResponse:
    """How far the index of a version is: a line that asks for itself until it is there."""
    version = get_version(request, slug, number)
    return render(
        request, "vault/_index.html", {"version": version, "index_job": browsing.prepare(version), "asked": True}
    )


@role_required("viewer")
@require_safe
def row(request: WorkspaceRequest, slug: str, number: int, rid: int) -> HttpResponse:
    """One row as a chat, in a drawer over the rows it was opened from."""
    version = get_version(request, slug, number)
    form = FilterForm(request.GET)
    wanted = form.wanted()
    try:
        table = browsing.open_table(version, user=request.user)
        found = table.row(rid)
        if found is None:
            raise Http404("There is no such row.")
        previous, following = table.neighbours(rid, wanted, sort=form.order)
        twins, facts = near_duplicates(table, rid)
    except StudioError as error:
        problem = failed(version, error)
        return render(request, "vault/dataset.html", problem, status=problem["status"])
    query = kept_query(form, wanted)
    standing = drafts.standing(drafts.live_draft(version), rid, found)
    place = {"previous": row_address(version, previous, query), "next": row_address(version, following, query)}
    drawer = {
        "version": version,
        "dataset": version.dataset,
        "rid": rid,
        "standing": standing,
        **show_row(standing.row, whole="all" in request.GET),
        **place,
        "facts": facts,
        "twins": [(n.rid, n.row, row_address(version, n.rid, {})) for n in twins],
        "twins_all": address(version_path(version), {"group": facts["near_group"]}) if twins and facts else "",
        "around": [(n.rid, n.row, row_address(version, n.rid, {})) for n in around(table, rid)],
        "run": run_of(version),
        "here": row_address(version, rid, query),
        "whole_shown": "all" in request.GET,
        "whole": row_address(version, rid, query | {"all": "1"}),
        "raw_file": reverse("dataset_row_file", args=[request.workspace.slug, slug, number, rid]),
        "close": address(version_path(version), query),
    }
    if request.htmx:
        return render(request, "vault/dataset.html#row", drawer)
    return render(request, "vault/dataset.html", {**browser_context(request, version), **drawer, "open_row": True})


@role_required("viewer")
@require_safe
def row_file(request: WorkspaceRequest, slug: str, number: int, rid: int) -> HttpResponseBase:
    """One row, whole, as a JSON file."""
    version = get_version(request, slug, number)
    try:
        found: Row | None = browsing.open_table(version).row(rid)
    except StudioError as error:
        problem = failed(version, error)
        return render(request, "vault/dataset.html", problem, status=problem["status"])
    if found is None:
        raise Http404("There is no such row.")
    text = json.dumps(to_json(found), ensure_ascii=False, indent=2)
    return attachment(iter([text]), name=f"{slug}-v{number}-row-{rid + 1}.json", content_type="application/json")


def near_duplicates(table: RowTable, rid: int) -> tuple[list[Any], dict[str, Any] | None]:
    """Other rows of a row's near-duplicate group, and what the profile says of the row."""
    facts = table.facts(rid)
    if not facts or facts["near_group"] is None:
        return [], facts
    group = table.positions(Filter(group=facts["near_group"]))
    facts["near_rows"] = len(group)
    return table.lines([int(n) for n in group[: TWINS + 1] if n != rid][:TWINS]), facts


def around(table: RowTable, rid: int) -> list[Any]:
    """The two rows before and the two after a row, in the order of the file."""
    return table.lines([n for n in range(max(rid - 2, 0), min(rid + 3, table.rows)) if n != rid])


def run_of(version: DatasetVersion) -> Any:
    """The run that made a version's rows, before they became a version; None for imported ones."""
    outputs = getattr(version.artifact, "step_outputs", None)
    if outputs is None:
        return None
    made = outputs.select_related("step_run__run__version__pipeline__workspace").order_by("id").first()
    if made is None or made.step_run.run.created_at > version.created_at:
        return None
    return made.step_run.run

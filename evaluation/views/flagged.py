"""Rows sent on from an evaluation: the list of flagged rows with its CSV, and datasets of hard rows."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from evaluation.boards.tables import open_items
from evaluation.models import FlaggedRow, Scorecard
from evaluation.rows import flagging, hard_rows
from evaluation.rows import page as explorer_page
from evaluation.views.evaluations import find
from evaluation.views.rows import read_earlier
from studio.access import WorkspaceRequest, role_required
from studio.lib.errors import StudioError

PAGE = 100
STATES = {"open": "Open", "closed": "Closed", "all": "All"}


@require_safe
@role_required("viewer")
def index(request: WorkspaceRequest) -> HttpResponseBase:
    """The list, newest first; ``format=csv`` takes it away."""
    state = request.GET.get("state", "open")
    query, card = request.GET.get("q", "").strip()[:120], request.GET.get("evaluation", "")
    if card:
        find(request, _uuid(card))
    found = flagging.flagged_rows(request.workspace, query=query, state=state if state in STATES else "open", card=card)
    if request.GET.get("format") == "csv":
        answer = HttpResponse(flagging.to_csv(found.iterator()), content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = 'attachment; filename="flagged-rows.csv"'
        return answer
    before = request.GET.get("before", "")
    page = list((found.filter(pk__lt=int(before)) if before.isdecimal() else found)[: PAGE + 1])
    context: dict[str, Any] = {
        "rows": page[:PAGE],
        "next": page[PAGE - 1].pk if len(page) > PAGE else None,
        "total": found.count(),
        "query": query,
        "state": state if state in STATES else "open",
        "states": STATES.items(),
        "evaluation": card,
        "filtered": bool(query or card or state != "open"),
    }
    return render(request, "evaluation/flagged.html", context)


@require_POST
@role_required("reviewer")
def flag(request: WorkspaceRequest, pk: UUID) -> HttpResponseBase:
    """Put the row ``rid`` on the list with a note, close it (``do=close``) or open it again (``do=open``)."""
    card = find(request, pk)
    rid = _number(request.POST.get("rid", ""))
    do = request.POST.get("do", "flag")
    if do in ("close", "open"):
        flagged = get_object_or_404(FlaggedRow, scorecard=card, rid=rid)
        if do == "close":
            flagging.close(flagged, user=request.user)
            messages.success(request, f"Row {rid + 1} is closed.")
        else:
            flagging.reopen(flagged)
            messages.success(request, f"Row {rid + 1} is open again.")
        return redirect(_back(request, card))
    table = open_items(card)
    row = table.row(rid)
    if row is None:
        raise Http404("There is no such row in this evaluation.")
    flagging.flag(card, table, row, note=request.POST.get("note", ""), user=request.user)
    messages.success(request, f"Row {rid + 1} is on the list of flagged rows.")
    return redirect(_back(request, card))


@require_POST
@role_required("editor")
def keep(request: WorkspaceRequest, pk: UUID) -> HttpResponseBase:
    """One row (``rid``), or all rows under the filter in ``filter``, into the pipeline's dataset of hard rows."""
    card = find(request, pk)
    try:
        version, added = hard_rows.add_rows(card, _wanted_rows(request, card), user=request.user)
    except StudioError as error:
        messages.error(request, f"{error} {error.action}".strip())
        return redirect(_back(request, card))
    there = reverse("dataset_version", args=[request.workspace.slug, version.dataset.slug, version.number])
    words = "1 row" if added == 1 else f"{added:,} rows"
    messages.success(request, f"{words} added: {version.dataset.name}, version {version.number}, marked as held out.")
    if request.POST.get("then") == "review":
        return redirect(
            reverse("review_index", args=[request.workspace.slug, version.dataset.slug, version.number]) + "?tag=hard"
        )
    return redirect(there)


def _wanted_rows(request: WorkspaceRequest, card: Scorecard) -> list[Any]:
    get = QueryDict(request.POST.get("filter", "")[:4_000])
    if "rid" in request.POST:
        table = open_items(card)
        rids = [_number(text) for text in request.POST.getlist("rid")]
    else:
        earlier, _ = read_earlier(request, card, get=get)
        table = open_items(card, earlier=earlier)
        rids = table.positions(explorer_page.read_filter(get.dict(), table)).tolist()
    if not rids or any(rid >= table.marks.rows for rid in rids):
        raise StudioError("No row is chosen.", action="Widen the filter, or open a row.")
    return hard_rows.rows_of(card, table, rids)


def _back(request: WorkspaceRequest, card: Scorecard) -> str:
    """Where the form was: the list, or the rows page with its address kept."""
    if request.POST.get("from") == "list":
        return reverse("flagged_rows", args=[request.workspace.slug])
    kept = QueryDict(request.POST.get("back", "").removeprefix("?")[:4_000])
    known = {
        name: kept[name]
        for name in ("view", "q", "label", "answer", "failed", "tag", "below", "min", "max", "group", "sort", "vs")
        if kept.get(name)
    }
    known |= {name: kept[name] for name in ("after", "before", "row") if kept.get(name, "").isdecimal()}
    url = reverse("evaluation_rows", args=[request.workspace.slug, card.pk])
    return f"{url}?{urlencode(known)}" if known else url


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 15:
        raise Http404("There is no such row.")
    return int(text)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404("There is no such evaluation.") from None

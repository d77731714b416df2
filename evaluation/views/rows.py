"""Every held-out row with every candidate's answer side by side."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from evaluation.explorer import VIEWS, ItemTable, RowFilter
from evaluation.scorecards import read_report
from evaluation.views.evaluations import find
from studio.access import WorkspaceRequest, role_required
from vault import store


@require_safe
@role_required("viewer")
def index(request: WorkspaceRequest, pk: UUID) -> HttpResponseBase:
    """A page of rows under the address's filter; ``row`` opens one in the drawer."""
    card = find(request, pk)
    report = read_report(card.report)
    table = ItemTable(store.path(card.report), root=settings.DATA_ROOT / "artifacts", report=report)
    wanted = read_filter(request, table)
    page = table.page(wanted, after=_position(request, "after"), before=_position(request, "before"))
    rid = _position(request, "row")
    opened = table.row(rid) if rid is not None else None
    if rid is not None and opened is None:
        raise Http404("There is no such row in this evaluation.")
    counts = table.counts(wanted)
    address = Address(wanted)
    candidates = report["candidates"]
    context: dict[str, Any] = {
        "card": card,
        "report": report,
        "run": card.step_run.run,
        "candidates": candidates,
        "is_text": report["task"] == "text",
        "has_reference": bool(report["rows_with_reference"]),
        "has_confidence": any(c["kind"] == "student" and c["confidence"] for c in candidates),
        "wanted": wanted,
        "tabs": [
            {"view": view, "name": VIEWS[view], "count": n, "href": address.to(view=view)} for view, n in counts.items()
        ],
        "total": counts.get(wanted.view, 0),
        "rows": [(row, address.to(row=str(row.rid), **_here(request))) for row in page.rows],
        "previous": address.to(before=str(page.before)) if page.before is not None else "",
        "next": address.to(after=str(page.after)) if page.after is not None else "",
        "labels": [label["label"] for label in report["per_label"] if label["support"]],
        "close": address.to(**_here(request)),
        "without_search": address.to(search=""),
        "without_label": address.to(label=""),
        "without_answer": address.to(answer=""),
        "opened": opened,
    }
    if opened is not None:
        before, after = table.neighbours(opened.rid, wanted)
        context |= {
            "row_before": address.to(row=str(before), **_here(request)) if before is not None else "",
            "row_after": address.to(row=str(after), **_here(request)) if after is not None else "",
            "answers": [(candidate, opened.by_name[candidate["name"]]) for candidate in candidates],
        }
    return render(request, "evaluation/rows.html" + part_of(request), context)


def part_of(request: WorkspaceRequest) -> str:
    """Which part of the page an htmx request wants: the drawer, or the table that the search box filters."""
    if not request.htmx:
        return ""
    return "#drawer" if "drawer" in (request.htmx.target or "") else "#results"


def read_filter(request: WorkspaceRequest, table: ItemTable) -> RowFilter:
    """The filter in the address; a view that this report does not have is ``all``."""
    get = request.GET.get
    view = get("view", "all")
    return RowFilter(
        view=view if view in table.views() else "all",
        search=(get("q") or "").strip()[:200],
        label=(get("label") or "")[:400],
        answer=(get("answer") or "")[:400],
    )


class Address:
    """Addresses of the rows page that keep the filter and change one thing."""

    def __init__(self, wanted: RowFilter) -> None:
        self._kept = {"view": wanted.view, "q": wanted.search, "label": wanted.label, "answer": wanted.answer}

    def to(self, **changes: str) -> str:
        """A relative address with ``changes`` (``search`` is ``q`` in the address)."""
        if "search" in changes:
            changes["q"] = changes.pop("search")
        fields = {name: value for name, value in {**self._kept, **changes}.items() if value}
        if fields.get("view") == "all":
            del fields["view"]
        return "?" + urlencode(fields)


def _here(request: WorkspaceRequest) -> dict[str, str]:
    """The page's place in the address, so that opening and closing a row stays on the page."""
    return {name: request.GET[name] for name in ("after", "before") if request.GET.get(name)}


def _position(request: WorkspaceRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    if not text:
        return None
    if not text.isdecimal() or len(text) > 15:
        raise Http404("No such page.")
    return int(text)

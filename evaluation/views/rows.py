"""Every held-out row with every candidate's answer side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponseBase, QueryDict
from django.shortcuts import render
from django.views.decorators.http import require_safe

from evaluation.boards.tables import CHOICES, default_earlier, earlier_cards, open_items
from evaluation.judging.show import row_verdicts
from evaluation.judging.verdict_file import file_of, verdicts_on
from evaluation.models import Scorecard
from evaluation.report.scorecards import read_head
from evaluation.rows import flagging, origins
from evaluation.rows import page as explorer_page
from evaluation.rows.explorer import ItemTable
from evaluation.rows.page import Address
from evaluation.views.evaluations import find
from studio.access import WorkspaceRequest, role_required
from studio.models import Role


@require_safe
@role_required("viewer")
def index(request: WorkspaceRequest, pk: UUID) -> HttpResponseBase:
    """A page of rows under the address's filter; ``row`` opens one in the drawer."""
    card = find(request, pk)
    report = read_head(card.report)
    earlier, versus = read_earlier(request, card)
    table = open_items(card, report, earlier=earlier)
    wanted = explorer_page.read_filter(request.GET.dict(), table)
    address = Address(wanted, versus=versus)
    rid = _position(request, "row")
    part = part_of(request)
    context: dict[str, Any] = {"card": card, "report": report, "run": card.step_run.run, "earlier": earlier}
    if rid is not None:
        context |= drawer(request, card, table, report, rid, address)
    if part != "#drawer":
        frame = explorer_page.frame(table, wanted, report, address=address)
        page = table.page(wanted, after=_position(request, "after"), before=_position(request, "before"))
        flagged = flagging.flagged_rids(card, [row.rid for row in page.rows])
        before = earlier_answers(table, page.rows) if earlier is not None else {}
        context |= {
            **frame,
            **explorer_page.pages(page, total=frame["total"], address=address),
            "rows": [
                {
                    "row": row,
                    "href": address.to(row=str(row.rid), **_here(request)),
                    "flagged": row.rid in flagged,
                    "earlier": before.get(row.rid),
                }
                for row in page.rows
            ],
            "choices": earlier_cards(card)[:CHOICES],
            "can_flag": request.membership.at_least(Role.REVIEWER),
            "page_query": address.to(**_here(request)).removeprefix("?"),
        }
    return render(request, "evaluation/rows.html" + part, context)


def drawer(
    request: WorkspaceRequest, card: Scorecard, table: ItemTable, report: Mapping[str, Any], rid: int, address: Address
) -> dict[str, Any]:
    """One row, opened: every answer with its differences, the prompt, and where the row can be sent."""
    opened = table.row(rid)
    if opened is None:
        raise Http404("There is no such row in this evaluation.")
    wanted = explorer_page.read_filter(request.GET.dict(), table)
    before, after = table.neighbours(rid, wanted)
    here = _here(request)
    return {
        "opened": opened,
        "is_text": report["task"] == "text",
        "answers": with_verdicts(
            explorer_page.answers_of(opened, report, earlier=table.earlier_row(rid)), table, report, rid
        ),
        "row_before": address.to(row=str(before), **here) if before is not None else "",
        "row_after": address.to(row=str(after), **here) if after is not None else "",
        "here": address.to(row=str(rid), **here),
        "close": address.to(**here),
        "flag": flagging.flag_of(card, rid),
        "can_flag": request.membership.at_least(Role.REVIEWER),
        "origin": origins.find_origin(card, opened.id),
    }


def with_verdicts(
    answers: list[dict[str, Any]], table: ItemTable, report: Mapping[str, Any], rid: int
) -> list[dict[str, Any]]:
    """The answers to a row, each with what the report's judges said of it."""
    source = table.source
    found = {
        judge["number"]: verdicts_on(file_of(source.folder, judge["number"]), rid, root=source.root)
        for judge in report.get("judges") or []
    }
    said = row_verdicts(report, found)
    return [{**answer, "verdicts": said.get(answer["candidate"]["name"], [])} for answer in answers]


def earlier_answers(table: ItemTable, rows: list[Any]) -> dict[int, Any]:
    """What the earlier student answered to the rows of a page, by position."""
    other = table.earlier
    name = other.source.of_kind("student") if other else None
    if other is None or name is None:
        return {}
    places = {row.rid: int(table.places[row.rid]) for row in rows}
    known = [place for place in places.values() if place >= 0]
    found = {row.rid: row.by_name[name] for row in other.rows(known)}
    return {rid: found[place] for rid, place in places.items() if place >= 0}


def read_earlier(
    request: WorkspaceRequest, card: Scorecard, *, get: QueryDict | None = None
) -> tuple[Scorecard | None, str]:
    """The evaluation to hold the rows against, and what the address says of it: ``vs``, or the last one over the same rows.

    ``vs=none`` holds them against nothing. ``get``: another address than the request's own.
    """
    text = (request.GET if get is None else get).get("vs", "")
    if text == "none":
        return None, text
    if not text:
        return default_earlier(card), ""
    try:
        wanted = UUID(text)
    except ValueError:
        raise Http404("There is no such evaluation.") from None
    if wanted == card.pk:
        raise Http404("An evaluation can't be held against itself.")
    return find(request, wanted), text


def part_of(request: WorkspaceRequest) -> str:
    """Which part of the page an htmx request wants: the drawer, or the table that the search box filters."""
    if not request.htmx:
        return ""
    return "#drawer" if "drawer" in (request.htmx.target or "") else "#results"


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

"""What the rows page shows: tabs, chips and addresses around a table of rows. Pure: the filter and the rows in, a context out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from evaluation.rows.explorer import ItemTable
from evaluation.rows.filters import SORTS, UNSURE, VIEWS, RowFilter
from evaluation.rows.shown import ItemPage, ItemRow

SURE = ("0.5", "0.7", "0.9", "0.95", "0.99")
MOST_SEARCH = 200


class Address:
    """Addresses of the rows page that keep the filter and change one thing. ``versus``: the earlier evaluation in the address."""

    def __init__(self, wanted: RowFilter, *, versus: str = "") -> None:
        self.kept = {
            "view": "" if wanted.view == "all" else wanted.view,
            "q": wanted.search,
            "label": wanted.label,
            "answer": wanted.answer,
            "failed": wanted.failed,
            "tag": wanted.tag,
            "below": f"{wanted.below:g}" if wanted.below is not None else "",
            "min": "" if wanted.shortest is None else str(wanted.shortest),
            "max": "" if wanted.longest is None else str(wanted.longest),
            "group": "" if wanted.group is None else str(wanted.group),
            "sort": wanted.sort,
            "vs": versus,
        }

    def to(self, **changes: str) -> str:
        """A relative address with ``changes``."""
        fields = {name: value for name, value in {**self.kept, **changes}.items() if value}
        if fields.get("view") == "all":
            del fields["view"]
        return "?" + urlencode(fields)

    @property
    def chips(self) -> list[dict[str, str]]:
        """The filters in use, each with the address without it."""
        names = {
            "label": "Right answer",
            "answer": "Student answered",
            "failed": "No answer from",
            "tag": "Tag",
            "below": "Student less sure than",
            "min": "Question from",
            "max": "Question up to",
            "group": "Group of lost rows",
            "q": "Search",
        }
        shown = {
            **self.kept,
            "below": f"{float(self.kept['below']):.0%}" if self.kept["below"] else "",
            **{n: f"{int(self.kept[n]):,} characters" if self.kept[n] else "" for n in ("min", "max")},
        }
        return [{"name": names[n], "value": shown[n], "remove": self.to(**{n: ""})} for n in names if shown[n]]


def read_filter(get: Mapping[str, str], table: ItemTable) -> RowFilter:
    """The filter in an address; what this report has not, or what makes no sense, does not filter."""
    view, sort, failed = get.get("view", "all"), get.get("sort", ""), get.get("failed", "")
    return RowFilter(
        view=view if view in table.views() else "all",
        search=get.get("q", "").strip()[:MOST_SEARCH],
        label=get.get("label", "")[:400],
        answer=get.get("answer", "")[:400],
        failed=failed if failed in table.names else "",
        tag=get.get("tag", "")[:200],
        below=_share(get.get("below", "")),
        shortest=_whole(get.get("min", "")),
        longest=_whole(get.get("max", "")),
        group=_group(get.get("group", ""), table),
        sort=sort if sort in SORTS else "",
    )


def _whole(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 10 else None


def _group(text: str, table: ItemTable) -> int | None:
    number = _whole(text)
    return number if number is not None and 1 <= number <= len(table.groups) else None


def _share(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value <= 1 else None


def frame(table: ItemTable, wanted: RowFilter, report: Mapping[str, Any], *, address: Address) -> dict[str, Any]:
    """Everything around the rows; of the report its head is enough."""
    counts = table.counts(wanted)
    candidates: Sequence[Mapping[str, Any]] = report["candidates"]
    confident = any(c["kind"] == "student" and c["confidence"] for c in candidates)
    sorts = {n: text for n, text in SORTS.items() if "confidence" not in n or confident}
    return {
        "candidates": candidates,
        "is_text": report["task"] == "text",
        "has_reference": bool(report["rows_with_reference"]),
        "has_confidence": confident,
        "wanted": wanted,
        "tabs": [
            {"view": view, "name": VIEWS[view], "count": n, "href": address.to(view=view)} for view, n in counts.items()
        ],
        "total": counts.get(wanted.view, 0),
        "chips": address.chips,
        "kept": address.kept,
        "filter_query": address.to().removeprefix("?"),
        "labels": report["row_labels"],
        "sorts": sorts,
        "sure": [(value, f"{float(value):.0%}") for value in SURE] if confident else [],
        "below": address.kept["below"],
        "unsure": UNSURE,
        "failing": [c for c in candidates if c["failed"]],
    }


def pages(page: ItemPage, *, total: int, address: Address) -> dict[str, Any]:
    """Where the page stands among all, and the addresses of its neighbours."""
    return {
        "previous": address.to(before=str(page.before)) if page.before is not None else "",
        "next": address.to(after=str(page.after)) if page.after is not None else "",
        "first": page.first + 1,
        "last": page.first + len(page.rows),
        "page_total": total,
    }


def answers_of(row: ItemRow, report: Mapping[str, Any], *, earlier: ItemRow | None) -> list[dict[str, Any]]:
    """Every answer to an opened row, with what free text is held against word by word: the reference, else the teacher's."""
    kinds = {c["name"]: c["kind"] for c in report["candidates"]}
    is_text, by_name = report["task"] == "text", row.by_name
    shown = []
    for candidate in report["candidates"]:
        answer = by_name[candidate["name"]]
        target, what = row.reference, "the reference"
        if target is None and candidate["kind"] != "teacher":
            target, what = row.teacher, "the teacher's answer"
        # A label is one word: struck through and written anew, it would say less than the tag beside it.
        differs = is_text and target is not None and answer.said is not None and answer.said != target
        shown.append({"candidate": candidate, "answer": answer, "target": target if differs else None, "what": what})
    student = next((n for n, kind in kinds.items() if kind == "student"), "")
    if earlier is not None and student:
        before = next((a for a in earlier.answers if a.candidate == student), None) or next(
            (a for a in earlier.answers if a.candidate.startswith("student")), None
        )
        if before is not None:
            now = by_name[student].said
            differs = is_text and now is not None and before.said is not None and now != before.said
            label = {"name": "earlier", "label": "Earlier student", "kind": "student"}
            shown.append(
                {
                    "candidate": label,
                    "answer": before,
                    "target": now if differs else None,
                    "what": "this student's answer",
                    "earlier": True,
                }
            )
    return shown

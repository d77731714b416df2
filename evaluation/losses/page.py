"""What the page "Where it loses" shows: each group with its share, its rate inside and outside, its mistakes and examples. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.rows.explorer import ItemTable
from evaluation.rows.shown import ItemRow
from evaluation.statistics import wilson

EXAMPLES = 4
"""Rows shown of each group."""
NEIGHBOURS = 3
"""Training rows shown of each group."""
NAME_LENGTH = 90


def groups_view(found: Mapping[str, Any], report: Mapping[str, Any], *, rows_url: str) -> list[dict[str, Any]]:
    """A line for each group, worst first: by the number of rows lost, then by the rate among rows like these."""
    drawn_lost = found["lost"] / found["looked_at"] if found["looked_at"] else 1.0
    drawn_won = found["won"] / found["won_looked_at"] if found["won_looked_at"] else 1.0
    views = [
        _group_view(group, number, found, drawn=(drawn_lost, drawn_won), rows_url=rows_url)
        for number, group in enumerate(found["groups"], start=1)
    ]
    return sorted(views, key=lambda view: (-view["size"], -view["inside"], view["number"]))


def _group_view(
    group: Mapping[str, Any], number: int, found: Mapping[str, Any], *, drawn: tuple[float, float], rows_url: str
) -> dict[str, Any]:
    size, near = len(group["rids"]) * drawn[0], len(group["near"]) * drawn[1]
    others = found["lost"] + found["won"] - size - near
    inside = size / (size + near) if size else 0.0
    outside = max(0.0, found["lost"] - size) / others if others > 0 else 0.0
    share = wilson(len(group["rids"]), found["looked_at"])
    return {
        "number": number,
        "name": group["name"] if len(group["name"]) <= NAME_LENGTH else group["name"][: NAME_LENGTH - 1] + "…",
        "terms": group["terms"],
        "size": len(group["rids"]),
        "share": share.value if share else 0.0,
        "near": len(group["near"]),
        "inside": inside,
        "outside": outside,
        "mistakes": [
            {"right": a or "(nothing)", "given": b or "(no answer)", "count": n} for a, b, n in group["pairs"][:3]
        ],
        "teacher_wrong": group["teacher_wrong"],
        "alike": group["alike"][:NEIGHBOURS],
        "alike_count": len(group["alike"]),
        "to_review": why_review(group),
        "href": f"{rows_url}?group={number}",
    }


def why_review(group: Mapping[str, Any]) -> str:
    """What the nearest training rows say about the labels of a group, in a sentence; empty without training rows."""
    near = group["alike"]
    if not near:
        return ""
    if not group["pairs"]:
        return "The student learnt from these: look whether their answers say what it should say."
    right, given, _ = group["pairs"][0]
    counts = [sum(row["answer"] == answer for row in near) for answer in (right, given)]
    of = f"Of the {len(near):,} nearest training rows"
    if not counts[0] and not counts[1]:
        return f"{of} none is answered “{right}” or “{given}”: rows are missing rather than wrong."
    if not counts[0]:
        return f"{of} none is answered “{right}”, {counts[1]:,} “{given}”: rows are missing, or they carry the wrong label."
    if not counts[1]:
        return f"{of} {counts[0]:,} are answered “{right}”, none “{given}”."
    return f"{of} {counts[0]:,} are answered “{right}” and {counts[1]:,} “{given}”: look whether both are right."


def add_examples(groups: Sequence[dict[str, Any]], found: Mapping[str, Any], table: ItemTable) -> None:
    """Put the rows nearest to the middle of each group into its line, read at once."""
    wanted = {view["number"]: found["groups"][view["number"] - 1]["rids"][:EXAMPLES] for view in groups}
    rids = [rid for some in wanted.values() for rid in some]
    rows = dict(zip(rids, table.rows(rids), strict=True)) if rids else {}
    student = table.source.of_kind("student") or ""
    for view in groups:
        chosen = [rows[rid] for rid in wanted[view["number"]]]
        view["examples"] = [_example(row, student, f"{view['href']}&row={row.rid}") for row in chosen]


def _example(row: ItemRow, student: str, href: str) -> dict[str, Any]:
    answer = row.by_name.get(student)
    right = row.reference if row.reference is not None else row.teacher
    said = (answer.said or answer.error) if answer else None
    return {"href": href, "question": row.question, "right": right or "–", "said": said or "(no answer)"}

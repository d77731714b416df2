"""Everything the profile page draws, as plain JSON, from the columns of row facts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vault.profiling import examples, numbers
from vault.profiling.examples import Excerpt
from vault.profiling.facts import FLAGS, NONE, Facts, Ints
from vault.profiling.scan import Conversation

TOP_LABELS = 24
RAREST = 6
CURVE_LABELS = 200
MOST_LABELS = 1_000
GROUPS = 6
SHOWN = 4
CONFLICTS = 8
EXAMPLES = 3
LONGEST_LABEL = 1_000
"""Characters of a label that can be kept and filtered by."""

Table = dict[int, Conversation]


def summarise(rows: Path, facts: Facts) -> dict[str, Any]:
    """The JSON of the page, with a few rows as examples."""
    near = np.where(facts.flagged("near_duplicate"), facts.near_group, NONE)
    plan: dict[str, Any] = {
        "labels": label_plan(facts),
        "exact": largest(facts.exact_group),
        "near": largest(near),
        "conflicts": conflict_plan(facts),
        "found": {kind: np.flatnonzero(facts.flagged(kind))[:EXAMPLES].tolist() for kind in FLAGS if ":" in kind},
    }
    table = examples.read_rows(rows, _wanted(plan))
    return {
        "rows": len(facts),
        "answers": int((facts.answer_chars != NONE).sum()),
        "prompt": numbers.describe(facts.prompt_chars),
        "answer": numbers.describe(facts.answer_chars[facts.answer_chars != NONE]),
        "labels": _labels(facts, plan["labels"], table),
        "flags": {flag: int(facts.flagged(flag).sum()) for flag in FLAGS},
        "any": {family: int(facts.any_of(family).sum()) for family in ("pii", "secret")},
        "languages": _languages(facts),
        "exact": _with_alike(_groups(facts.exact_group, plan["exact"], table), facts),
        "near": _groups(near, plan["near"], table),
        "conflicts": _conflicts(plan["conflicts"], table),
        "found": _found(plan["found"], table),
    }


def token_summary(tokens: Ints, *, context: int | None) -> dict[str, Any] | None:
    """What the page draws of the lengths in tokens; None when they were not counted."""
    known = tokens[tokens != NONE]
    told = numbers.describe(known)
    if told is None:
        return None
    over = int((known > context).sum()) if context else 0
    return {**told, "context": context, "over": over, "curve": numbers.survivors(known)}


# --- labels ------------------------------------------------------------------------------------------------------------


def label_plan(facts: Facts) -> dict[str, Any]:
    """The counts of each answer, the commonest first, and the row to read each shown one from."""
    has_completions = bool((facts.answer_chars != NONE).any())
    rows = np.flatnonzero((facts.answer_chars != NONE) if has_completions else (facts.answer_key != 0))
    _, first, counts = np.unique(facts.answer_key[rows], return_index=True, return_counts=True)
    order = np.lexsort((first, -counts))
    counts, first = counts[order], rows[first[order]]
    few = 0 < len(counts) <= max(len(rows) // 2, 12) and len(counts) <= MOST_LABELS
    shown = list(range(len(counts)))
    if len(shown) > TOP_LABELS + RAREST:
        shown = [*shown[:TOP_LABELS], *shown[-RAREST:]]
    return {
        "field": "completion" if has_completions else "reference",
        "few": few,
        "rows": len(rows),
        "counts": counts,
        "shown": [(n, int(first[n])) for n in shown] if few else [],
    }


def few_labels(plan: dict[str, Any]) -> bool:
    """Whether answers repeat so often that they are labels."""
    return bool(plan["few"])


def _labels(facts: Facts, plan: dict[str, Any], table: Table) -> dict[str, Any]:
    counts: npt.NDArray[np.int64] = plan["counts"]
    told = {
        "field": plan["field"],
        "kind": "labels" if plan["few"] else "texts" if len(counts) else "none",
        "distinct": len(counts),
        "rows": plan["rows"],
        "once": int((counts == 1).sum()),
    }
    if not plan["few"]:
        return told
    listed = [{**_label(table[rid].answer), "rows": int(counts[n]), "rid": rid} for n, rid in plan["shown"]]
    cut = TOP_LABELS if len(counts) > len(listed) or len(listed) > TOP_LABELS + RAREST - 1 else len(listed)
    return told | {
        "top": listed[:cut],
        "rarest": listed[cut:],
        "curve": _thinned(counts),
        **numbers.imbalance(counts.tolist()),
    }


def _label(text: str | None) -> dict[str, Any]:
    shown = examples.excerpt(text)
    # Only what may be shown whole may stand in an address.
    return {"label": shown.text, "value": text if shown.whole and len(text or "") <= LONGEST_LABEL else None}


def _thinned(counts: npt.NDArray[np.int64]) -> list[list[int]]:
    """``[rank, rows]`` of at most ``CURVE_LABELS`` labels, the first and the last among them."""
    ranks = np.unique(np.linspace(0, len(counts) - 1, min(len(counts), CURVE_LABELS)).astype(int))
    return [[int(rank) + 1, int(counts[rank])] for rank in ranks]


# --- groups ------------------------------------------------------------------------------------------------------------


def largest(group: Ints, *, limit: int = GROUPS, shown: int = SHOWN) -> list[tuple[int, int, list[int]]]:
    """``(group, rows, its first rows)`` of the largest groups."""
    inside = np.flatnonzero(group != NONE)
    names, counts = np.unique(group[inside], return_counts=True)
    found = []
    for n in np.lexsort((names, -counts))[:limit].tolist():
        members = inside[group[inside] == names[n]]
        found.append((int(names[n]), int(counts[n]), members[:shown].tolist()))
    return found


def _groups(group: Ints, plan: list[tuple[int, int, list[int]]], table: Table) -> dict[str, Any]:
    inside = group[group != NONE]
    count = len(np.unique(inside))
    return {
        "groups": count,
        "rows": len(inside),
        "extra": len(inside) - count,
        "largest": [
            {"group": name, "rows": size, "examples": [_example(rid, table[rid]) for rid in members]}
            for name, size, members in plan
        ],
    }


def _with_alike(told: dict[str, Any], facts: Facts) -> dict[str, Any]:
    """Exact copies by the number of the group in which the row browser finds them."""
    for group in told["largest"]:
        group["group"] = int(facts.near_group[group["group"]])
    return told


def _example(rid: int, row: Conversation) -> dict[str, Any]:
    return {"rid": rid, "prompt": examples.excerpt(row.body).text, "answer": examples.excerpt(row.answer).text}


def _languages(facts: Facts) -> list[dict[str, Any]]:
    counts = np.bincount(facts.languages, minlength=len(facts.codes))
    order = sorted(range(len(facts.codes)), key=lambda n: (-int(counts[n]), facts.codes[n]))
    return [{"code": facts.codes[n], "rows": int(counts[n])} for n in order if counts[n]]


# --- conflicts and finds -----------------------------------------------------------------------------------------------


def conflict_plan(facts: Facts) -> dict[str, Any]:
    """The prompts with different answers: how many, and the largest with one row for each answer."""
    near = near_conflicts(facts)
    same = np.flatnonzero(facts.flagged("label_conflict"))
    keys, inverse, counts = np.unique(facts.prompt_key[same], return_inverse=True, return_counts=True)
    first = np.full(len(keys), len(facts), dtype=np.int64)
    np.minimum.at(first, inverse, same)
    shown = []
    for n in np.lexsort((first, -counts))[:CONFLICTS].tolist():
        members = same[inverse == n]
        alike = np.unique(facts.near_group[members])
        # One group shows them all only when no spelling fell out of it.
        whole = len(alike) == 1 and alike[0] != NONE
        shown.append(_answers(facts, members) | {"group": int(alike[0]) if whole else None, "near": False})
    names = np.unique(facts.near_group[near])
    for name in names[: CONFLICTS - len(shown)].tolist():
        members = np.flatnonzero((facts.near_group == name) & (facts.label_key != 0))
        shown.append(_answers(facts, members) | {"group": int(name), "near": True})
    return {"prompts": len(keys), "near_groups": len(names), "shown": shown}


def near_conflicts(facts: Facts) -> Ints:
    """The rows flagged because a near duplicate has another label."""
    return np.flatnonzero(facts.flagged("near_label_conflict")).astype(np.int64)


def _answers(facts: Facts, members: npt.NDArray[np.int64]) -> dict[str, Any]:
    labels, first, counts = np.unique(facts.label_key[members], return_index=True, return_counts=True)
    order = np.lexsort((first, -counts))[:SHOWN].tolist()
    return {
        "rows": len(members),
        "answers": len(labels),
        "shown": [(int(members[first[n]]), int(counts[n])) for n in order],
    }


def _conflicts(plan: dict[str, Any], table: Table) -> dict[str, Any]:
    listed = []
    for group in plan["shown"]:
        answers = [
            {"rid": rid, "rows": rows, "prompt": examples.excerpt(table[rid].body).text,
             "answer": examples.excerpt(table[rid].answer).text}
            for rid, rows in group["shown"]
        ]  # fmt: skip
        body: Excerpt = examples.excerpt(table[group["shown"][0][0]].body)
        listed.append(
            {"prompt": body.text, "rows": group["rows"], "different": group["answers"], "group": group["group"], "near": group["near"],
             "answers": answers}
        )  # fmt: skip
    return {"prompts": plan["prompts"], "near_groups": plan["near_groups"], "shown": listed}


def _found(plan: dict[str, list[int]], table: Table) -> dict[str, list[dict[str, Any]]]:
    return {
        kind: [{"rid": rid, "text": examples.show(table[rid], kind)} for rid in rids]
        for kind, rids in plan.items()
        if rids
    }


def _wanted(plan: dict[str, Any]) -> set[int]:
    wanted = {rid for _, rid in plan["labels"]["shown"]}
    wanted |= {rid for name in ("exact", "near") for _, _, members in plan[name] for rid in members}
    wanted |= {rid for group in plan["conflicts"]["shown"] for rid, _ in group["shown"]}
    return wanted | {rid for rids in plan["found"].values() for rid in rids}

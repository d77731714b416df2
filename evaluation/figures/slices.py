"""Where does the student fall behind? The same comparison inside every label, tag, length, language, source and confidence.

Pure. Many slices are looked at together, so their p-values carry Holm's correction: of slices that differ by nothing but
chance, one is reported in no more than one evaluation of twenty.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from evaluation.figures.clusters import source_of
from evaluation.statistics import (
    Estimate,
    bootstrap,
    holm,
    mcnemar_exact,
    noninferiority_of_means,
    noninferiority_of_pairs,
    pair,
    rows_for_difference,
    wilson,
)
from vault.quality import languages
from vault.rows import Row

FieldName = Literal["label", "tag", "length", "language", "confidence", "source"]
FIELDS: dict[FieldName, str] = {
    "label": "Label",
    "tag": "Tag",
    "length": "Length of the question",
    "language": "Language of the question",
    "confidence": "Teacher's confidence",
    "source": "Source",
}
TITLES: dict[str, str] = dict(FIELDS.items())
LEAST = 10
"""Slices with fewer rows are shown and not tested: no outcome could stand, and each test makes the others' harder."""
MOST_PER_FIELD = 40
MOST = 200
LENGTHS = (50, 200, 1_000, 4_000)
"""Upper ends of the length buckets in characters; fixed, so that runs can be compared."""
SURE = (0.5, 0.8, 0.95)
"""Lower ends of the confidence buckets above the first."""


class Scores(NamedTuple):
    """Per row the two candidates' scores, 0..1, None where there is nothing to judge. ``binary``: right or wrong."""

    student: Sequence[float | None]
    other: Sequence[float | None] | None
    binary: bool


@dataclass(frozen=True)
class Slice:
    """Rows that share a value, and what the two candidates did there. ``reason``: why there is no difference or no test."""

    field: str
    value: str
    n: int
    student: Estimate | None
    other: Estimate | None
    difference: Estimate | None
    p: float | None
    small: bool
    reason: str = ""
    p_holm: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The slice as it lies in the report."""
        found = {name: getattr(self, name) for name in ("field", "value", "n", "p", "p_holm", "small", "reason")}
        for name in ("student", "other", "difference"):
            value: Estimate | None = getattr(self, name)
            found[name] = None if value is None else value._asdict()
        return found


def length_of(text: str) -> str:
    """The length bucket of a text: ``up to 50 characters``, ``51–200``, … ``over 4,000``."""
    below = 0
    for end in LENGTHS:
        if len(text) <= end:
            return f"up to {end:,} characters" if below == 0 else f"{below + 1:,}–{end:,} characters"
        below = end
    return f"over {below:,} characters"


def confidence_of_teacher(row: Row) -> str | None:
    """The bucket of the probability that the teacher gave its own answer, or None without probabilities."""
    if not row.soft:
        return None
    own = [s["probability"] for s in row.soft if s["text"] == row.completion_text]
    sure = own[0] if own else max(s["probability"] for s in row.soft)
    ends = [0.0, *SURE, 1.0]
    at = max(i for i, end in enumerate(ends[:-1]) if sure >= end or i == 0)
    return f"{100 * ends[at]:.0f}–{100 * ends[at + 1]:.0f} % sure"


def values_of(row: Row, field: FieldName, *, label: str | None) -> list[str]:
    """The slices of ``field`` that a row belongs to. ``label``: its right answer where the task has labels."""
    if field == "label":
        return [label] if label is not None else []
    if field == "tag":
        return list(dict.fromkeys(row.tags))
    if field == "length":
        return [length_of(row.user_text)]
    if field == "language":
        return [languages.name_of(languages.identify(row.user_text))]
    found = confidence_of_teacher(row) if field == "confidence" else source_of(row)
    return [] if found is None else [found]


def members_of(
    rows: Sequence[Row], fields: Sequence[FieldName], *, label_of: Callable[[Row], str | None]
) -> dict[str, dict[str, list[int]]]:
    """Field → value → positions of its rows. Fields on which all rows are alike are left out: they part nothing."""
    found: dict[str, dict[str, list[int]]] = {}
    for field in dict.fromkeys(fields):
        by_value: dict[str, list[int]] = defaultdict(list)
        for position, row in enumerate(rows):
            for value in values_of(row, field, label=label_of(row) if field == "label" else None):
                by_value[value].append(position)
        parted = any(len(positions) < len(rows) for positions in by_value.values())
        if by_value and parted:
            found[field] = dict(by_value)
    return found


def enough_rows(scores: Sequence[tuple[float, float]], *, margin: float, binary: bool) -> int | None:
    """Rows with which a slice could show a loss of ``margin`` four times in five, at the spread seen over all rows.

    None when there is no margin or nothing to go by.
    """
    if not scores or margin <= 0:
        return None
    differences = [a - b for a, b in scores]
    if binary:
        # One discordant row more: a sample that agreed everywhere still promises no certainty.
        discordance = (sum(d != 0 for d in differences) + 1) / (len(differences) + 2)
        return rows_for_difference(margin, discordance=min(1.0, max(discordance, margin)))
    mean = sum(differences) / len(differences)
    variance = (sum((d - mean) ** 2 for d in differences) + 1) / (len(differences) + 1)
    return rows_for_difference(margin, discordance=min(1.0, max(variance, margin)))


def measure(
    field: str,
    value: str,
    positions: Sequence[int],
    scores: Scores,
    *,
    clusters: Sequence[str | None] | None,
    enough: int | None,
    seed: int,
) -> Slice:
    """One slice. Its figures are over the rows that both were judged on, or over the student's where nobody is compared."""
    if scores.other is None:
        alone = [s for p in positions if (s := scores.student[p]) is not None]
        mean = _figure(alone, binary=scores.binary, seed=seed)
        return Slice(field, value, len(alone), mean, None, None, None, _is_small(len(alone), enough), _NOBODY)
    kept = [(p, a, b) for p in positions if (a := scores.student[p]) is not None and (b := scores.other[p]) is not None]
    n = len(kept)
    small = _is_small(n, enough)
    student = _figure([a for _, a, _ in kept], binary=scores.binary, seed=seed)
    other = _figure([b for _, _, b in kept], binary=scores.binary, seed=seed)
    if n == 0:
        return Slice(field, value, 0, None, None, None, None, True, "No row of it was put to both.")
    names = None if clusters is None else [clusters[p] for p, _, _ in kept]
    if scores.binary:
        hits = [(a >= 0.5, b >= 0.5) for _, a, b in kept]
        test = noninferiority_of_pairs(hits, margin=0, clusters=names)
        counts = pair([a for a, _ in hits], [b for _, b in hits])
        exact = mcnemar_exact(round(counts.only_a), round(counts.only_b)) if names is None else None
    else:
        test = noninferiority_of_means([a - b for _, a, b in kept], margin=0, clusters=names)
        exact = None
    p = exact
    if p is None and test.p is not None and test.p_worse is not None:
        p = min(1.0, 2 * min(test.p, test.p_worse))
    reason = test.reason
    if n < LEAST:
        p, reason = None, reason or f"Fewer than {LEAST} rows: not tested."
    return Slice(field, value, n, student, other, test.difference, p, small, reason)


_NOBODY = "There is nobody to compare with on these rows."


def _is_small(n: int, enough: int | None) -> bool:
    return enough is not None and n < enough


def _figure(values: Sequence[float], *, binary: bool, seed: int) -> Estimate | None:
    if binary:
        return wilson(sum(v >= 0.5 for v in values), len(values))
    return bootstrap(values, seed=seed, resamples=500)


def order(slices: Sequence[Slice]) -> list[Slice]:
    """Losses that stand after the correction first, the surest of them first; then from the worst difference to the best, and what has too few
    rows for a test behind all that has enough: one row is always all right or all wrong."""

    def key(s: Slice) -> tuple[bool, bool, float, float, int, str, str]:
        stands = s.p_holm is not None and s.p_holm < 0.05 and s.difference is not None and s.difference.value < 0
        figure = s.difference.value if s.difference else s.student.value if s.student else 1.0
        return (not stands, s.n < LEAST, s.p_holm or 0.0 if stands else 0.0, figure, -s.n, s.field, s.value)

    return sorted(slices, key=key)


def build_slices(
    rows: Sequence[Row],
    scores: Scores,
    *,
    fields: Sequence[FieldName],
    label_of: Callable[[Row], str | None],
    margin: float,
    clusters: Sequence[str | None] | None = None,
    seed: int = 0,
    most: int = MOST,
    most_per_field: int = MOST_PER_FIELD,
) -> dict[str, Any]:
    """The report's ``slices`` without the names of measure and opponent; see docs/concepts/evaluation.md for its shape."""
    judged = [
        (a, b) for a, b in zip(scores.student, scores.other or (), strict=False) if a is not None and b is not None
    ]
    enough = enough_rows(judged, margin=margin, binary=scores.binary)
    members = members_of(rows, fields, label_of=label_of)
    found = [
        measure(field, value, positions, scores, clusters=clusters, enough=enough, seed=seed)
        for field, by_value in members.items()
        for value, positions in by_value.items()
    ]
    adjusted = holm([s.p for s in found])
    ordered = order([replace(s, p_holm=p) for s, p in zip(found, adjusted, strict=True)])
    shown = _bounded(ordered, most=most, most_per_field=most_per_field)
    return {
        "margin": margin,
        "enough": enough,
        "tested": sum(s.p is not None for s in found),
        "fields": [_describe(field, members[field], shown) for field in members],
        "slices": [s.as_json() for s in shown],
    }


def _bounded(slices: Sequence[Slice], *, most: int, most_per_field: int) -> list[Slice]:
    taken: dict[str, int] = defaultdict(int)
    kept: list[Slice] = []
    for s in slices:
        if len(kept) < most and taken[s.field] < most_per_field:
            taken[s.field] += 1
            kept.append(s)
    return kept


def _describe(field: str, by_value: Mapping[str, Sequence[int]], shown: Sequence[Slice]) -> dict[str, Any]:
    kept = {s.value for s in shown if s.field == field}
    return {
        "field": field,
        "title": TITLES[field],
        "slices": len(by_value),
        "shown": len(kept),
        "left_out": len(by_value) - len(kept),
        "left_out_rows": sum(len(positions) for value, positions in by_value.items() if value not in kept),
    }

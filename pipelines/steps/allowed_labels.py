"""Bring the teacher's answers to the spelling of a closed set of labels, and reject what is outside it."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from pydantic import field_validator

from pipelines.steps import base, sieve
from pipelines.steps.base import Context, InputArtifact, StepResult
from pipelines.steps.sieve import Verdict
from studio.lib.errors import StepError
from studio.lib.params import BaseParams, param
from vault.rows import Row, assistant, count_rows, normalise, read_rows

MOST_LABELS = 2_000
NAMED = 5
"""Answers that are named when no row is left."""


class AllowedLabels(base.Step):
    """Keeps rows whose answer is one of the labels once case, spaces and punctuation are ignored, in the label's own
    spelling. The others leave with the answer they gave and the nearest label."""

    label = "Allowed labels"
    group = "Curation"
    help = (
        "For tasks whose answer is one of a fixed set. The set also tells training and evaluation what can be answered."
    )
    inputs = sieve.ROWS_IN
    outputs = sieve.ROWS_AND_REJECTS

    class Params(BaseParams):
        labels: list[str] = param(
            list,
            label="Labels",
            help="One a line, spelt as the student should answer. Empty: the distinct reference answers of the input.",
            widget="lines",
        )

        @field_validator("labels")
        @classmethod
        def labels_differ(cls, labels: list[str]) -> list[str]:
            label_table(labels)
            return labels

    def run(self, ctx: Context, params: Params, inputs: Mapping[str, InputArtifact]) -> StepResult:
        source = inputs["rows"]
        labels = params.labels or reference_labels(sieve.rows_of(ctx, source, note="finding the labels"))
        counts: Counter[str] = Counter()
        rows = sieve.reported(ctx, read_rows(source.path), total=count_rows(source.path), note="checking")
        outside: Counter[str] = Counter()
        try:
            result, _ = sieve.sift(
                ctx,
                judge(rows, labels=labels, counts=counts, outside=outside),
                by="allowed_labels",
                meta={"labels": labels},
                action="Bring the labels of this step in line with what the teacher answers.",
            )
        except StepError as error:
            raise StepError(f"{error}{_often(outside)}", action=error.action) from None
        respelt = counts.pop(RESPELT, 0)
        summary = {**result.summary, "labels": {label: counts[label] for label in labels}, "respelt": respelt}
        if respelt:
            summary["headline"] = f"{summary['headline']} {respelt:,} brought to the label's spelling."
        return replace(result, summary=summary)


RESPELT = "\0respelt"
"""A key no label can equal, under which :func:`judge` counts the answers it rewrote."""


def label_table(labels: Sequence[str]) -> dict[str, str]:
    """Normalised text → label. Raises ``ValueError`` for a label without letters or digits, or two that read the same."""
    table: dict[str, str] = {}
    for label in labels:
        key = normalise(label)
        if not key:
            raise ValueError(f"The label {label!r} has no letters or digits")
        if key in table:
            raise ValueError(f"The labels {table[key]!r} and {label!r} differ only in case, spaces or punctuation")
        table[key] = label
    return table


def reference_labels(rows: Iterable[Row]) -> list[str]:
    """The distinct reference answers, each in its most frequent spelling, in alphabetical order.

    Raises ``StepError`` when there are none, or more than ``MOST_LABELS`` (free text, not labels).
    """
    spellings: dict[str, Counter[str]] = {}
    for row in rows:
        text = (row.reference_text or "").strip()
        if key := normalise(text):
            spellings.setdefault(key, Counter())[text] += 1
            if len(spellings) > MOST_LABELS:
                raise StepError(
                    f"The rows have more than {MOST_LABELS:,} distinct reference answers: they are not labels.",
                    action="List the labels in this step, or remove it: free-text answers need no label check.",
                )
    if not spellings:
        raise StepError(
            "No labels are listed and no row has a reference answer to take them from.",
            action="List the labels in this step, one a line.",
        )
    return sorted(min(c, key=lambda text: (-c[text], text)) for c in spellings.values())


def _often(answers: Counter[str]) -> str:
    """``" Most often the answer was “Delivery” (80), “Billing” (71)."``, or nothing."""
    told = [f"“{answer}” ({n:,})" for answer, n in answers.most_common(NAMED)]
    return f" Most often the answer was {', '.join(told)}." if told else ""


def judge(
    rows: Iterable[Row],
    *,
    labels: Sequence[str],
    counts: Counter[str] | None = None,
    outside: Counter[str] | None = None,
) -> Iterator[Verdict]:
    """A verdict on each row. ``counts``, when given, gathers rows per label and, under ``RESPELT``, answers rewritten;
    ``outside`` the answers that are no label, the first ``MOST_LABELS`` of them."""
    table = label_table(labels)
    seen: Counter[str] = Counter() if counts is None else counts
    hints: dict[str, str] = {}
    for row in rows:
        answer = row.completion_text
        if answer is None:
            yield Verdict(row, "without an answer", "The row has no answer.")
            continue
        label = table.get(normalise(answer))
        if label is None:
            shown = answer.strip() if len(answer) <= 80 else answer.strip()[:77] + "…"
            if shown not in hints:
                hints[shown] = nearest(shown, table=table)
            if outside is not None and (shown in outside or len(outside) < MOST_LABELS):
                outside[shown] += 1
            yield Verdict(row, "outside the labels", f"“{shown}” is not one of the {len(table)} labels.{hints[shown]}")
            continue
        seen[label] += 1
        if answer == label:
            yield Verdict(row)
        else:
            seen[RESPELT] += 1
            meta = {**row.meta, "respelt_from": answer}
            yield Verdict(replace(row, completion={**(row.completion or {}), **assistant(label)}, meta=meta))


def nearest(answer: str, *, table: Mapping[str, str]) -> str:
    """``" Nearest: “groceries”."`` for a label whose spelling is close or that the answer contains, else nothing."""
    text = normalise(answer)
    inside = [label for key, label in table.items() if f" {key} " in f" {text} "]
    if not inside:
        inside = [table[key] for key in difflib.get_close_matches(text, list(table), n=1, cutoff=0.5)]
    return f" Nearest: “{max(inside, key=len)}”." if inside else ""

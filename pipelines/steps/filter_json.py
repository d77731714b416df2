"""Keep rows whose answer is valid JSON, and valid against a JSON Schema."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from pydantic import field_validator, model_validator

from pipelines.steps import base, sieve
from pipelines.steps.base import Context, InputArtifact, StepResult
from pipelines.steps.sieve import Verdict
from studio.lib.params import BaseParams, param
from vault.quality.json_check import Checker, Unusable, parse, read_schema, unfenced
from vault.rows import Row, assistant

SHOWN = 12
"""Failing fields named in the step's summary."""


class FilterJson(base.Step):
    """Keeps rows whose answer is JSON that fits a schema; the others leave with every field that is wrong.

    The summary counts failures by field and rule over all rows: one field that fails everywhere is a fault of the schema or of
    the prompt, not of the rows.
    """

    label = "Valid JSON"
    group = "Curation"
    help = "For tasks whose answer a program reads: a student learns broken JSON as readily as any other answer."
    inputs = sieve.ROWS_IN
    outputs = sieve.ROWS_AND_REJECTS

    class Params(BaseParams):
        json_schema: str = param(
            "",
            label="JSON Schema",
            help="Drafts 3 to 2020-12. Empty: any JSON will do. References to other documents are not followed.",
            widget="textarea",
        )
        formats: bool = param(
            True, label="Check formats", help="Values with a format in the schema (date, email, uuid…) must have it."
        )
        strip_fences: bool = param(
            True,
            label="Take away code fences",
            help="An answer inside ``` marks is judged, and passed on, without them.",
        )
        keep_fields: list[str] = param(
            list,
            label="Keep only these fields",
            help="One a line: fields of the answer's outermost object, in this order. Others are removed before the check. "
            "Empty: all stay.",
            widget="lines",
        )

        @field_validator("json_schema")
        @classmethod
        def is_a_schema(cls, text: str) -> str:
            read_schema(text)
            return text

        @model_validator(mode="after")
        def fields_differ(self) -> Self:
            twice = [name for name, count in Counter(self.keep_fields).items() if count > 1]
            if twice:
                raise ValueError(f"The field {twice[0]!r} is listed twice")
            return self

    def run(self, ctx: Context, params: Params, inputs: Mapping[str, InputArtifact]) -> StepResult:
        source = inputs["rows"]
        notes = Notes()
        result, _ = sieve.sift(
            ctx,
            judge(sieve.rows_of(ctx, source), params=params, notes=notes),
            by="filter_json",
            meta=sieve.passed_on(source),
            action="Compare the schema of this step with an answer among its input rows.",
        )
        failures = dict(notes.fields.most_common())
        named = [f"{name} ×{count:,}" for name, count in list(failures.items())[:SHOWN]]
        more = f"; {len(failures) - SHOWN:,} more" if len(failures) > SHOWN else ""
        headline = result.summary["headline"]
        if notes.rewritten:
            headline += f" {notes.rewritten:,} {'answer was' if notes.rewritten == 1 else 'answers were'} rewritten."
        summary = {
            **result.summary,
            "headline": headline,
            "rewritten": notes.rewritten,
            "failing_fields": "; ".join(named) + more,
            "fields": failures,
        }
        return replace(result, summary=summary)


@dataclass
class Notes:
    """What is counted on the way. ``fields``: ``"amount: type"`` → rows in which it fails. ``rewritten``: answers changed."""

    fields: Counter[str] = field(default_factory=Counter)
    rewritten: int = 0


def judge(rows: Iterable[Row], *, params: FilterJson.Params, notes: Notes) -> Iterator[Verdict]:
    """A verdict on each row; rows whose answer was rewritten leave with the new one and ``meta["rewritten_from"]``."""
    checker = Checker(params.json_schema, formats=params.formats)
    for row in rows:
        answer = row.completion_text
        if answer is None:
            yield Verdict(row, "without an answer", "The row has no answer.")
            continue
        text = unfenced(answer) if params.strip_fences else answer
        try:
            value = parse(text)
            if params.keep_fields and isinstance(value, dict):
                kept = {name: value[name] for name in params.keep_fields if name in value}
                if list(kept) != list(value):
                    value, text = kept, json.dumps(kept, ensure_ascii=False)
        except Unusable as problem:
            yield Verdict(row, "not JSON", str(problem))
            continue
        faults = checker.faults(value)
        if not faults:
            yield Verdict(rewritten(row, text, notes=notes))
            continue
        notes.fields.update({fault.name for fault in faults})
        told = " ".join(fault.text for fault in faults[:5])
        more = f" And {len(faults) - 5} more." if len(faults) > 5 else ""
        yield Verdict(row, "outside the schema", f"{told}{more}")


def rewritten(row: Row, text: str, *, notes: Notes) -> Row:
    """The row with this answer, and the one it had in ``meta["rewritten_from"]`` when that was another."""
    if text == row.completion_text:
        return row
    notes.rewritten += 1
    meta = {**row.meta, "rewritten_from": row.completion_text}
    return replace(row, completion={**(row.completion or {}), **assistant(text)}, meta=meta)

"""Keep or drop rows by a regular expression on one of their texts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from pydantic import field_validator, model_validator

from pipelines.steps import base, sieve
from pipelines.steps.base import Context, InputArtifact, StepResult
from pipelines.steps.sieve import Verdict
from studio.lib.params import BaseParams, param
from vault.quality.patterns import LONGEST, compile_pattern, search
from vault.rows import Row, text_of

Field = Literal["answer", "prompt", "system prompt", "last user message", "reference", "tags", "meta", "any of them"]
PARTS: tuple[Field, ...] = ("answer", "prompt", "system prompt", "reference", "tags", "meta")


class FilterRegex(base.Step):
    """Keeps rows in which a pattern is found (or is not found); the others leave with what was found and where.

    Patterns are RE2: they take time in proportion to the text and can't hang a run. ``meta`` and ``tags`` are looked at as
    JSON text.
    """

    label = "Filter by pattern"
    group = "Curation"
    help = "For what other filters don't know: a format that answers must have, a phrase that must not occur."
    inputs = sieve.ROWS_IN
    outputs = sieve.ROWS_AND_REJECTS

    class Params(BaseParams):
        pattern: str = param(
            "",
            label="Pattern",
            help=r"RE2 syntax, found anywhere in the text; ^ and $ mean its beginning and end. (?s) lets . match line ends.",
        )
        field: Field = param("answer", label="Looked for in", help="Which text of the row.")
        keep: Literal["rows with a match", "rows without a match"] = param("rows with a match", label="Keep")
        ignore_case: bool = param(False, label="Ignore case")

        @field_validator("pattern")
        @classmethod
        def is_short(cls, pattern: str) -> str:
            if len(pattern) > LONGEST:
                raise ValueError(f"The pattern has {len(pattern):,} characters; at most {LONGEST:,}")
            return pattern

        @model_validator(mode="after")
        def compiles(self) -> FilterRegex.Params:
            compile_pattern(self.pattern, ignore_case=self.ignore_case)
            return self

    def run(self, ctx: Context, params: Params, inputs: Mapping[str, InputArtifact]) -> StepResult:
        source = inputs["rows"]
        result, _ = sieve.sift(
            ctx,
            judge(sieve.rows_of(ctx, source), params=params),
            by="filter_regex",
            meta=sieve.passed_on(source),
            action="Try the pattern on a row of this step's input, or turn “Keep” around.",
        )
        return result


def judge(rows: Iterable[Row], *, params: FilterRegex.Params) -> Iterator[Verdict]:
    """A verdict on each row."""
    pattern = compile_pattern(params.pattern, ignore_case=params.ignore_case)
    wanted = params.keep == "rows with a match"
    for row in rows:
        place, found = first_match(row, pattern, field=params.field)
        if wanted == (found is not None):
            yield Verdict(row)
        elif wanted:
            yield Verdict(
                row, "without a match", f"The pattern {params.pattern!r} was not found in {_the(params.field)}."
            )
        else:
            shown = (found or "").strip()
            yield Verdict(row, "with a match", f"The pattern matches “{shown[:120]}” in {_the(place)}.")


def first_match(row: Row, pattern: Any, *, field: Field) -> tuple[Field, str | None]:
    """Where the pattern was found first, and the text it matched; ``(field, None)`` when it was not."""
    for part in PARTS if field == "any of them" else (field,):
        for text in texts(row, part):
            if (match := search(pattern, text)) is not None:
                return part, match.group(0)
    return field, None


def texts(row: Row, field: Field) -> Iterator[str]:
    """The texts of one part of a row."""
    match field:
        case "answer":
            yield row.completion_text or ""
        case "reference":
            yield row.reference_text or ""
        case "prompt":
            yield from (text_of(m) or "" for m in row.prompt if m.get("role") != "system")
        case "system prompt":
            yield from (text_of(m) or "" for m in row.prompt if m.get("role") == "system")
        case "last user message":
            yield row.user_text
        case "tags":
            yield json.dumps(row.tags, ensure_ascii=False)
        case "meta":
            yield json.dumps(row.meta, ensure_ascii=False)


def _the(field: Field) -> str:
    return field if field in ("tags", "meta", "any of them") else f"the {field}"

"""Replace personal data and secrets by placeholders, or drop the rows that have any."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import field_validator

from pipelines.steps import base, sieve
from pipelines.steps.base import Context, InputArtifact, StepResult
from pipelines.steps.redaction import redact, told
from pipelines.steps.sieve import Verdict
from studio.lib.params import BaseParams, param
from vault.quality import pii
from vault.rows import Row, count_rows, read_rows

Kind = Literal["email", "phone", "card", "iban", "ip"]
NAMES_CHILD = "pipelines.recipes.find_names"


class RedactPii(base.Step):
    """Replaces emails, phone numbers, cards (Luhn), IBANs (mod-97), IP addresses, names of persons if asked, and always API
    keys, passwords and private keys, by placeholders such as ``[EMAIL_1]``: the same value, the same placeholder, in prompt,
    answer and everything else of a row. Or drops such rows. Counts by kind; no value is logged.
    """

    label = "Redact personal data"
    group = "Curation"
    help = (
        "A model repeats what it was trained on. Personal data is replaced by placeholders, secrets always; what an input "
        "dataset holds stays in that dataset."
    )
    inputs = sieve.ROWS_IN
    outputs = sieve.ROWS_AND_REJECTS

    class Params(BaseParams):
        kinds: list[Kind] = param(
            lambda: list(pii.PII_KINDS),
            label="Personal data",
            help="API keys, tokens, passwords and private keys are found whatever is chosen here.",
        )
        action: Literal["replace by placeholders", "drop the row"] = param(
            "replace by placeholders",
            label="Rows that have any",
            help="Dropped rows are kept among the rejects, with placeholders as well.",
        )
        names: bool = param(
            False,
            label="Names of persons",
            help="Needs the spaCy library and one of its pipelines on the worker. Finds most names, not all, and some words "
            "that are none.",
        )
        names_model: str = param(
            "en_core_web_sm",
            label="spaCy pipeline",
            help="The name of an installed pipeline that marks persons.",
            advanced=True,
        )
        regions: list[str] = param(
            lambda: list(pii.REGIONS),
            label="Countries of phone numbers",
            help="Two-letter codes, one a line: whose national numbers are known. Numbers with +country are found anyway.",
            widget="lines",
            advanced=True,
        )

        @field_validator("regions")
        @classmethod
        def known_regions(cls, regions: list[str]) -> list[str]:
            from phonenumbers import SUPPORTED_REGIONS

            upper = [region.upper() for region in regions]
            if unknown := [region for region in upper if region not in SUPPORTED_REGIONS]:
                raise ValueError(f"There is no country {unknown[0]!r}; use two-letter codes such as DE or US")
            return upper

        @field_validator("names_model")
        @classmethod
        def is_a_name(cls, name: str) -> str:
            if not name.replace("_", "").replace("-", "").replace(".", "").isalnum() or name.startswith("."):
                raise ValueError("Enter the name of a spaCy pipeline, such as en_core_web_sm")
            return name

    def run(self, ctx: Context, params: Params, inputs: Mapping[str, InputArtifact]) -> StepResult:
        source = inputs["rows"]
        total, found = count_rows(source.path), Counter[str]()
        names = ctx.scratch / "names.jsonl"
        if params.names:
            ctx.run_child(
                NAMES_CHILD, {"rows": str(source.path), "out": str(names), "model": params.names_model, "total": total}
            )
        rows = sieve.reported(ctx, read_rows(source.path), total=total, note="redacting")
        try:
            with closing(named(rows, names if params.names else None)) as pairs:
                result, _ = sieve.sift(
                    ctx,
                    judge(pairs, params=params, found=found),
                    by="redact_pii",
                    meta=sieve.passed_on(source),
                    action="Choose “replace by placeholders”, or fewer kinds: every row has some of them.",
                )
        finally:
            names.unlink(missing_ok=True)
        rows_found = found.pop(ROWS, 0)
        in_ids = found.pop(IDS, 0)
        headline = result.summary["headline"]
        if rows_found and params.action == "replace by placeholders":
            headline += f" {rows_found:,} {'row was' if rows_found == 1 else 'rows were'} redacted: {told(found)}."
        if in_ids:
            headline += (
                f" {in_ids:,} row {'id holds' if in_ids == 1 else 'ids hold'} personal data; ids are not changed."
            )
        kinds = dict(found.most_common())
        more = {"redacted_rows": rows_found, "found": told(found), "kinds": kinds, "headline": headline}
        return replace(result, summary={**result.summary, **more})


ROWS, IDS = "\0rows", "\0ids"
"""Keys that no kind can equal: rows that had any, and rows whose id has some."""


def judge(rows: Iterable[tuple[Row, list[str]]], *, params: RedactPii.Params, found: Counter[str]) -> Iterator[Verdict]:
    """A verdict on each ``(row, names of persons in it)``; ``found`` gathers values by kind, and rows under ``ROWS``."""
    kinds = [*params.kinds, *pii.SECRET_KINDS]
    for row, names in rows:
        redacted, counts = redact(row, kinds=kinds, regions=params.regions, names=names)
        found[IDS] += bool(pii.find(row.id, kinds=kinds, regions=()))
        if not counts:
            yield Verdict(row)
            continue
        found.update(counts)
        found[ROWS] += 1
        if params.action == "drop the row":
            yield Verdict(redacted, "with personal data or secrets", f"The row has {told(counts)}.")
        else:
            yield Verdict(redacted)


def named(rows: Iterable[Row], names: Path | None) -> Generator[tuple[Row, list[str]], None, None]:
    """Each row with the names of persons that the child found in it (JSON lists, one a line); none without a file."""
    if names is None:
        for row in rows:
            yield row, []
        return
    with names.open(encoding="utf-8") as lines:
        for row, line in zip(rows, lines, strict=True):
            yield row, json.loads(line)

"""Put two sets of rows one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pipelines.steps import base, sieve
from pipelines.steps.base import Context, InputArtifact, Output, Port, StepResult
from studio.lib.errors import StepError
from vault.rows import Row, write_rows


class Join(base.Step):
    """Passes on the rows of both inputs, the first input's before the second's. Nothing is dropped: a row whose id was there
    already gets another one, and is counted.

    When both inputs have a label set, the output has both sets together; when only one has, none is claimed.
    """

    label = "Join rows"
    group = "Data"
    help = "Rows so far and new ones as one set. Put “Remove exact duplicates” after it: a row may be in both."
    inputs = {
        "rows": Port("dataset", "Rows that come first"),
        "more": Port("dataset", "Rows that come after them"),
    }
    outputs = {"rows": Port("dataset", "All rows")}

    def count_rows(self, rows: Mapping[str, int | None]) -> int | None:
        """Those of both."""
        known = [count for count in rows.values() if count is not None]
        return sum(known) if known else None

    def run(self, ctx: Context, params: Any, inputs: Mapping[str, InputArtifact]) -> StepResult:
        first, second = inputs["rows"], inputs["more"]
        counts = {"rows": 0, "more": 0}
        seen: set[str] = set()
        renamed = 0

        def joined() -> Iterator[Row]:
            nonlocal renamed
            for port, source in (("rows", first), ("more", second)):
                for row in sieve.rows_of(ctx, source, note=f"Reading {port}"):
                    counts[port] += 1
                    name, number = row.id, 1
                    while name in seen:
                        number += 1
                        name = f"{row.id}-{number}"
                    renamed += number > 1
                    seen.add(name)
                    yield row if number == 1 else replace(row, id=name)

        kept = write_rows(ctx.scratch / "rows", joined())
        if kept == 0:
            raise StepError("Both inputs are empty.", action="Look at what the steps before this one dropped.")
        sets = [source.meta.get("labels") for source in (first, second)]
        meta = {"labels": list(dict.fromkeys([*sets[0], *sets[1]]))} if sets[0] and sets[1] else {}
        sieve.keep_labels(ctx.scratch / "rows", meta)
        shared = f" {renamed:,} had the id of an earlier row and got another." if renamed else ""
        summary = {
            "rows_in": kept,
            "rows_kept": kept,
            "dropped": {},
            "renamed": renamed,
            "headline": f"{counts['rows']:,} and {counts['more']:,} rows make {kept:,}.{shared}",
        }
        return StepResult({"rows": Output(ctx.scratch / "rows", {**meta, "rows": kept})}, summary)

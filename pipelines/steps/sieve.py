"""What the curation steps share: write the rows that stay and the rows that go, count both, and say it in one line."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pipelines.steps.base import Context, InputArtifact, Output, Port, StepResult
from studio.lib.errors import StepError
from vault.rows import Row, count_rows, from_json, read_rows, to_json, write_rows

ROWS_IN: Mapping[str, Port] = {"rows": Port("dataset", "Rows to look at")}
ROWS_AND_REJECTS: Mapping[str, Port] = {
    "rows": Port("dataset", "Rows that stay"),
    "rejects": Port("dataset", "Rows that were dropped, each with its reason"),
}
BEAT = 1_000
"""Rows between two progress reports."""


LABELS_FILE = "labels.json"


class Verdict(NamedTuple):
    """A row (perhaps rewritten), and why it goes: ``cause`` in a few words for counting, ``reason`` in full; empty = stays."""

    row: Row
    cause: str = ""
    reason: str = ""


def reported(ctx: Context, rows: Iterable[Row], *, total: int, note: str = "") -> Iterator[Row]:
    """The same rows, with progress reported every ``BEAT`` rows and at the end, and a heartbeat (which notices a cancel)
    at every row: a row may be a book."""
    count = 0
    for count, row in enumerate(rows, start=1):
        if count % BEAT == 0:
            ctx.progress(count, total, note=note)
        else:
            ctx.beat()
        yield row
    ctx.progress(count, total, note=note)


def beating(ctx: Context, rows: Iterable[Row]) -> Iterator[Row]:
    """The same rows, with a heartbeat before each: for a second pass that is no progress of its own."""
    for row in rows:
        ctx.beat()
        yield row


def rows_of(ctx: Context, source: InputArtifact, *, note: str = "") -> Iterator[Row]:
    """Every row of an input artifact in order, with progress."""
    return reported(ctx, read_rows(source.path), total=count_rows(source.path), note=note)


def keep_labels(folder: Path, meta: Mapping[str, Any]) -> None:
    """Write a known label set beside the rows, so that equal rows under another label set are another artifact."""
    if meta.get("labels"):
        (folder / LABELS_FILE).write_text(json.dumps(meta["labels"], ensure_ascii=False), encoding="utf-8")


def passed_on(source: InputArtifact, **more: Any) -> dict[str, Any]:
    """What later steps still need of an input's meta (its label set), and ``more``."""
    kept = {"labels": source.meta["labels"]} if source.meta.get("labels") else {}
    return {**kept, **more}


def headline(*, total: int, kept: int, dropped: Mapping[str, int]) -> str:
    """``"1,190 of 1,200 rows kept (10 dropped: 8 too short, 2 too long)."``"""
    text = f"{kept:,} of {total:,} {'row' if total == 1 else 'rows'} kept"
    if not dropped:
        return f"{text}."
    causes = ", ".join(f"{n:,} {cause}" for cause, n in dropped.items())
    return f"{text} ({total - kept:,} dropped: {causes})."


def sift(
    ctx: Context, verdicts: Iterable[Verdict], *, by: str, meta: Mapping[str, Any], action: str
) -> tuple[StepResult, Counter[str]]:
    """Write the verdicts as the outputs ``rows`` and ``rejects`` and count the causes, most frequent first.

    Memory: one row group; rejects wait in a JSONL file in the scratch area. Raises ``StepError`` with ``action`` when there
    were rows and none stays.
    """
    causes: Counter[str] = Counter()
    spool = ctx.scratch / "rejects.jsonl"

    with spool.open("w", encoding="utf-8") as rejects:

        def staying() -> Iterator[Row]:
            for row, cause, reason in verdicts:
                if not cause:
                    yield row
                    continue
                causes[cause] += 1
                rejects.write(json.dumps(to_json(row.rejected(by=by, reason=reason)), ensure_ascii=False) + "\n")

        kept = write_rows(ctx.scratch / "rows", staying())
    keep_labels(ctx.scratch / "rows", meta)
    dropped = write_rows(ctx.scratch / "rejects", beating(ctx, _spooled(spool)))
    spool.unlink()
    ordered = dict(causes.most_common())
    if kept == 0:
        told = ", ".join(f"{n:,} {cause}" for cause, n in ordered.items()) or "there were none to begin with"
        raise StepError(f"No row is left after this step: {told}.", action=action)
    summary = {
        "rows_in": kept + dropped,
        "rows_kept": kept,
        "dropped": ordered,
        "headline": headline(total=kept + dropped, kept=kept, dropped=ordered),
    }
    outputs = {
        "rows": Output(ctx.scratch / "rows", {**meta, "rows": kept}),
        "rejects": Output(ctx.scratch / "rejects", {"rows": dropped}),
    }
    return StepResult(outputs, summary), causes


def _spooled(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield from_json(json.loads(line))

"""The pass over the rows: what each row tells of itself, batch by batch. Memory: one batch of texts and the columns."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from vault.profiling.facts import BIT, NONE, Facts, Growing
from vault.quality import languages, pii
from vault.quality.label_noise import same_text
from vault.quality.refusals import is_refusal
from vault.quality.token_lengths import TokenCounter, Turn
from vault.quality.truncation import is_truncated
from vault.rows import ROWS_FILE, count_rows, text_of

BATCH = 2_000
COLUMNS = ["prompt", "completion", "reference", "meta"]
READ_AT_MOST = 100_000
"""Characters of one text that detectors look at; lengths are those of the whole."""

Beat = Callable[[int, int, str], None]
NOTE = "Lengths, languages, personal data"


@dataclass(frozen=True, slots=True)
class Conversation:
    """A row's texts. ``answer``: the completion, or the reference of a row that has no completion; None for neither."""

    turns: list[Turn]
    answer: str | None
    completion: str | None
    reference: str | None
    finish_reason: str | None

    @property
    def body(self) -> str:
        """What was asked: every message but the system prompt."""
        return "\n".join(text for role, text in self.turns if role != "system")

    @property
    def asked(self) -> str:
        """The last message of the user, or all that was asked."""
        return next((text for role, text in reversed(self.turns) if role == "user"), "") or self.body


def read(record: dict[str, Any]) -> Conversation:
    """A conversation from one Parquet record (JSON texts)."""
    turns = [(str(m.get("role") or ""), text_of(m) or "") for m in json.loads(record["prompt"])]
    completion = _answer(record["completion"])
    reference = _answer(record["reference"])
    return Conversation(
        turns=turns,
        answer=reference if completion is None else completion,
        completion=completion,
        reference=reference,
        finish_reason=_finish_reason(record["meta"]),
    )


def _answer(text: str | None) -> str | None:
    return None if text is None else text_of(json.loads(text))


def _finish_reason(meta: str | None) -> str | None:
    if not meta or '"finish_reason"' not in meta:
        return None
    found = json.loads(meta)
    told = found.get("finish_reason") if isinstance(found, dict) else None
    return told if isinstance(told, str) else None


def conversations(rows: Path) -> Iterator[list[Conversation]]:
    """Every row of a dataset folder in order, in batches."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(rows / ROWS_FILE) as source:
        for batch in source.iter_batches(batch_size=BATCH, columns=COLUMNS):
            yield [read(record) for record in batch.to_pylist()]


def look(rows: Path, *, counter: TokenCounter | None, beat: Beat) -> Facts:
    """What every row tells of itself; groups are not looked for yet."""
    total, done = count_rows(rows), 0
    columns = Growing()
    codes: dict[str, int] = {}
    beat(0, total, NOTE)
    for batch in conversations(rows):
        columns.add(_columns(batch, codes, counter))
        done += len(batch)
        beat(done, total, NOTE)
    if not total:
        columns.add(_columns([], codes, counter))
    return columns.facts(list(codes))


def count_tokens(rows: Path, *, counter: TokenCounter, beat: Beat) -> list[int]:
    """The tokens of every row, nothing else."""
    total = count_rows(rows)
    counted: list[int] = []
    for batch in conversations(rows):
        counted += counter.count([whole(row) for row in batch])
        beat(len(counted), total, "Tokens")
    return counted


def whole(row: Conversation) -> list[Turn]:
    """The messages a student learns from: the prompt and the answer."""
    return row.turns if row.answer is None else [*row.turns, ("assistant", row.answer)]


def _columns(batch: list[Conversation], codes: dict[str, int], counter: TokenCounter | None) -> dict[str, Any]:
    tokens = counter.count([whole(row) for row in batch]) if counter else [NONE] * len(batch)
    bodies = [row.body for row in batch]
    answers = [None if row.answer is None else same_text(row.answer) for row in batch]
    return {
        "prompt_chars": [sum(len(text) for _, text in row.turns) for row in batch],
        "answer_chars": [NONE if row.completion is None else len(row.completion) for row in batch],
        "tokens": tokens,
        "languages": [codes.setdefault(languages.identify(row.asked), len(codes)) for row in batch],
        "flags": [flags_of(row) for row in batch],
        "row_key": [hash((tuple(row.turns), row.completion, row.reference)) for row in batch],
        "body_key": [hash(body) for body in bodies],
        "prompt_key": [hash(same_text(body)) for body in bodies],
        # An answer of signs alone ("+", "-") is told apart as it is.
        "label_key": [
            0 if text is None or not (row.answer or "").strip() else hash(text or row.answer) or 1
            for text, row in zip(answers, batch, strict=True)
        ],
        "answer_key": [0 if row.answer is None else hash(row.answer) or 1 for row in batch],
    }


def flags_of(row: Conversation) -> int:
    """The flags that a row has by itself, one bit each."""
    bits = 0
    for role, text in row.turns:
        bits |= _repeated(text) if role == "system" else _found(text)
    for told in {row.completion, row.reference}:
        bits |= _found(told) if told else 0
    answer = row.answer
    if answer is None:
        return bits
    if not answer.strip():
        return bits | BIT["empty_answer"]
    head = answer[:READ_AT_MOST]
    if is_refusal(head):
        bits |= BIT["refusal"]
    if is_truncated(answer[-READ_AT_MOST:] if len(answer) > READ_AT_MOST else answer, row.finish_reason):
        bits |= BIT["truncated"]
    return bits


def _found(text: str) -> int:
    bits = 0
    for span in pii.find(text[:READ_AT_MOST]):
        bits |= BIT[pii.flag(span.kind)]
    return bits


_repeated = lru_cache(maxsize=1_024)(_found)
"""System prompts repeat from row to row."""

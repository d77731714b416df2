"""Answers of models asked over a network, as an artifact: the step “Ask another model” writes it, an evaluation reads it.

Its folder is that of a dataset (``rows.parquet``), so that it can be browsed and downloaded as one, with ``candidates.json``
beside it. Each row is a held-out row as it was put to one model: ``completion`` is the answer, or ``meta["reject"]`` says why there
is none. In ``meta``: ``candidate`` (its name), ``question`` (see :func:`question_mark`), and where an answer came at all ``model``,
``fingerprint``, ``usage``, ``cost_usd``, ``latency_ms``, ``first_ms`` (to the first token, where it was streamed) and ``at``.

``candidates.json``: ``{"schema": 1, "candidates": [{"name", "label", "teacher", "model", "temperature", "max_tokens", "view",
"again"}]}`` in the order in which they were asked.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from evaluation.candidates.examples import question_key
from evaluation.candidates.predictions import Candidate, Prediction
from pipelines.teachers.storage import StoredCall
from studio.lib.canonical import fingerprint
from studio.lib.errors import StepError
from vault.rows import Message, Row, read_rows

CANDIDATES_FILE = "candidates.json"
SCHEMA = 1
BY = "ask_model"
BASIS = "what its answers cost when they were asked for"


def question_mark(row: Row) -> str:
    """What shows that an answer belongs to a row: 16 hex digits of its question without the system messages."""
    return fingerprint(question_key(row))[:16]


def candidate_name(label: str, *, taken: Collection[str] = ()) -> str:
    """A name for a candidate that no other has: lower-case letters, digits and ``_``, 60 at most."""
    slug = re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_")[:40] or "model"
    name, number = f"outside_{slug}", 1
    while name in taken:
        number += 1
        name = f"outside_{slug}_{number}"
    return name


def free_label(wanted: str, *, taken: Collection[str] = ()) -> str:
    """``wanted``, with a number when another candidate is called so."""
    label, number = wanted, 1
    while label in taken:
        number += 1
        label = f"{wanted} ({number})"
    return label


def answer_row(row: Row, messages: list[Message], call: StoredCall | None, *, name: str, label: str, why: str) -> Row:
    """One row of the artifact. ``why``: why there is no answer, or blank where ``call`` has a good one."""
    meta: dict[str, Any] = {"candidate": name, "question": question_mark(row)}
    if call is not None:
        said = call.completion
        meta |= {
            "model": said.model,
            "usage": asdict(said.usage),
            "cost_usd": call.cost_usd,
            "latency_ms": round(said.latency_ms, 1),
            "at": call.at,
        }
        if said.first_ms is not None:
            meta["first_ms"] = round(said.first_ms, 1)
        if said.fingerprint:
            meta["fingerprint"] = said.fingerprint
    completion = call.completion.message() if call is not None and not why else None
    made = replace(row, prompt=messages, completion=completion, soft=None, tags=[label], meta=meta)
    return made.rejected(by=BY, reason=why) if why else made


def write_candidates(folder: Path, candidates: Sequence[Mapping[str, Any]]) -> None:
    """Write ``candidates.json``."""
    text = json.dumps({"schema": SCHEMA, "candidates": list(candidates)}, ensure_ascii=False, indent=1)
    (folder / CANDIDATES_FILE).write_text(text, encoding="utf-8")


def read_candidates(folder: Path) -> list[dict[str, Any]]:
    """The candidates whose answers lie in ``folder``."""
    return list(json.loads((folder / CANDIDATES_FILE).read_text(encoding="utf-8"))["candidates"])


def outside_candidates(folder: Path, rows: Sequence[Row]) -> tuple[list[Candidate], list[str]]:
    """The candidates of an answers artifact, judged on ``rows``, and what must be known of the fit.

    A row that was not put to a model, or was put to it with another question, counts nowhere. Raises ``StepError`` when a model
    was asked none of the rows.
    """
    held_out = {row.id: row for row in rows}
    marks = {row.id: question_mark(row) for row in rows}
    found: dict[str, list[Row]] = {}
    changed: Counter[str] = Counter()
    for answer in read_rows(folder):
        name = str(answer.meta["candidate"])
        mine = found.setdefault(name, [])
        if marks.get(answer.id) == answer.meta["question"]:
            mine.append(answer)
        elif answer.id in marks:
            changed[name] += 1
    candidates, notes = [], []
    for told in read_candidates(folder):
        name, label = str(told["name"]), str(told["label"])
        answers = found.get(name, [])
        if not answers:
            raise StepError(
                f"{label} was asked none of the rows that are evaluated.",
                action="Wire the same held-out rows into 'Ask another model' and into 'Evaluate'.",
            )
        if changed[name]:
            notes.append(
                f"{label} was asked {changed[name]:,} {'row' if changed[name] == 1 else 'rows'} with another question than the one "
                "that is evaluated; they do not count. Run 'Ask another model' on these rows."
            )
        candidates.append(_candidate(told, answers, held_out))
    return candidates, notes


def _candidate(told: Mapping[str, Any], answers: Sequence[Row], held_out: Mapping[str, Row]) -> Candidate:
    usd = {row.id: float(row.meta["cost_usd"]) for row in answers if row.meta.get("cost_usd") is not None}
    times = sorted(str(row.meta["at"]) for row in answers if row.meta.get("at"))
    source = {key: told.get(key) for key in ("teacher", "model", "temperature", "max_tokens", "view", "again")}
    source |= {
        "models": models_of(answers),
        "first_at": times[0] if times else None,
        "last_at": times[-1] if times else None,
        "own": sum(_is_recorded(row, held_out[row.id]) for row in answers),
    }
    return Candidate(
        str(told["name"]),
        str(told["label"]),
        "outside",
        {row.id: _prediction(row) for row in answers},
        asked=frozenset(row.id for row in answers),
        usd_by_row=usd,
        cost_basis=BASIS if usd else "",
        source=source,
    )


def _prediction(row: Row) -> Prediction:
    usage = row.meta.get("usage") or {}
    answered = row.completion is not None
    return Prediction(
        id=row.id,
        text=row.completion_text,
        latency_ms=row.meta.get("latency_ms") if answered else None,
        first_ms=row.meta.get("first_ms") if answered else None,
        prompt_tokens=int(usage.get("input_tokens") or 0),
        completion_tokens=int(usage.get("output_tokens") or 0),
        error=None if answered else str(row.meta["reject"]["reason"]),
    )


def models_of(answers: Iterable[Row]) -> list[dict[str, Any]]:
    """Every model name and build that the provider gave with the answers, most rows first."""
    found = Counter(
        (str(r.meta["model"]), str(r.meta.get("fingerprint") or "")) for r in answers if r.meta.get("model")
    )
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return [{"model": model, "fingerprint": mark, "rows": n} for (model, mark), n in ordered]


def _is_recorded(answer: Row, row: Row) -> bool:
    """Whether the answer is the very one that lies in the held-out row, out of the answer cache."""
    at = answer.meta.get("at")
    return bool(at) and answer.completion is not None and at == row.meta.get("at")

"""Rows as tasks for a candidate: what it sees of them, in tokens, and which of them have an answer already.

The same for the adapter on torch and for a GGUF file on llama.cpp; only the speller differs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipelines.recipes.chat import apply_view
from pipelines.recipes.decoding import Speller
from pipelines.recipes.events import RecipeError

MODES = ("generate", "labels", "both")


@dataclass(frozen=True)
class Job:
    """A predictions config, checked. See ``pipelines.recipes.predict`` for its fields."""

    rows: Path
    out: Path
    mode: str = "generate"
    labels: Sequence[str] | None = None
    max_new_tokens: int = 256
    prompt_view: Mapping[str, Any] | None = None
    examples: Sequence[Mapping[str, Any]] = ()
    batch_tokens: int = 4096
    latency_rows: int = 0
    score_targets: bool = False
    """Also how likely the model finds each row's reference, or its completion where there is no reference."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Job:
        """The job's part of a child's config. Raises :class:`RecipeError` for a mode or label set that cannot be."""
        mode = config.get("mode") or "generate"
        labels = config.get("labels") or None
        if mode not in MODES:
            raise RecipeError(f"Unknown mode {mode!r}.", action=f"Use one of {', '.join(MODES)}.", code="bad_config")
        if mode != "generate" and not labels:
            raise RecipeError(
                "Label scoring was asked for without labels.", action="Name the labels.", code="bad_config"
            )
        return cls(
            rows=Path(config["rows"]),
            out=Path(config["out"]),
            mode=mode,
            labels=labels,
            max_new_tokens=int(config.get("max_new_tokens") or cls.max_new_tokens),
            prompt_view=config.get("prompt_view"),
            examples=config.get("examples") or (),
            batch_tokens=int(config.get("batch_tokens") or cls.batch_tokens),
            latency_rows=int(config.get("latency_rows") or 0),
            score_targets=bool(config.get("score_targets")),
        )


@dataclass(frozen=True, slots=True)
class Task:
    """One row to answer: its id and prompt tokens, or why it cannot be answered. ``target``: the right answer's tokens, where its
    likelihood is wanted and it fits into the context."""

    id: str
    ids: list[int]
    error: str | None = None
    target: Sequence[int] = ()


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSON-lines file."""
    with path.open(encoding="utf-8") as source:
        return [json.loads(line) for line in source if line.strip()]


def finished_ids(out: Path) -> set[str]:
    """Ids already answered in ``out``. A last line cut short by a kill is cut off the file."""
    if not out.exists():
        return set()
    done, good = set(), 0
    with out.open("rb+") as file:
        for line in file:
            try:
                done.add(json.loads(line)["id"])
            except (ValueError, KeyError):
                break
            if not line.endswith(b"\n"):
                done.discard(json.loads(line)["id"])
                break
            good += len(line)
        file.truncate(good)
    return done


def messages_for(row: Mapping[str, Any], job: Job) -> list[dict[str, Any]]:
    """What the candidate sees: the row's prompt under the view, with the examples as earlier turns of the chat."""
    messages = apply_view(row["prompt"], job.prompt_view)
    if not job.examples:
        return messages
    lead = next((i for i, m in enumerate(messages) if m.get("role") not in ("system", "developer")), len(messages))
    turns: list[dict[str, Any]] = []
    for example in job.examples:
        turns += [dict(m) for m in example["prompt"] if m.get("role") not in ("system", "developer")]
        turns.append({"role": "assistant", "content": (example["completion"] or {}).get("content") or ""})
    return [*messages[:lead], *turns, *messages[lead:]]


def encode_tasks(rows: Sequence[Mapping[str, Any]], job: Job, speller: Speller, *, context: int) -> list[Task]:
    """Every row as a task. A row whose chat the template refuses, or that leaves no room to answer, carries its error."""
    chats = [messages_for(row, job) for row in rows]
    try:
        encoded: list[list[int] | RecipeError] = list(speller.encode_prompts(chats))
    except RecipeError:
        encoded = [_encode_one(speller, chat) for chat in chats]
    tasks = []
    for row, ids in zip(rows, encoded, strict=True):
        if isinstance(ids, RecipeError):
            tasks.append(Task(row["id"], [], str(ids)))
        elif not ids:
            tasks.append(Task(row["id"], [], "The prompt is empty."))
        elif len(ids) >= context:
            tasks.append(
                Task(row["id"], ids, f"The prompt has {len(ids):,} tokens; this model reads at most {context:,}.")
            )
        else:
            tasks.append(Task(row["id"], ids))
    return tasks


def with_targets(
    tasks: list[Task], rows: Sequence[Mapping[str, Any]], job: Job, speller: Speller, *, context: int
) -> list[Task]:
    """The tasks with the tokens of their rows' right answers, where they have one that fits behind the prompt."""
    wanted = {i: row.get("reference") or row.get("completion") for i, row in enumerate(rows) if not tasks[i].error}
    pairs = {i: (messages_for(rows[i], job), message) for i, message in wanted.items() if message}
    try:
        found = dict(zip(pairs, speller.encode_answers(list(pairs.values())), strict=True))
    except RecipeError:
        # One conversation that the template refuses costs its own row alone.
        found = {i: ids for i, pair in pairs.items() if (ids := _encode_answer(speller, pair))}
    return [
        replace(task, target=found[i]) if i in found and len(task.ids) + len(found[i]) <= context else task
        for i, task in enumerate(tasks)
    ]


def fit_examples(rows: Sequence[Mapping[str, Any]], job: Job, speller: Speller, *, context: int) -> Job:
    """The job with as many of its examples, from the first, as leave every answerable row room for its longest answer (at most
    a quarter of the context is kept free for it).

    Rows that are too long without any example do not count; they fail in either case.
    """
    if not job.examples:
        return job

    def lengths(count: int) -> dict[str, int]:
        tasks = encode_tasks(rows, replace(job, examples=job.examples[:count]), speller, context=1 << 62)
        return {task.id: len(task.ids) for task in tasks if not task.error}

    bare = lengths(0)
    counted = {name for name, n in bare.items() if n < context}
    if not counted:
        return replace(job, examples=())
    # The examples stand before the question, so the row that is longest without them is longest with them.
    longest = max(counted, key=lambda name: bare[name])
    rows = [row for row in rows if row["id"] == longest][:1]
    answer = min(job.max_new_tokens, context // 4)
    low, high = 0, len(job.examples)
    while low < high:
        middle = (low + high + 1) // 2
        fits = lengths(middle).get(longest, context) + answer <= context
        low, high = (middle, high) if fits else (low, middle - 1)
    return replace(job, examples=job.examples[:low])


def _encode_one(speller: Speller, chat: list[dict[str, Any]]) -> list[int] | RecipeError:
    try:
        return speller.encode_prompts([chat])[0]
    except RecipeError as problem:
        return problem


def _encode_answer(speller: Speller, pair: tuple[list[dict[str, Any]], Any]) -> list[int]:
    try:
        return speller.encode_answers([pair])[0]
    except RecipeError:
        return []

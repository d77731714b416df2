"""The predictions job: rows in, one JSON line a row out, killed and started again at will.

The same for the adapter on torch and for a GGUF file on llama.cpp; only the decoder and the speller differ. Line fields:
``id``, ``text`` (greedy answer or null), ``label`` and ``confidence`` (best of the closed set or null), ``latency_ms`` and
``first_ms`` (to the first written token; both null but for the rows answered one at a time), ``prompt_tokens``,
``completion_tokens``, ``error`` (null or why there is no answer), and
``nll`` and ``nll_tokens`` (negative log-likelihood in nats of the right answer, and over how many tokens; null unless asked for).
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipelines.recipes.answer_tasks import (
    Job,
    Task,
    encode_tasks,
    finished_ids,
    fit_examples,
    messages_for,
    read_rows,
    with_targets,
)
from pipelines.recipes.decoding import Decoder, NoRoom, Scores, Speller, common_prefix
from pipelines.recipes.energy import Meter
from pipelines.recipes.events import Events, RecipeError
from pipelines.recipes.generation import generate
from pipelines.recipes.label_scoring import Node, build_trie, score_labels
from pipelines.recipes.target_scoring import score_targets

FIRST_GUESS = 16
"""Answer tokens assumed for a row when planning the first batch; afterwards the longest answer so far is."""


def evenly(count: int, wanted: int) -> set[int]:
    """``wanted`` indices spread evenly over ``range(count)``."""
    wanted = min(count, wanted)
    return {i * count // wanted for i in range(wanted)} if wanted else set()


class Answerer:
    """Answers tasks in batches on one decoder and appends their lines to the job's file."""

    def __init__(
        self,
        job: Job,
        speller: Speller,
        decoder: Decoder,
        *,
        prefix: int,
        context: int,
        trie: Node | None,
        energy: Meter | None = None,
    ) -> None:
        self.job, self.speller, self.decoder, self.energy = job, speller, decoder, energy
        self.prefix, self.context, self.trie = prefix, context, trie
        self.apart = self.apart_joules = 0.0
        """Seconds and joules that went into something else than answering."""
        self.growth = min(FIRST_GUESS, job.max_new_tokens) if job.mode != "labels" else 0
        if trie is not None:
            self.growth += 16
        self.timing, self.first_ms = False, 0.0

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What is done within is not answering: its time and energy are counted apart."""
        began, before = time.perf_counter(), joules_of(self.energy)
        yield
        self.apart += time.perf_counter() - began
        self.apart_joules += joules_of(self.energy) - before

    def batches(self, tasks: list[Task]) -> Iterator[list[Task]]:
        """Batches of similar lengths; each is planned when the one before it is done and its answers' lengths are known."""
        waiting = sorted(tasks, key=lambda t: len(t.ids))
        while waiting:
            room, count = self.job.batch_tokens, 0
            most = min(len(waiting), self.decoder.max_rows)
            while count < most and (not count or room >= self.size(waiting[count])):
                room -= self.size(waiting[count])
                count += 1
            yield waiting[:count]
            del waiting[:count]

    def size(self, task: Task) -> int:
        """Tokens that a task takes beyond the shared prefix, its answer guessed."""
        return len(task.ids) - self.prefix + self.growth + len(task.target)

    def answer(self, tasks: list[Task]) -> list[dict[str, Any]]:
        """The lines of one batch, in two halves when its answers turn out longer than there is room for."""
        try:
            return self._answer(tasks)
        except NoRoom:
            if len(tasks) == 1:
                return [line(replace(tasks[0], error="The prompt and its answer do not fit into the model's memory."))]
            half = len(tasks) // 2
            return [*self.answer(tasks[:half]), *self.answer(tasks[half:])]

    def _answer(self, tasks: list[Task]) -> list[dict[str, Any]]:
        began = time.perf_counter()
        start = self.decoder.start([task.ids[self.prefix :] for task in tasks])
        if self.timing:
            # Asking for the token waits until a GPU has read the prompt.
            start.best()
            self.first_ms = (time.perf_counter() - began) * 1000
        lines = [line(task) for task in tasks]
        if any(task.target for task in tasks):
            self._score_targets(tasks, lines, start)
        if self.trie is not None and self.job.labels:
            for one, score in zip(lines, score_labels(self.decoder, start, len(tasks), trie=self.trie), strict=True):
                one["label"], one["confidence"] = self.job.labels[score.label], round(score.confidence, 6)
        if self.job.mode != "labels":
            limits = [min(self.job.max_new_tokens, self.context - len(task.ids)) for task in tasks]
            answers = generate(self.decoder, start, limits, stop_ids=self.speller.stop_ids)
            for one, ids in zip(lines, answers, strict=True):
                one["text"], one["completion_tokens"] = self.speller.decode(ids), len(ids)
            self.growth = max(self.growth, *(len(ids) for ids in answers))
        return lines

    def _score_targets(self, tasks: list[Task], lines: list[dict[str, Any]], start: Scores) -> None:
        """Write into the lines how likely the model finds the rows' right answers."""
        with self.aside():
            found = score_targets(self.decoder, start, [task.target for task in tasks])
        for one, task, nll in zip(lines, tasks, found, strict=True):
            if nll is not None:
                one["nll"], one["nll_tokens"] = round(nll, 6), len(task.target)

    def timed(self, task: Task) -> dict[str, Any]:
        """The line of one row answered alone, with its wall time and the time to its first token; its right answer is looked at
        afterwards."""
        self.timing, began = True, time.perf_counter()
        answered = self.answer([replace(task, target=())])[0]
        answered["latency_ms"] = round((time.perf_counter() - began) * 1000, 3)
        self.timing = False
        if answered["text"] is not None:
            answered["first_ms"] = round(self.first_ms, 3)
        if task.target and not answered["error"]:
            with self.aside():
                start = self.decoder.start([task.ids[self.prefix :]])
            self._score_targets([task], [answered], start)
        return answered


def line(task: Task) -> dict[str, Any]:
    """An output line without an answer yet."""
    return {
        "id": task.id,
        "text": None,
        "label": None,
        "confidence": None,
        "latency_ms": None,
        "first_ms": None,
        "prompt_tokens": len(task.ids),
        "completion_tokens": 0,
        "error": task.error,
        "nll": None,
        "nll_tokens": 0,
    }


def run_job(
    job: Job,
    events: Events,
    speller: Speller,
    *,
    context: int,
    open_decoder: Callable[[list[int]], Decoder],
    energy: Meter | None = None,
) -> dict[str, Any]:
    """Answer every row of the job that its file has no line for, and return counts, seconds, joules and rows per second.

    ``open_decoder`` makes the decoder for the prefix that all prompts share. Lines are flushed after every batch. ``energy`` counts
    joules from here on.
    Raises :class:`RecipeError` when no row at all can be answered.
    """
    began, worked, before = time.perf_counter(), time.process_time(), joules_of(energy)
    rows = read_rows(job.rows)
    done = finished_ids(job.out)
    wanted = len(job.examples)
    job = fit_examples(rows, job, speller, context=context)
    if len(job.examples) < wanted:
        events.log(
            f"{len(job.examples):,} of {wanted:,} worked examples fit into {context:,} tokens; the others are left out."
        )
    tasks = encode_tasks(rows, job, speller, context=context)
    if job.score_targets:
        tasks = with_targets(tasks, rows, job, speller, context=context)
    failed = [task for task in tasks if task.error]
    good = [task for task in tasks if not task.error]
    if rows and not good:
        raise RecipeError(
            f"None of the {len(rows):,} rows can be answered. The first: {failed[0].error}",
            action="Shorten the prompts or the examples, or choose a base model with a longer context.",
            code="no_rows",
        )
    prefix = common_prefix([task.ids for task in good])
    alone = {good[i].id for i in evenly(len(good), job.latency_rows)}
    answered, apart, apart_joules = 0, 0.0, 0.0
    with job.out.open("a", encoding="utf-8") as out:
        write(out, [line(task) for task in failed if task.id not in done])
        todo = [task for task in good if task.id not in done]
        if todo:
            trie = make_trie(job, rows, tasks, speller)
            decoder = open_decoder(prefix)
            answerer = Answerer(job, speller, decoder, prefix=len(prefix), context=context, trie=trie, energy=energy)
            for lines in answered_batches(answerer, todo, alone):
                write(out, lines)
                answered += len(lines)
                events.progress(len(tasks) - len(todo) + answered, len(tasks), unit="rows", note="Answering")
            apart, apart_joules = answerer.apart, answerer.apart_joules
    seconds = time.perf_counter() - began - apart
    told = None if energy is None else energy.told()
    if told is not None and told["joules"] is not None:
        told["joules"] = round(max(0.0, told["joules"] - before - apart_joules), 3)
    return {
        "rows": len(tasks),
        "errors": len(failed),
        "answered_now": answered,
        "seconds": round(seconds, 3),
        "processor_seconds": round(time.process_time() - worked, 3),
        "rows_per_second": round(answered / seconds, 3) if answered else None,
        "shared_prefix_tokens": len(prefix),
        "prompt_tokens": sum(len(task.ids) for task in good),
        "examples": len(job.examples) if wanted else None,
        "peak_bytes": peak_memory(),
        "energy": told,
    }


def joules_of(meter: Meter | None) -> float:
    """What a meter has counted so far; 0 where there is none, or it counts nothing."""
    return (meter.joules() or 0.0) if meter is not None else 0.0


def peak_memory() -> int | None:
    """The most main memory this process has held, in bytes; None on systems that do not tell.

    From ``/proc``: what ``getrusage`` says of a new process includes the one it was started from.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found.group(1)) * 1024 if found else None


def answered_batches(answerer: Answerer, todo: list[Task], alone: set[str]) -> Iterator[list[dict[str, Any]]]:
    """First the rows whose latency is measured, one at a time after one untimed, then the others in batches."""
    single = [task for task in todo if task.id in alone]
    if single:
        answerer.answer([single[0]])
    for task in single:
        yield [answerer.timed(task)]
    for batch in answerer.batches([task for task in todo if task.id not in alone]):
        yield answerer.answer(batch)


def make_trie(job: Job, rows: Sequence[Mapping[str, Any]], tasks: Sequence[Task], speller: Speller) -> Node | None:
    """The trie of the job's labels, spelt as answers to its first good row; None when labels are not scored."""
    if job.mode == "generate" or not job.labels:
        return None
    row = next(row for row, task in zip(rows, tasks, strict=True) if not task.error)
    return build_trie(speller.encode_labels(job.labels, messages_for(row, job)), job.labels)


def write(out: Any, lines: Sequence[Mapping[str, Any]]) -> None:
    """Append lines and see them to the disk."""
    for one in lines:
        out.write(json.dumps(one, ensure_ascii=False) + "\n")
    out.flush()
    os.fsync(out.fileno())

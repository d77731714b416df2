"""Asks a teacher many questions: bounded concurrency, retries, a durable store, a hard cost cap. Knows no Django.

Promises, in the order in which they matter:

- An answer is in the store, with its usage and cost, before its slot asks the next question. After a crash nothing that was
  stored is asked again.
- The cap is never passed: a call starts only when what is spent, plus the most that the calls in flight can cost, plus the
  most that this one can cost, stays within it.
- A row is never lost: it ends answered in the store, or with a reason in :attr:`Outcome.failed`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from pipelines.teachers.base import Completion, Sampling, Teacher, TeacherError
from pipelines.teachers.budget import Budget, CapReached, Ledger, most_tokens
from pipelines.teachers.errors import timed_out
from pipelines.teachers.prices import Price
from pipelines.teachers.storage import CallStore, Question, StoredCall, problem_of, storable
from studio.lib.errors import Cancelled, StepError

LOOK_AHEAD = 500
GONE = 3
"""Questions given up one after the other that mean the teacher is gone, not that these questions are special."""

Unanswered = tuple[Question, int, float]
"""A question, the paid tries it already had, and what they cost."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How hard to try. Times are seconds."""

    concurrency: int = 8
    timeout: float = 120.0
    tries: int = 5
    """Of one question, when the provider fails."""
    bad_answer_tries: int = 2
    """Of one question, when the answer comes but is empty or cut off: each of them is paid."""
    throttled_tries: int = 30
    """Of one question, when the provider says how long to wait."""
    backoff: float = 1.0
    longest_wait: float = 60.0
    longest_ask: float = 600.0
    """The longest wait a provider may ask for before the step gives the worker back."""
    failures_in_a_row: int = 20
    drain: float = 20.0
    """How long calls in flight may take after a cancel."""
    tick: float = 0.5


@dataclass(slots=True)
class Progress:
    """Where the work stands. ``total`` counts different questions; ``cost_usd`` is None while no price is known."""

    total: int = 0
    answered: int = 0
    reused: int = 0
    failed: int = 0
    cost_usd: float | None = 0.0
    unconfirmed_usd: float = 0.0
    rate: float = 0.0
    note: str = ""

    @property
    def done(self) -> int:
        """Questions that are settled, one way or the other."""
        return self.answered + self.reused + self.failed


@dataclass(slots=True)
class Outcome:
    """How it ended. ``failed``: key → reason, for questions without a usable answer. The answers are in the store.
    ``passing``: how many of them failed by the provider's trouble, so that asking again later may bring an answer.
    ``cap``: set when the cost cap ended it, before every question was asked."""

    progress: Progress
    failed: dict[str, str] = field(default_factory=dict)
    passing: int = 0
    cap: CapReached | None = None


async def ask_all(
    questions: Iterable[Question],
    *,
    total: int,
    teacher: Teacher,
    sampling: Sampling,
    store: CallStore,
    limits: Limits,
    price: Price | None,
    cap_usd: float | None = None,
    ledger: Ledger | None = None,
    on_progress: Callable[[Progress], Awaitable[None]],
) -> Outcome:
    """Ask every question that the store can't answer; ``total`` is how many different ones there are.

    Raises ``StepError`` when nothing can succeed any more, after the calls in flight have arrived and are stored; a reached
    cost cap ends it in the same way with :attr:`Outcome.cap`. ``on_progress`` is awaited a few times a second and may raise: after
    ``Cancelled``, calls in flight get ``Limits.drain`` seconds; after anything else they are dropped at once. ``ledger``
    remembers money in doubt for the next attempt.
    """
    budget = Budget(price, cap_usd, spent=await store.spent(), ledger=ledger)
    session = _Session(teacher, sampling, store, limits, budget)
    session.progress.total = total
    return await session.run(questions, on_progress)


class _Session:
    """One call of :func:`ask_all`: what its worker tasks share."""

    def __init__(self, teacher: Teacher, sampling: Sampling, store: CallStore, limits: Limits, budget: Budget) -> None:
        self.teacher = teacher
        self.sampling = sampling
        self.store = store
        self.limits = limits
        self.budget = budget
        self.progress = Progress()
        self.failed: dict[str, str] = {}
        self.stop: Exception | None = None
        self.stopping = asyncio.Event()
        self.not_before = 0.0
        self.failures_in_a_row = 0
        self.refused_in_a_row = 0
        self.given_up_in_a_row = 0
        self.passing = 0
        self.last_trouble: TeacherError | None = None
        self.started = time.monotonic()
        # Jitter needs no secrecy and must not repeat between workers, so it is not seeded.
        self.jitter = random.Random()  # noqa: S311

    async def run(self, questions: Iterable[Question], on_progress: Callable[[Progress], Awaitable[None]]) -> Outcome:
        feed, lock = self.unanswered(questions), asyncio.Lock()
        pending = {asyncio.create_task(self.work(feed, lock)) for _ in range(self.limits.concurrency)}
        try:
            while pending:
                done, pending = await asyncio.wait(pending, timeout=self.limits.tick)
                for worker in done:
                    if (error := worker.exception()) is not None:
                        self.halt(error if isinstance(error, Exception) else RuntimeError(repr(error)))
                await on_progress(self.report())
        except Cancelled as error:
            self.halt(error)
            if pending:
                # Calls in flight may be paid for already: they get a moment to arrive and be stored.
                await asyncio.wait(pending, timeout=min(self.limits.timeout, self.limits.drain))
        finally:
            for worker in pending:
                worker.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        self.notice_a_teacher_that_is_gone()
        if self.stop is not None and not isinstance(self.stop, CapReached):
            raise self.stop
        return Outcome(progress=self.report(), failed=self.failed, passing=self.passing, cap=self.stop)

    async def unanswered(self, questions: Iterable[Question]) -> AsyncIterator[Unanswered]:
        """Questions that must be asked, with the tries that an earlier attempt of this step already made."""
        seen: set[str] = set()
        for chunk in _chunks(questions, LOOK_AHEAD):
            fresh = {q.key: q for q in chunk if q.key not in seen}
            seen.update(fresh)
            stored = await self.store.load(list(fresh))
            for key, question in fresh.items():
                call = stored.get(key)
                if call is None:
                    yield question, 0, 0.0
                elif not call.problem:
                    self.progress.reused += 1
                elif call.tries < self.limits.bad_answer_tries and call.completion.finish_reason != "refusal":
                    yield question, call.tries, call.cost_usd or 0.0
                else:
                    self.fail(key, call.problem)

    async def work(self, feed: AsyncIterator[Unanswered], lock: asyncio.Lock) -> None:
        """One slot: takes a question, settles it, takes the next."""
        while not self.stopping.is_set():
            async with lock:
                item = await anext(feed, None)
            if item is None:
                return
            question, tries, cost = item
            await self.settle(question, bad_tries=tries, cost=cost)

    async def settle(self, question: Question, *, bad_tries: int, cost: float) -> None:
        """Ask one question until it is answered, has failed for good, or everything stops."""
        failures = throttles = 0
        estimate = self.budget.most(most_tokens(question.messages), self.sampling.max_tokens)
        while (reserved := await self.may_start(estimate)) is not None:
            try:
                completion = await self.call(question)
            except TeacherError as error:
                self.budget.settle(reserved, reserved if error.billed else 0.0, confirmed=False)
                throttled = error.retry_after is not None
                throttles, failures = throttles + throttled, failures + (not throttled)
                if not self.may_retry(error, failures=failures, throttles=throttles):
                    if self.stop is None:
                        self.give_up(question, error)
                    return
                await self.pause(self.delay(error, failures))
                continue
            paid = self.budget.cost(completion.usage)
            problem = problem_of(completion, max_tokens=self.sampling.max_tokens)
            bad_tries += 1
            cost += paid or 0.0
            total = None if paid is None else cost
            await self.store.put(StoredCall(question.key, completion, problem, tries=bad_tries, cost_usd=total))
            self.budget.settle(reserved, paid or 0.0)
            self.failures_in_a_row = self.refused_in_a_row = self.given_up_in_a_row = 0
            if not problem:
                self.progress.answered += 1
                return
            if completion.finish_reason == "refusal" or bad_tries >= self.limits.bad_answer_tries:
                self.fail(question.key, problem)
                return

    def give_up(self, question: Question, error: TeacherError) -> None:
        """No try is left for this question."""
        self.fail(question.key, f"{error}.")
        if error.retryable:
            self.passing += 1
            self.given_up_in_a_row += 1
            self.last_trouble = error

    def notice_a_teacher_that_is_gone(self) -> None:
        """At the end: when the last questions failed by the teacher's trouble, they are to be asked again, not rejected."""
        nothing_came = not self.progress.answered and not self.progress.reused and self.given_up_in_a_row
        if self.last_trouble is not None and (nothing_came or self.given_up_in_a_row >= GONE):
            count = self.given_up_in_a_row
            last = "The last question" if count == 1 else f"The last {count:,} questions"
            said = f"{last} got no answer: {self.last_trouble}."
            self.halt(StepError(said, action=self.last_trouble.action, retryable=True))

    async def may_start(self, estimate: float) -> float | None:
        """Wait for the provider's pause and for room under the cap; the money set aside, or None when everything stops."""
        while (wait := self.not_before - time.monotonic()) > 0 and not self.stopping.is_set():
            await self.pause(wait)
        while not self.stopping.is_set():
            try:
                reserved = self.budget.reserve(estimate)
            except CapReached as reached:
                self.halt(reached)
                return None
            if reserved is not None:
                return reserved
            await self.budget.wait_for_room(self.limits.tick)
        return None

    async def call(self, question: Question) -> Completion:
        limit = self.limits.timeout
        try:
            async with asyncio.timeout(limit):
                answer = await self.teacher.complete(question.messages, self.sampling, sample=question.sample)
                return replace(answer, text=storable(answer.text))
        except TimeoutError:
            raise timed_out(self.teacher.label, limit) from None

    def may_retry(self, error: TeacherError, *, failures: int, throttles: int) -> bool:
        """Decide over one failed try; may stop everything."""
        if error.fatal:
            self.halt(StepError(f"{error}.", action=error.action))
        elif not error.retryable:
            self.refused_in_a_row += 1
            if self.refused_in_a_row >= self.limits.failures_in_a_row and not self.progress.answered:
                self.halt(
                    StepError(
                        f"None of the first {self.refused_in_a_row} calls was accepted. {error}.", action=error.action
                    )
                )
        elif error.retry_after is not None and error.retry_after > self.limits.longest_ask:
            minutes = error.retry_after / 60
            self.halt(
                StepError(f"{error}. It asks to wait {minutes:.0f} minutes.", action=error.action, retryable=True)
            )
        elif error.retry_after is None:
            self.failures_in_a_row += 1
            if self.failures_in_a_row >= self.limits.failures_in_a_row:
                said = f"{self.failures_in_a_row} calls failed one after the other; the last: {error}."
                self.halt(StepError(said, action=error.action, retryable=True))
        if self.stop is not None or not error.retryable:
            return False
        return failures < self.limits.tries and throttles < self.limits.throttled_tries

    def delay(self, error: TeacherError, failures: int) -> float:
        """Seconds until the next try: what the provider asks (of all slots), else exponential with full jitter.

        Source: M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
        """
        if error.retry_after is not None:
            self.not_before = max(self.not_before, time.monotonic() + error.retry_after)
            self.progress.note = f"The provider asked to wait {error.retry_after:.0f} s."
            return error.retry_after + self.jitter.uniform(0, min(0.1 * error.retry_after, 1.0))
        return self.jitter.uniform(0, min(self.limits.longest_wait, self.limits.backoff * 2 ** (failures - 1)))

    async def pause(self, seconds: float) -> None:
        """Sleep, but wake when everything stops."""
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            return

    def halt(self, error: Exception) -> None:
        """Launch nothing more; the first reason wins."""
        if self.stop is None:
            self.stop = error
        self.stopping.set()

    def fail(self, key: str, reason: str) -> None:
        self.failed[key] = reason
        self.progress.failed += 1

    def report(self) -> Progress:
        passed = time.monotonic() - self.started
        self.progress.rate = self.progress.answered / passed if passed > 0 else 0.0
        self.progress.cost_usd = self.budget.spent if self.budget.price is not None else None
        self.progress.unconfirmed_usd = self.budget.unconfirmed
        if self.not_before <= time.monotonic():
            self.progress.note = ""
        return self.progress


def _chunks(items: Iterable[Question], size: int) -> Iterator[list[Question]]:
    chunk: list[Question] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk

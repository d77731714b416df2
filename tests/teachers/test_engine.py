"""The engine against a real server on loopback: retries, cost cap, storage, cancel."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.teachers.base import Sampling, Teacher
from pipelines.teachers.budget import Ledger
from pipelines.teachers.engine import Limits, Outcome, Progress, ask_all
from pipelines.teachers.prices import Price
from pipelines.teachers.storage import MemoryStore, Question, StoredCall, question_key, storable
from studio.lib.errors import Cancelled, LeaseLost, StepError
from tests.aside import run_aside
from tests.servers.chat import ChatServer, Reply

MakeTeacher = Callable[..., Teacher]
SAMPLING = Sampling(max_tokens=50)
PRICE = Price(input=1_000.0, output=1_000.0, cached=500.0)
"""A tenth of a dollar for the server's 100 tokens in, a hundredth for its 10 tokens out."""
FAST = Limits(concurrency=4, timeout=5, backoff=0.005, longest_wait=0.02, tick=0.02)


def questions(texts: Iterable[str]) -> list[Question]:
    found = []
    for text in texts:
        messages = [{"role": "user", "content": text}]
        found.append(Question(question_key("t", {"model": "m"}, messages, SAMPLING, 0), messages))  # type: ignore[arg-type]
    return found


def run(
    teacher: Teacher,
    asked: Sequence[Question],
    *,
    store: Any = None,
    limits: Limits = FAST,
    price: Price | None = PRICE,
    cap: float | None = None,
    ledger: Ledger | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Outcome:
    async def report(progress: Progress) -> None:
        on_progress(progress)

    async def main() -> Outcome:
        try:
            return await ask_all(
                asked,
                total=len({q.key for q in asked}),
                teacher=teacher,
                sampling=SAMPLING,
                store=MemoryStore() if store is None else store,
                limits=limits,
                price=price,
                cap_usd=cap,
                ledger=ledger,
                on_progress=report,
            )
        finally:
            await teacher.aclose()

    return run_aside(main())


def texts(store: MemoryStore) -> list[str]:
    return sorted(call.completion.text for call in store.calls.values())


def test_every_question_is_answered_once_with_usage_and_cost(make_teacher: MakeTeacher, server: ChatServer) -> None:
    store = MemoryStore()
    outcome = run(make_teacher("openai"), questions(f"q{i:02}" for i in range(20)), store=store)
    assert texts(store) == [f"Q{i:02}" for i in range(20)]
    assert sorted(server.prompts) == [f"q{i:02}" for i in range(20)]
    assert outcome.failed == {}
    assert outcome.progress.answered == outcome.progress.done == 20
    assert outcome.progress.cost_usd == pytest.approx(20 * 0.11)
    assert all(call.cost_usd == pytest.approx(0.11) for call in store.calls.values())


def test_never_more_calls_at_once_than_allowed_and_all_slots_are_used(
    make_teacher: MakeTeacher, server: ChatServer
) -> None:
    server.default = Reply(delay=0.05)
    run(make_teacher("openai"), questions(f"q{i}" for i in range(12)))
    assert server.most_at_once == 4


def test_equal_questions_are_asked_once(make_teacher: MakeTeacher, server: ChatServer) -> None:
    server.default = Reply(delay=0.02)
    outcome = run(make_teacher("openai"), questions(["same"] * 6 + ["other"]))
    assert sorted(server.prompts) == ["other", "same"]
    assert outcome.progress.total == outcome.progress.answered == 2


def test_stored_answers_are_not_asked_again_and_cost_nothing(make_teacher: MakeTeacher, server: ChatServer) -> None:
    store = MemoryStore()
    run(make_teacher("openai"), questions(["a", "b"]), store=store)
    outcome = run(make_teacher("openai"), questions(["a", "b", "c"]), store=store)
    assert sorted(server.prompts) == ["a", "b", "c"]
    assert (outcome.progress.reused, outcome.progress.answered) == (2, 1)


def test_server_errors_and_malformed_answers_are_retried(make_teacher: MakeTeacher, server: ChatServer) -> None:
    server.script = [Reply(status=500), Reply(drop=True), Reply(raw=b"{nope"), Reply(status=529)]
    outcome = run(make_teacher("openai"), questions(["a"]))
    assert outcome.failed == {}
    assert len(server.bodies) == 5


def test_retry_after_holds_back_every_slot(make_teacher: MakeTeacher, server: ChatServer) -> None:
    arrivals: list[float] = []
    server.script = [Reply(status=429, headers={"retry-after": "0.4"})]
    original = server.next_reply

    def timed() -> Reply:
        arrivals.append(time.monotonic())
        return original()

    server.next_reply = timed  # type: ignore[method-assign]
    notes: list[str] = []
    outcome = run(
        make_teacher("openai"),
        questions(f"q{i}" for i in range(8)),
        limits=replace(FAST, concurrency=1),
        on_progress=lambda progress: notes.append(progress.note),
    )
    assert outcome.failed == {}
    assert arrivals[1] - arrivals[0] >= 0.39
    assert any("asked to wait" in note for note in notes)


def test_a_long_throttle_outlasts_the_ordinary_number_of_tries(make_teacher: MakeTeacher, server: ChatServer) -> None:
    server.script = [Reply(status=429, headers={"retry-after": "0.001"})] * 12
    outcome = run(make_teacher("openai"), questions(["a"]), limits=replace(FAST, tries=2))
    assert outcome.failed == {}
    assert len(server.bodies) == 13


def test_throttling_without_retry_after_backs_off_and_goes_on(make_teacher: MakeTeacher, server: ChatServer) -> None:
    server.script = [Reply(status=429)] * 3
    outcome = run(make_teacher("openai"), questions(["a"]))
    assert outcome.failed == {}
    assert len(server.bodies) == 4


def test_a_provider_that_asks_for_an_hour_gives_the_worker_back(make_teacher: MakeTeacher, server: ChatServer) -> None:
    server.default = Reply(status=429, headers={"retry-after": "3600"})
    with pytest.raises(StepError, match="60 minutes") as caught:
        run(make_teacher("openai"), questions(["a", "b"]))
    assert caught.value.retryable


def test_a_wrong_key_stops_at_once(make_teacher: MakeTeacher, server: ChatServer) -> None:
    server.key = "another"
    with pytest.raises(StepError, match="401") as caught:
        run(make_teacher("openai"), questions(f"q{i}" for i in range(50)))
    assert "key" in caught.value.action
    assert not caught.value.retryable
    assert len(server.bodies) <= FAST.concurrency


def test_a_teacher_that_is_down_stops_the_step_with_a_retryable_error(
    make_teacher: MakeTeacher, server: ChatServer
) -> None:
    server.default = Reply(status=503)
    with pytest.raises(StepError, match="20 calls failed one after the other") as caught:
        run(make_teacher("openai"), questions(f"q{i}" for i in range(200)))
    assert caught.value.retryable
    assert len(server.bodies) < 20 + 2 * FAST.concurrency


def test_a_teacher_that_is_gone_at_the_end_is_not_taken_for_bad_questions(
    make_teacher: MakeTeacher, server: ChatServer
) -> None:
    """Fewer questions than it takes to notice an outage: they must be asked again later, not rejected."""
    server.script = [Reply(), Reply(), Reply()]
    server.default = Reply(status=503)
    store = MemoryStore()
    limits = replace(FAST, concurrency=1, tries=2)
    with pytest.raises(StepError, match="The last 3 questions got no answer") as caught:
        run(make_teacher("openai"), questions(f"q{i}" for i in range(6)), store=store, limits=limits)
    assert caught.value.retryable
    assert len(store.calls) == 3
    with pytest.raises(StepError, match="The last question got no answer"):
        run(make_teacher("openai"), questions(["only"]), limits=limits)


def test_a_question_that_always_fails_is_given_up_with_its_reason(
    make_teacher: MakeTeacher, server: ChatServer
) -> None:
    server.script = [Reply(status=500, error="internal trouble")] * 3
    outcome = run(make_teacher("openai"), questions(["a", "b"]), limits=replace(FAST, concurrency=1, tries=3))
    (reason,) = outcome.failed.values()
    assert "500" in reason
    assert "internal trouble" in reason
    assert (outcome.progress.failed, outcome.progress.answered) == (1, 1)


def test_a_request_the_provider_rejects_fails_alone(make_teacher: MakeTeacher, server: ChatServer) -> None:
    server.script = [Reply(status=400, error="context too long")]
    outcome = run(make_teacher("openai"), questions(["a", "b"]), limits=replace(FAST, concurrency=1))
    (reason,) = outcome.failed.values()
    assert "400" in reason
    assert "context too long" in reason
    assert len(server.bodies) == 2


def test_when_every_request_is_rejected_the_step_stops_early(make_teacher: MakeTeacher, server: ChatServer) -> None:
    server.default = Reply(status=400, error="temperature is not supported")
    with pytest.raises(StepError, match="None of the first 20 calls") as caught:
        run(make_teacher("openai"), questions(f"q{i}" for i in range(500)))
    assert "temperature" in caught.value.action
    assert len(server.bodies) < 40


def test_a_hang_is_cut_off_and_asked_again(make_teacher: MakeTeacher, server: ChatServer) -> None:
    server.script = [Reply(hang=True)]
    outcome = run(make_teacher("openai", timeout=60), questions(["a"]), limits=replace(FAST, timeout=0.2))
    assert outcome.failed == {}
    assert len(server.bodies) == 2
    assert outcome.progress.unconfirmed_usd > 0, "the provider may charge for it"


@pytest.mark.parametrize(
    ("reply", "reason"), [(Reply(finish="length"), "cut off at 50 tokens"), (Reply(text="  "), "empty")]
)
def test_unusable_answers_are_asked_once_more_then_rejected_and_all_are_billed(
    reply: Reply, reason: str, make_teacher: MakeTeacher, server: ChatServer
) -> None:
    server.default = reply
    store = MemoryStore()
    outcome = run(make_teacher("openai"), questions(["a"]), store=store)
    assert reason in next(iter(outcome.failed.values()))
    assert len(server.bodies) == 2
    (call,) = store.calls.values()
    assert (call.tries, call.cost_usd) == (2, pytest.approx(0.22))
    assert outcome.progress.cost_usd == pytest.approx(0.22)


def test_a_second_try_that_is_good_is_kept(make_teacher: MakeTeacher, server: ChatServer) -> None:
    server.script = [Reply(text="")]
    store = MemoryStore()
    outcome = run(make_teacher("openai"), questions(["a"]), store=store)
    (call,) = store.calls.values()
    assert outcome.failed == {}
    assert (call.completion.text, call.tries, call.cost_usd) == ("A", 2, pytest.approx(0.22))


def test_a_refusal_is_not_asked_again(make_teacher: MakeTeacher, server: ChatServer) -> None:
    server.default = Reply(text="no", finish="content_filter")
    outcome = run(make_teacher("openai"), questions(["a"]))
    assert "refused" in next(iter(outcome.failed.values()))
    assert len(server.bodies) == 1


def test_paid_tries_of_an_earlier_attempt_count(make_teacher: MakeTeacher, server: ChatServer) -> None:
    """A worker killed after one empty answer must not start the count, or the bill, again."""
    server.default = Reply(text="")
    store = MemoryStore()
    (question,) = questions(["a"])
    run(make_teacher("openai"), [question], store=store, limits=replace(FAST, bad_answer_tries=1))
    outcome = run(make_teacher("openai"), [question], store=store)
    assert len(server.bodies) == 2
    assert store.calls[question.key].tries == 2
    again = run(make_teacher("openai"), [question], store=store)
    assert len(server.bodies) == 2
    assert outcome.failed == again.failed != {}


def test_the_cost_cap_is_never_passed_and_what_was_paid_is_stored(
    make_teacher: MakeTeacher, server: ChatServer
) -> None:
    server.default, server.input_tokens = Reply(delay=0.01), 30
    store = MemoryStore()
    outcome = run(make_teacher("openai"), questions(f"q{i:02}" for i in range(60)), store=store, cap=1.0)
    assert outcome.cap is not None
    assert "$1.00" in str(outcome.cap)
    assert "Raise the cost cap" in outcome.cap.action
    assert outcome.progress.cost_usd == pytest.approx(0.04 * server.answered)
    assert 0.9 < outcome.progress.cost_usd <= 1.0
    assert len(store.calls) == server.answered == len(server.bodies), "every paid answer is stored"


def test_calls_in_flight_are_counted_at_the_most_they_can_cost(make_teacher: MakeTeacher, server: ChatServer) -> None:
    """A call may cost 8.3 cents: under a cap of 20 cents only two may be under way, whatever the concurrency."""
    server.default, server.input_tokens = Reply(delay=0.1), 30
    run(make_teacher("openai"), questions(f"q{i}" for i in range(4)), cap=0.20)
    assert server.most_at_once == 2


def test_estimates_that_prove_too_low_grow(make_teacher: MakeTeacher, server: ChatServer) -> None:
    """The provider counts ten times the tokens that the text suggests (a hidden prompt, say)."""
    server.input_tokens = 330
    limits = replace(FAST, concurrency=1)
    outcome = run(make_teacher("openai"), questions(f"q{i}" for i in range(40)), limits=limits, cap=2.0)
    assert outcome.progress.cost_usd is not None
    assert 1.3 < outcome.progress.cost_usd <= 2.0


def test_a_raised_cap_goes_on_where_it_stood(make_teacher: MakeTeacher, server: ChatServer) -> None:
    asked, store = questions(f"q{i:02}" for i in range(20)), MemoryStore()
    server.input_tokens = 30
    first = run(make_teacher("openai"), asked, store=store, cap=0.5)
    assert first.cap is not None
    second = run(make_teacher("openai"), asked, store=store, cap=3.0)
    assert second.cap is None
    assert len(server.bodies) == len(set(server.prompts)) == 20
    assert second.progress.cost_usd == pytest.approx(0.8), "the earlier attempt's money counts too"


def test_a_cap_too_small_for_one_call_asks_nothing(make_teacher: MakeTeacher, server: ChatServer) -> None:
    outcome = run(make_teacher("openai"), questions(["a"]), cap=0.01)
    assert outcome.cap is not None
    assert server.bodies == []


def test_calls_that_time_out_count_against_the_cap(make_teacher: MakeTeacher, server: ChatServer) -> None:
    server.default = Reply(hang=True)
    limits = replace(FAST, timeout=0.1, tries=50, failures_in_a_row=1000, concurrency=1)
    outcome = run(make_teacher("openai", timeout=60), questions(["a"]), limits=limits, cap=0.5)
    assert outcome.cap is not None
    assert "calls without an answer" in str(outcome.cap)
    assert outcome.progress.unconfirmed_usd <= 0.5


def test_calls_in_flight_when_a_process_ends_count_in_the_next(
    make_teacher: MakeTeacher, server: ChatServer, tmp_path: Path
) -> None:
    """As at a kill, nothing is settled: what was set aside for the call stays in the ledger."""

    def die(progress: Progress) -> None:
        if server.bodies:
            raise LeaseLost

    server.default, ledger = Reply(hang=True), tmp_path / "in-doubt"
    with pytest.raises(LeaseLost):
        run(make_teacher("openai", timeout=60), questions(["a"]), cap=0.15, ledger=Ledger(ledger), on_progress=die)
    assert 0.05 < float(ledger.read_text()) <= 0.15
    server.default = Reply()
    asked = len(server.bodies)
    outcome = run(make_teacher("openai"), questions(["a"]), cap=0.15, ledger=Ledger(ledger))
    assert outcome.cap is not None
    assert len(server.bodies) == asked
    assert run(make_teacher("openai"), questions(["a"]), cap=0.5, ledger=Ledger(ledger)).cap is None


def test_a_ledger_without_doubt_writes_nothing(make_teacher: MakeTeacher, tmp_path: Path) -> None:
    free = Ledger(tmp_path / "free")
    run(make_teacher("openai"), questions(["a"]), price=None, ledger=free)
    assert not free.path.exists()
    paid = Ledger(tmp_path / "paid")
    run(make_teacher("openai"), questions(["a", "b", "c"]), ledger=paid)
    assert paid.read() == 0.0


def test_without_a_price_the_cost_is_unknown_not_zero(make_teacher: MakeTeacher) -> None:
    store = MemoryStore()
    outcome = run(make_teacher("openai"), questions(["a"]), store=store, price=None)
    assert outcome.progress.cost_usd is None
    assert [call.cost_usd for call in store.calls.values()] == [None]


def test_cancel_stops_launching_and_stores_what_is_in_flight(make_teacher: MakeTeacher, server: ChatServer) -> None:
    server.default = Reply(delay=0.2)
    store = MemoryStore()

    def cancel(progress: Progress) -> None:
        if server.bodies:
            raise Cancelled("Cancelled by request.")

    with pytest.raises(Cancelled):
        run(make_teacher("openai"), questions(f"q{i}" for i in range(50)), store=store, on_progress=cancel)
    assert 1 <= len(server.bodies) <= FAST.concurrency
    assert len(store.calls) == len(server.bodies)


def test_cancel_does_not_wait_for_a_hang(make_teacher: MakeTeacher, server: ChatServer) -> None:
    server.default = Reply(hang=True)

    def cancel(progress: Progress) -> None:
        if server.bodies:
            raise Cancelled("Cancelled by request.")

    started = time.monotonic()
    with pytest.raises(Cancelled):
        run(
            make_teacher("openai", timeout=60),
            questions(["a", "b"]),
            limits=replace(FAST, timeout=60, drain=0.2),
            on_progress=cancel,
        )
    assert time.monotonic() - started < 5


def test_a_lost_lease_drops_calls_in_flight_at_once(make_teacher: MakeTeacher, server: ChatServer) -> None:
    server.default = Reply(delay=2.0)

    def lose(progress: Progress) -> None:
        if server.bodies:
            raise LeaseLost("somebody else has it")

    started = time.monotonic()
    with pytest.raises(LeaseLost):
        run(make_teacher("openai"), questions(["a", "b"]), on_progress=lose)
    assert time.monotonic() - started < 1.5


def test_progress_is_reported_while_nothing_arrives(make_teacher: MakeTeacher, server: ChatServer) -> None:
    """It is the step's heartbeat: without it a slow teacher would look like a dead worker."""
    server.default = Reply(delay=0.3)
    seen: list[int] = []
    run(make_teacher("openai"), questions(["a"]), on_progress=lambda progress: seen.append(progress.done))
    assert seen.count(0) >= 5
    assert seen[-1] == 1


def test_a_store_that_fails_stops_everything(make_teacher: MakeTeacher, server: ChatServer) -> None:
    """No answer may be taken while answers can't be kept."""

    class Full(MemoryStore):
        async def put(self, call: StoredCall) -> None:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        run(make_teacher("openai"), questions(f"q{i}" for i in range(30)), store=Full())
    assert len(server.bodies) <= 2 * FAST.concurrency


def test_an_answer_is_stored_before_its_slot_asks_again(make_teacher: MakeTeacher, server: ChatServer) -> None:
    order: list[str] = []

    class Watching(MemoryStore):
        async def put(self, call: StoredCall) -> None:
            await asyncio.sleep(0.02)
            await super().put(call)
            order.append(f"stored {len(server.bodies)}")

    run(make_teacher("openai"), questions(["a", "b", "c"]), store=Watching(), limits=replace(FAST, concurrency=1))
    assert order == ["stored 1", "stored 2", "stored 3"]


def test_text_that_databases_refuse_is_made_storable() -> None:
    assert storable("a\x00b\ud800c") == "a\ufffdb?c"


def test_the_fingerprint_covers_what_decides_the_answer_and_nothing_else() -> None:
    messages = [{"role": "user", "content": "x"}]
    base = question_key("openai", {"model": "m"}, messages, SAMPLING, 0)  # type: ignore[arg-type]
    assert base == question_key("openai", {"model": "m"}, list(messages), SAMPLING, 0)  # type: ignore[arg-type]
    others = {
        question_key("anthropic", {"model": "m"}, messages, SAMPLING, 0),  # type: ignore[arg-type]
        question_key("openai", {"model": "n"}, messages, SAMPLING, 0),  # type: ignore[arg-type]
        question_key("openai", {"model": "m"}, [{"role": "user", "content": "y"}], SAMPLING, 0),
        question_key("openai", {"model": "m"}, messages, replace(SAMPLING, temperature=0.5), 0),  # type: ignore[arg-type]
        question_key("openai", {"model": "m"}, messages, replace(SAMPLING, max_tokens=51), 0),  # type: ignore[arg-type]
        question_key("openai", {"model": "m"}, messages, SAMPLING, 1),  # type: ignore[arg-type]
    }
    assert base not in others
    assert len(others) == 6

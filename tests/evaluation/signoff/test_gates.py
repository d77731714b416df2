"""What a report must show before it can be approved."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from evaluation.models import Scorecard, Tone
from evaluation.signoff import gates
from evaluation.signoff.gate import Gate
from evaluation.signoff.policy import Policy
from pipelines.models import StepOutput
from studio.models import Comment
from tests.evaluation.conftest import make_step, publish_folder


def test_without_gates_there_are_none(card: Scorecard) -> None:
    assert gates.check(card, Policy()) == []


@pytest.mark.parametrize(("least", "by_interval", "ok"), [(0.8, False, True), (0.9, False, False), (0.8, True, False)])
def test_a_minimum_is_compared_with_the_score_or_its_lower_end(
    card: Scorecard, least: float, by_interval: bool, ok: bool
) -> None:
    """The student is right on 5 of 6 rows: 83.3 %, interval from 43.6 %."""
    (gate,) = gates.check(card, Policy(minimums={"accuracy": least}, by_interval=by_interval))
    assert gate.ok is ok
    assert gate.label == f"Accuracy at least {least * 100:.1f} %"
    assert gate.text == ("lower end of the interval 43.6 %" if by_interval else "student 83.3 %")


@pytest.mark.parametrize(("most", "by_interval", "ok"), [(0.1, False, True), (0.04, False, False), (0.1, True, False)])
def test_what_is_better_lower_has_a_most(card: Scorecard, most: float, by_interval: bool, ok: bool) -> None:
    card.scores.create(
        kind="student", candidate="student", metric="refusal_rate", value=0.05, low=0.01, high=0.2, n=100
    )
    (gate,) = gates.check(card, Policy(minimums={"refusal_rate": most}, by_interval=by_interval))
    assert gate.ok is ok
    assert gate.label == f"Refusals at most {most * 100:.1f} %"
    assert gate.text == ("upper end of the interval 20.0 %" if by_interval else "student 5.0 %")


def test_a_figure_that_the_report_lacks_closes_the_gate(card: Scorecard) -> None:
    (gate,) = gates.check(card, Policy(minimums={"token_f1": 0.1}))
    assert (gate.ok, gate.text) == (False, "The report has no such figure of the student.")


def test_the_verdict_must_be_within_the_margin(card: Scorecard) -> None:
    for tone, ok in ((Tone.UNCLEAR, False), (Tone.PLAIN, False), (Tone.BAD, False), (Tone.GOOD, True)):
        card.tone = tone
        assert gates.check(card, Policy(non_inferior=True))[0].ok is ok


def test_every_model_file_must_have_been_replayed(card: Scorecard) -> None:
    def gate() -> Gate:
        return gates.check(card, Policy(parity=True))[0]

    assert gate().text == "No model file was made of this student yet."
    for position, parity in enumerate(("passed", "failed")):
        model = publish_folder(card.workspace, "gguf", {"a.gguf": parity.encode()}, parity=parity)
        step = make_step(card.step_run.run, f"export{position}", position=2 + position)
        StepOutput.objects.create(step_run=step, port="gguf", artifact=model)
        assert gate().ok is (parity == "passed")
    assert gate().text == "1 of 2 exports: parity failed."


def test_a_leakage_guard_must_have_seen_these_held_out_rows(card: Scorecard) -> None:
    run = card.step_run.run
    held_out = publish_folder(card.workspace, "dataset", {"rows.parquet": b"held out"})
    split = make_step(run, "split", position=0)
    StepOutput.objects.create(step_run=split, port="test", artifact=held_out)
    guard = make_step(run, "leakage_guard", position=1, wiring={"test": {"node": "split", "port": "test"}})
    guard.summary = {"found": [{"kind": "copy", "rows": 3}]}
    guard.save(update_fields=["summary"])

    def gate() -> Gate:
        return gates.check(card, Policy(no_leakage=True))[0]

    assert not gate().ok, "the guard is not on the way to the report"
    train = run.steps.get(node="train")
    train.wiring = {"train": {"node": "leakage_guard", "port": "train"}}
    train.save(update_fields=["wiring"])
    assert not gate().ok, "the guard looked at other rows"
    card.held_out_sha = held_out.sha256
    assert gate().ok
    assert gate().text == "The leakage guard compared them and held back 3 rows."


def test_open_threads_on_the_report_or_its_rows_close_the_gate(card: Scorecard, reviewer: User) -> None:
    def gate() -> Gate:
        return gates.check(card, Policy(comments_resolved=True))[0]

    assert gate().ok
    for kind, key in (("report", str(card.pk)), ("report_row", f"{card.pk}:2")):
        Comment.objects.create(workspace=card.workspace, kind=kind, key=key, author=reviewer, text="Why?")
    assert (gate().ok, gate().text) == (False, "2 threads are open.")
    Comment.objects.update(resolved_at=timezone.now(), resolved_by=reviewer)
    assert gate().ok

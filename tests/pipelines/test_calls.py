"""The ledger of teachers' answers: nobody's bill is lost when two runs ask the same question at the same moment."""

from __future__ import annotations

import pytest

from pipelines.calls import TeacherCalls
from pipelines.models import Pipeline, PipelineVersion, Run, StepRun, TeacherCall
from pipelines.teachers.base import Completion
from pipelines.teachers.desk import Desk
from pipelines.teachers.storage import StoredCall
from studio.models import Workspace


@pytest.fixture
def steps(workspace: Workspace) -> list[StepRun]:
    """The asking steps of two runs."""
    pipeline = Pipeline.objects.create(workspace=workspace, slug="p", name="P")
    version = PipelineVersion.objects.create(pipeline=pipeline, number=1, spec={}, digest="0")
    runs = [Run.objects.create(workspace=workspace, version=version, number=n) for n in (1, 2)]
    return [
        StepRun.objects.create(run=run, node="ask", step="generate", version=1, queue="io", position=0) for run in runs
    ]


def ledger(step: StepRun, *, after: int | None = None) -> TeacherCalls:
    workspace = step.run.workspace_id
    return TeacherCalls(desk=Desk(), workspace_id=workspace, step_run_id=step.pk, teacher="openai", after=after)


def answer(text: str, cost: float) -> StoredCall:
    return StoredCall("k" * 64, Completion(text=text, model="m"), cost_usd=cost)


def test_a_second_answer_of_one_step_replaces_the_first(steps: list[StepRun]) -> None:
    mine = ledger(steps[0])
    mine.keep(answer("cut", 0.1))
    mine.keep(answer("whole", 0.3))
    assert mine.find(["k" * 64])["k" * 64].completion.text == "whole"
    assert mine.sum_up() == pytest.approx(0.3) and TeacherCall.objects.count() == 1


def test_another_runs_answer_to_the_same_question_stays_as_its_bill(steps: list[StepRun]) -> None:
    first, second = ledger(steps[0]), ledger(steps[1])
    first.keep(answer("a", 0.1))
    second.keep(answer("b", 0.2))
    assert (first.sum_up(), second.sum_up()) == (pytest.approx(0.1), pytest.approx(0.2))
    assert second.find(["k" * 64])["k" * 64].completion.text == "b"


def test_a_step_that_asks_anew_knows_no_earlier_answer_and_keeps_the_earlier_bill(steps: list[StepRun]) -> None:
    before, other = ledger(steps[0]), ledger(steps[1])
    other.keep(StoredCall("o" * 64, Completion(text="other", model="m"), cost_usd=0.4))
    before.keep(answer("old", 0.1))
    last = TeacherCall.objects.order_by("-pk").values_list("pk", flat=True)[0]
    anew = ledger(steps[0], after=last)
    assert anew.find(["k" * 64, "o" * 64]) == {} and anew.sum_up() == 0
    anew.keep(answer("new", 0.2))
    anew.keep(answer("newer", 0.3))
    assert anew.find(["k" * 64])["k" * 64].completion.text == "newer"
    assert (anew.sum_up(), before.sum_up()) == (pytest.approx(0.3), pytest.approx(0.4))
    assert other.find(["k" * 64])["k" * 64].completion.text == "newer"


def test_a_stored_answer_remembers_the_build_that_gave_it(steps: list[StepRun]) -> None:
    mine = ledger(steps[0])
    mine.keep(StoredCall("k" * 64, Completion(text="a", model="m", fingerprint="fp_1"), cost_usd=0.1))
    assert mine.find(["k" * 64])["k" * 64].completion.fingerprint == "fp_1"

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


def ledger(step: StepRun) -> TeacherCalls:
    return TeacherCalls(desk=Desk(), workspace_id=step.run.workspace_id, step_run_id=step.pk, teacher="openai")


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

"""How sure the last student was of a version's rows."""

from __future__ import annotations

import shutil

import pytest

from evaluation.confidences import student_confidences
from evaluation.models import Scorecard
from pipelines.models import StepOutput
from tests.evaluation.conftest import make_step
from vault import store
from vault.models import Dataset, DatasetVersion
from vault.reviewing.confidence import confidences


@pytest.fixture
def version(scorecard: Scorecard) -> DatasetVersion:
    """The version that the evaluated run began with (its content does not matter here)."""
    dataset = Dataset.objects.create(workspace=scorecard.workspace, slug="asked", name="Asked")
    step = make_step(scorecard.step_run.run, "dataset", position=90)
    StepOutput.objects.create(step_run=step, port="rows", artifact=scorecard.report)
    return DatasetVersion.objects.create(dataset=dataset, number=1, artifact=scorecard.report, rows=6)


def test_the_newest_evaluation_of_a_run_over_the_version_tells(version: DatasetVersion) -> None:
    expected = {"r0": 0.99, "r1": 0.9, "r2": 0.4, "r3": 0.8, "r4": 0.7, "r5": 0.9}
    assert student_confidences(version) == pytest.approx(expected)
    assert confidences(version) == pytest.approx(expected)


def test_a_version_that_no_run_began_with_is_not_known(version: DatasetVersion) -> None:
    StepOutput.objects.filter(step_run__step="dataset").delete()
    assert student_confidences(version) == {}


def test_lost_reports_tell_nothing_and_break_nothing(version: DatasetVersion, scorecard: Scorecard) -> None:
    shutil.rmtree(store.folder_of(scorecard.report.sha256))
    assert student_confidences(version) == {}

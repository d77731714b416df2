"""A report's figures as rows."""

from __future__ import annotations

import pytest

from evaluation.models import Scorecard
from evaluation.report.scorecards import read_head, read_report, scorecard_of
from pipelines.models import Run, StepOutput
from tests.evaluation.conftest import make_step
from vault import store


def test_every_figure_of_every_candidate_is_a_row(scorecard: Scorecard) -> None:
    scores = {(s.candidate, s.metric): s for s in scorecard.scores.all()}
    assert scores["student", "accuracy"].value == 5 / 6
    assert scores["student", "accuracy"].n == 6
    assert scores["student", "latency_p50_ms"].value == 60.0
    assert scores["student", "cost_per_1000_usd"].low is None
    assert ("teacher", "agreement") not in scores
    assert scorecard.rows == 6
    assert scorecard.retained == 1.0
    assert scorecard.verdict == read_report(scorecard.report)["verdict"]["sentence"]


def test_a_reused_step_shows_the_scorecard_of_the_run_it_came_from(scorecard: Scorecard) -> None:
    first = scorecard.step_run
    again = Run.objects.create(workspace=scorecard.workspace, version=first.run.version, number=2)
    step = make_step(again, "evaluate", position=0)
    assert scorecard_of(step) is None
    step.reused_from = first
    step.save(update_fields=["reused_from"])
    StepOutput.objects.create(step_run=step, port="report", artifact=scorecard.report)
    assert scorecard_of(step) == scorecard
    assert scorecard_of(first) == scorecard


def test_the_head_of_a_report_is_the_report_without_its_tables(scorecard: Scorecard) -> None:
    report, head = read_report(scorecard.report), read_head(scorecard.report)
    kept = {name: value for name, value in head.items() if name != "row_labels"}
    assert kept == {name: report[name] for name in kept}
    assert {"candidates", "facts", "rows", "rows_with_reference", "task"} <= kept.keys()
    assert "per_label" not in head and "confusion" not in head
    assert head["row_labels"] == [label["label"] for label in report["per_label"] if label["support"]]
    assert read_head(scorecard.report) is head, "a report never changes: it is read once"


def test_the_head_of_a_report_whose_file_is_gone_says_what_to_do(scorecard: Scorecard) -> None:
    (store.path(scorecard.report) / "report.json").unlink()
    with pytest.raises(store.Damaged, match=r"report\.json"):
        read_head(scorecard.report)


def test_a_report_whose_file_is_gone_says_what_to_do(scorecard: Scorecard) -> None:
    (store.path(scorecard.report) / "report.json").unlink()
    with pytest.raises(store.Damaged) as caught:
        read_report(scorecard.report)
    assert "run the evaluation again" in caught.value.action

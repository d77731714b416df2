"""Runs side by side: any runs of the workspace, nobody else's; scores with intervals; a table to take away."""

from __future__ import annotations

import csv
from io import StringIO

import pytest
from django.test import Client
from django.urls import reverse

from evaluation.candidates.predictions import Candidate
from evaluation.models import Scorecard
from evaluation.report.document import Options
from pipelines.models import Run
from studio.models import Workspace
from tests.evaluation.conftest import LABELS, record_evaluation
from vault.rows import Row

PAGE, FILE, CURVES = "runs_compare", "runs_compare_file", "runs_compare_curves"


@pytest.fixture
def two(workspace: Workspace, held_out: list[Row], candidates: list[Candidate]) -> list[Scorecard]:
    """Runs 1 and 2, each evaluated; the student of the second answered as the base did, so it is worse."""
    first = record_evaluation(workspace, held_out, candidates, Options(labels=LABELS))
    second = record_evaluation(workspace, held_out, candidates, Options(labels=LABELS), number=2)
    second.scores.filter(kind="student", metric="accuracy").update(value=0.2, low=0.1, high=0.3)
    return [first, second]


def test_the_page_the_table_and_the_curves_open_for_a_viewer_and_for_no_stranger(
    two: list[Scorecard], viewer_client: Client, stranger_client: Client
) -> None:
    for name in (PAGE, FILE, CURVES):
        address = reverse(name, args=["lab"])
        assert viewer_client.get(address, {"run": ["1", "2"]}).status_code == 200, name
        assert stranger_client.get(address, {"run": ["1", "2"]}).status_code == 404, name
        assert Client().get(address).status_code == 302


def test_runs_of_another_workspace_and_odd_numbers_are_not_found(
    two: list[Scorecard], viewer_client: Client, other_workspace: Workspace
) -> None:
    Run.objects.filter(number=2).update(workspace=other_workspace)
    for number in ("2", "99", "x", "-1", "9" * 30, "²"):
        for name in (PAGE, FILE, CURVES):
            assert viewer_client.get(reverse(name, args=["lab"]), {"run": ["1", number]}).status_code == 404, number


def test_scores_stand_side_by_side_with_intervals_and_the_best_marked(
    two: list[Scorecard], viewer_client: Client
) -> None:
    page = viewer_client.get(reverse(PAGE, args=["lab"]), {"run": ["1", "2"]}).text
    assert two[0].get_absolute_url() in page and two[1].get_absolute_url() in page
    assert "20.0 %" in page and "10.0 %" in page and "30.0 %" in page
    assert "best" in page
    assert "Cards 1" in page and "Cards 2" in page
    assert "different held-out rows" not in page
    Scorecard.objects.filter(pk=two[1].pk).update(held_out_sha="cd" * 32, row_set="other")
    assert "different held-out rows" in viewer_client.get(reverse(PAGE, args=["lab"]), {"run": ["1", "2"]}).text


def test_a_run_without_an_evaluation_still_has_its_column(two: list[Scorecard], viewer_client: Client) -> None:
    two[1].delete()
    page = viewer_client.get(reverse(PAGE, args=["lab"]), {"run": ["2", "1"]}).text
    assert "not evaluated" in page
    assert page.index(">Run 2<") < page.index(">Run 1<")


def test_a_reused_report_counts_for_the_run_that_reused_it(two: list[Scorecard], viewer_client: Client) -> None:
    again = Run.objects.get(number=2).steps.get(node="evaluate")
    two[1].delete()
    again.reused_from = two[0].step_run
    again.save(update_fields=["reused_from"])
    again.outputs.update(artifact=two[0].report)
    page = viewer_client.get(reverse(PAGE, args=["lab"]), {"run": ["1", "2"]}).text
    assert page.count(two[0].get_absolute_url()) == 2 and "not evaluated" not in page


def test_fewer_than_two_runs_give_a_choice_and_more_than_eight_are_told(
    two: list[Scorecard], workspace: Workspace, viewer_client: Client
) -> None:
    one = viewer_client.get(reverse(PAGE, args=["lab"]), {"run": "2"}).text
    assert "table-compare" not in one and 'value="2" id="run-2" checked' in one and 'value="1"' in one
    version = Run.objects.get(number=1).version
    Run.objects.bulk_create(Run(workspace=workspace, version=version, number=n) for n in range(3, 13))
    many = viewer_client.get(reverse(PAGE, args=["lab"]), {"run": [str(n) for n in range(1, 11)]}).text
    assert "Only the first 8" in many and "run-c8" in many


def test_an_empty_workspace_says_what_to_do(workspace: Workspace, viewer_client: Client) -> None:
    assert "Nothing has run yet" in viewer_client.get(reverse(PAGE, args=["lab"])).text


def test_the_table_has_raw_numbers_and_no_formulas(two: list[Scorecard], viewer_client: Client) -> None:
    pipeline = Run.objects.get(number=1).version.pipeline
    pipeline.name = "=cmd()"
    pipeline.save(update_fields=["name"])
    answer = viewer_client.get(reverse(FILE, args=["lab"]), {"run": ["1", "2"]})
    assert 'filename="runs-1-2.csv"' in answer.headers["Content-Disposition"]
    lines = list(csv.reader(StringIO(answer.text)))
    assert lines[0] == ["section", "of", "what", "run 1", "run 2"]
    assert ["run", "", "pipeline", "'=cmd()", "Cards 2"] in lines
    accuracy = next(line for line in lines if line[2] == "accuracy" and line[1] == "student")
    assert float(accuracy[4]) == 0.2


def test_the_list_of_runs_has_the_verdict_of_each(two: list[Scorecard], viewer_client: Client) -> None:
    Scorecard.objects.filter(pk=two[0].pk).update(tone="good")
    page = viewer_client.get(reverse("runs", args=["lab"])).text
    assert two[0].get_absolute_url() in page and two[1].get_absolute_url() in page
    assert "Within the margin" in page

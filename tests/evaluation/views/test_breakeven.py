"""The break-even page and the router's download."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from evaluation.candidates.predictions import Candidate, Prediction, teacher_of
from evaluation.models import Scorecard
from evaluation.report.document import Options
from studio.models import Workspace
from tests.evaluation.conftest import make_rows, record_evaluation


def address(card: Scorecard, name: str = "evaluation_breakeven") -> str:
    return reverse(name, args=["lab", card.pk])


@pytest.fixture
def sure(workspace: Workspace) -> Scorecard:
    """An evaluation whose student gave confidences on rows enough to choose a threshold."""
    rows = make_rows([("card", "card"), ("cash", "cash"), ("card", "cash")] * 40, cost_usd=0.004, model="big-1")
    answers = {
        row.id: Prediction(row.id, text=row.reference_text, label=row.reference_text, confidence=0.5 + i % 50 / 100)
        for i, row in enumerate(rows)
    }
    student = Candidate("student", "Student", "student", answers, usd_per_row=0.0001)
    options = Options(labels=["card", "cash"], margin=0.1, cluster_by="none")
    return record_evaluation(workspace, rows, [teacher_of(rows), student], options, number=7)


def test_it_opens_with_what_was_measured(viewer_client: Client, scorecard: Scorecard) -> None:
    page = viewer_client.get(address(scorecard))
    html = page.content.decode()
    assert page.status_code == 200
    assert 'name="teacher_per_1000" value="2"' in html
    assert 'name="machine_per_1000" value="0.1"' in html
    assert "The student saves" in html
    assert "<svg" in html


def test_assumptions_in_the_address_change_the_answer(viewer_client: Client, scorecard: Scorecard) -> None:
    html = viewer_client.get(address(scorecard), {"per_day": "1000", "machine_per_month": "5000"}).content.decode()
    assert "a month more than the teacher" in html
    assert "never" in html
    assert "As measured" in html


def test_figures_that_cannot_be_used_are_marked_and_nothing_is_calculated(
    viewer_client: Client, scorecard: Scorecard
) -> None:
    for bad in ("-3", "many", "nan", "1e400"):
        page = viewer_client.get(address(scorecard), {"per_day": bad})
        html = page.content.decode()
        assert page.status_code == 400
        assert 'aria-invalid="true"' in html
        assert "The student saves" not in html


def test_a_report_of_before_the_cascade_still_opens(
    viewer_client: Client, scorecard: Scorecard, monkeypatch: pytest.MonkeyPatch
) -> None:
    from evaluation.views import breakeven

    read = breakeven.read_report
    monkeypatch.setattr(
        breakeven, "read_report", lambda artifact: {k: v for k, v in read(artifact).items() if k != "cascade"}
    )
    assert viewer_client.get(address(scorecard)).status_code == 200
    assert viewer_client.get(address(scorecard, "evaluation_router")).status_code == 404


def test_the_router_is_taken_away_with_the_reports_threshold(viewer_client: Client, sure: Scorecard) -> None:
    answer = viewer_client.get(address(sure, "evaluation_router"))
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == ["router.py", "router.json"]
        settings = json.loads(archive.read("router.json"))
    assert settings["threshold"] == 0.0
    assert settings["teacher"]["model"] == "big-1"
    assert "evaluation_router" not in viewer_client.get(sure.get_absolute_url()).content.decode()
    assert address(sure, "evaluation_router") in viewer_client.get(sure.get_absolute_url()).content.decode()


def test_the_report_leads_to_it(viewer_client: Client, scorecard: Scorecard) -> None:
    html = viewer_client.get(scorecard.get_absolute_url()).content.decode()
    assert address(scorecard) in html
    assert address(scorecard, "evaluation_router") not in html


@pytest.mark.parametrize("name", ["evaluation_breakeven", "evaluation_router"])
def test_strangers_and_posts_find_nothing(
    client: Client, stranger: User, viewer_client: Client, scorecard: Scorecard, name: str
) -> None:
    assert viewer_client.post(address(scorecard, name)).status_code == 405
    client.force_login(stranger)
    assert client.get(address(scorecard, name)).status_code == 404


def test_an_unknown_price_is_asked_for_and_never_taken_for_nothing(viewer_client: Client, workspace: Workspace) -> None:
    rows = make_rows([("card", "card"), ("cash", "cash")])
    student = Candidate(
        "student", "Student", "student", {r.id: Prediction(r.id, text="card") for r in rows}, usd_per_row=0.0001
    )
    card = record_evaluation(workspace, rows, [teacher_of(rows), student], Options(labels=["card", "cash"]), number=8)
    html = viewer_client.get(address(card)).content.decode()
    assert "where the teacher costs more than $0.10 for 1,000 answers" in html
    assert "a month more than the teacher" not in html and "Spent in total" not in html
    html = viewer_client.get(address(card), {"teacher_per_1000": "2"}).content.decode()
    assert "The student saves" in html
    assert "more than the teacher" in viewer_client.get(address(card), {"teacher_per_1000": "0"}).content.decode()

"""Slices and cascade on the page: in order, linked to their rows, and nothing where a report has none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from evaluation.candidates.predictions import Candidate, Prediction, teacher_of
from evaluation.report.document import Options, build_report
from evaluation.report.sections import cascade_view, slice_link, slices_view
from tests.evaluation.conftest import make_candidate, make_rows


@pytest.fixture
def report() -> dict[str, Any]:
    """A student that is right on web rows and wrong on most phone rows; the teacher is wrong on one of them."""
    rows = [replace(r, tags=["phone" if i % 2 else "web"]) for i, r in enumerate(make_rows([("card", "card")] * 80))]
    rows[1] = replace(rows[1], completion={"role": "assistant", "content": "cash"})
    said: list[str | None] = ["card" if i % 2 == 0 else "cash" for i in range(80)]
    return build_report(rows, [teacher_of(rows), make_candidate("student", said)], Options(labels=["card", "cash"]))


def test_a_loss_that_stands_comes_first_with_its_figures_and_rows(report: dict[str, Any]) -> None:
    view = slices_view(report, rows_url="/rows/")
    assert view is not None
    first = view["lines"][0]
    assert (first["value"], first["behind"], first["n"], first["href"]) == ("phone", True, 40, "/rows/?tag=phone")
    assert first["difference_text"].startswith("−")
    assert view["behind"] == 1
    assert {line["value"]: line["behind"] for line in view["lines"]}["web"] is False


def test_one_field_can_be_looked_at_alone_and_an_unknown_one_shows_all(report: dict[str, Any]) -> None:
    alone = slices_view(report, rows_url="", field="tag")
    assert alone is not None
    assert {line["title"] for line in alone["lines"]} == {"Tag"}
    assert all(line["href"] == "" for line in alone["lines"])
    other = slices_view(report, rows_url="", field="nonsense")
    assert other is not None
    assert other["field"] == ""


@pytest.mark.parametrize("missing", [{}, {"slices": None}, {"slices": {"slices": [], "fields": []}}])
def test_a_report_without_slices_or_cascade_has_no_such_part(missing: dict[str, Any]) -> None:
    assert slices_view({"metrics": [], **missing}, rows_url="") is None
    assert cascade_view({}) is None


@pytest.mark.parametrize(
    ("field", "value", "query"),
    [
        ("label", "a & b", "?label=a+%26+b"),
        ("length", "up to 50 characters", "?max=50"),
        ("length", "1,001–4,000 characters", "?min=1001&max=4000"),
        ("length", "over 4,000 characters", "?min=4001"),
    ],
)
def test_a_slice_leads_to_its_rows(field: str, value: str, query: str) -> None:
    assert slice_link(field, value, "/rows/") == f"/rows/{query}"


def test_what_the_rows_page_cannot_filter_by_is_no_link() -> None:
    assert slice_link("language", "German", "/rows/") == ""


def curve_point(share: float, quality: float) -> dict[str, Any]:
    """A point of a cascade's curve."""
    return {
        "threshold": share,
        "handed_back": share,
        "quality": quality,
        "low": quality - 0.01,
        "high": min(1.0, quality + 0.01),
        "usd_per_1000": None,
    }


def test_a_cascade_is_drawn_with_its_threshold() -> None:
    cascade = {
        "margin": 0.02,
        "rows": 50,
        "threshold": 0.5,
        "reason": "",
        "curve": [curve_point(0, 0.9), curve_point(0.5, 0.95), curve_point(1, 0.97)],
    }
    view = cascade_view({"cascade": cascade})
    assert view is not None
    assert view["picture"]["mark"]["text"] == "under 50.0 % sure"
    assert view["picture"]["line"].startswith("M48")
    few = cascade_view({"cascade": {**cascade, "curve": [], "threshold": None, "reason": "Too few."}})
    assert few is not None
    assert (few["picture"], few["reason"]) == (None, "Too few.")


def test_all_equal_slices_do_not_divide_by_nothing() -> None:
    rows = [replace(r, tags=[str(i % 2)]) for i, r in enumerate(make_rows([("card", "card"), ("cash", "card")] * 10))]
    answers = {r.id: Prediction(r.id, text=r.completion_text) for r in rows}
    student = Candidate("student", "Student", "student", answers)
    view = slices_view(build_report(rows, [teacher_of(rows), student], Options(labels=["card"])), rows_url="")
    assert view is not None
    assert view["edge"] > 0

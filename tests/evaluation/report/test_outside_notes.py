"""Notes on models asked over a network: who really answered, and the teacher against its recorded self."""

from __future__ import annotations

from typing import Any

import pytest

from evaluation.candidates.predictions import Candidate, Prediction, teacher_of
from evaluation.report.document import Options, build_report
from evaluation.report.outside_notes import changed, family, is_teacher
from evaluation.report.outside_page import outside_lines, outside_rows
from tests.evaluation.conftest import LABELS, make_rows
from vault.rows import Row

ROWS = make_rows([("card", "card"), ("cash", "card"), ("cash", "cash"), (None, "cash")], model="big-2026-01-01")


def entry(model: str, rows: int = 1, fingerprint: str = "") -> dict[str, Any]:
    return {"model": model, "fingerprint": fingerprint, "rows": rows}


def outside(rows: list[Row], texts: list[str | None], *models: dict[str, Any], **more: Any) -> Candidate:
    """A candidate asked over a network that answered so."""
    source = {"teacher": "openai", "model": "big", "temperature": 0.0, "max_tokens": 64, "view": {"mode": "drop"}, "again": 1, "models": list(models), "first_at": "2026-03-02T10:00:00+00:00", "last_at": "2026-03-04T10:00:00+00:00", "own": 0} | more  # fmt: skip
    answers = {
        row.id: Prediction(row.id, text=text, error=None if text is not None else "The teacher refused to answer.")
        for row, text in zip(rows, texts, strict=True)
    }
    return Candidate("outside_big", "Big now", "outside", answers, asked=frozenset(answers), source=source)


def report_of(candidate: Candidate, rows: list[Row] = ROWS) -> dict[str, Any]:
    return build_report(rows, [teacher_of(rows), candidate], Options(labels=LABELS))


def test_a_teacher_asked_again_is_held_against_what_it_said_then() -> None:
    found = report_of(outside(ROWS, ["card", "card", None, "cash"], entry("big-2026-02-01", 4)))
    (note,) = [n for n in found["notes"] if "asked again" in n]
    assert note == (
        "Big now is the teacher, asked again: it gives its recorded answer on 1 of 3 rows (33.3 %). "
        "Then “big-2026-01-01” answered, now “big-2026-02-01”."
    )
    now = next(c for c in found["candidates"] if c["name"] == "outside_big")
    assert now["metrics"]["agreement"]["value"] == pytest.approx(1 / 3), "the refusal stays in the denominator"
    assert now["metrics"]["accuracy"]["value"] == pytest.approx(3 / 4)
    assert (now["failed"], now["asked"]) == (1, 4)
    teacher = next(c for c in found["candidates"] if c["name"] == "teacher")
    assert teacher["metrics"]["accuracy"]["value"] == pytest.approx(2 / 3)


def test_recorded_answers_out_of_the_cache_say_nothing_of_today_and_the_note_says_so() -> None:
    found = report_of(outside(ROWS, ["card", "cash", "cash", "cash"], entry("big-2026-01-01", 4), own=3))
    (note,) = [n for n in found["notes"] if "answer cache" in n]
    assert note.startswith("3 of Big now's answers are the recorded ones themselves")
    assert not any("Then “" in n for n in found["notes"]), "the same model answered then and now"


def test_another_model_is_not_taken_for_the_teacher() -> None:
    found = report_of(outside(ROWS, ["card"] * 4, entry("other", 4), model="other"))
    assert not any("asked again" in n for n in found["notes"])


def test_a_model_that_changed_behind_its_name_is_kept_and_told() -> None:
    candidate = outside(ROWS, ["card"] * 4, entry("other-2026-05-01", 3), entry("other-2026-06-01"), model="other")
    found = report_of(candidate)
    assert any(
        n.startswith("2 models answered for Big now: “other-2026-05-01” (3 rows), “other-2026-06-01” (1 row).")
        for n in found["notes"]
    )
    (row,) = outside_rows(found)
    assert row["changed"]
    assert row["when"] == "2 Mar 2026 to 4 Mar 2026"
    (line,) = outside_lines(found)
    assert "answered by other-2026-05-01 on 3; other-2026-06-01 on 1" in line
    assert "system prompt: none, temperature 0, at most 64 tokens, asked anew (1)" in line


def test_a_report_made_before_there_were_such_models_shows_none() -> None:
    found = report_of(outside(ROWS, ["card"] * 4, entry("other", 4), model="other"))
    for candidate in found["candidates"]:
        del candidate["source"]
    assert outside_rows(found) == outside_lines(found) == []


def test_two_builds_of_one_model_are_told() -> None:
    assert changed("Big", [entry("big", 2, "fp_1"), entry("big", 1, "fp_2")]) == [
        "The provider gave 2 different fingerprints for Big: it was changed or moved meanwhile."
    ]
    assert changed("Big", [entry("big", 2, "fp_1")]) == changed("Big", []) == []


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-5.4-mini-2026-03-01", "gpt-5.4-mini"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("gpt-3.5-turbo-0125", "gpt-3.5-turbo"),
        ("small:latest", "small"),
        ("gpt-5.4", "gpt-5.4"),
        ("Llama-3-8B", "llama-3-8b"),
    ],
)
def test_the_version_behind_a_name_is_left_out_when_names_are_compared(model: str, name: str) -> None:
    assert family(model) == name


def test_the_teacher_is_known_by_what_was_asked_for_or_by_what_answered() -> None:
    teacher = [entry("big-2026-01-01")]
    assert is_teacher({"model": "big", "models": []}, teacher)
    assert is_teacher({"model": "my-alias", "models": [entry("big-2026-09-09")]}, teacher)
    assert not is_teacher({"model": "big-mini", "models": [entry("big-mini-2026-01-01")]}, teacher)
    assert not is_teacher({"model": "", "models": []}, [])

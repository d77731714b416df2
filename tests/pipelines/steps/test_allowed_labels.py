"""Answers brought to a label's spelling, answers outside the set, and where the set comes from."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipelines.steps.allowed_labels import AllowedLabels, judge, label_table, nearest, reference_labels
from studio.lib.errors import StepError
from tests.pipelines.steps.desk import row, try_step

LABELS = ["Groceries", "Eating out", "Cash & fees"]


@pytest.mark.parametrize(
    "answer", ["Groceries", "groceries", " GROCERIES. ", "“Groceries”", "**groceries**", "Groceries\n"]
)
def test_case_spaces_and_punctuation_do_not_matter(answer: str) -> None:
    (verdict,) = judge([row("a", answer)], labels=LABELS)
    assert (verdict.cause, verdict.row.completion_text) == ("", "Groceries")
    assert verdict.row.meta.get("respelt_from") == (None if answer == "Groceries" else answer)


@pytest.mark.parametrize("answer", ["eating_out", "Eating-Out", "cash / fees"])
def test_separators_are_spaces(answer: str) -> None:
    (verdict,) = judge([row("a", answer)], labels=LABELS)
    assert verdict.cause == ""


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("Grocery", "“Grocery” is not one of the 3 labels. Nearest: “Groceries”."),
        (
            "The category is eating out",
            "“The category is eating out” is not one of the 3 labels. Nearest: “Eating out”.",
        ),
        ("zzz", "“zzz” is not one of the 3 labels."),
        ("", "“” is not one of the 3 labels."),
    ],
)
def test_an_answer_outside_the_set_is_rejected_with_the_nearest_label(answer: str, reason: str) -> None:
    (verdict,) = judge([row("a", answer)], labels=LABELS)
    assert verdict.reason == reason


def test_a_row_without_an_answer_is_rejected(tmp_path: Path) -> None:
    outcome = try_step(AllowedLabels(), [row("a"), row("b", "Groceries")], folder=tmp_path, labels=LABELS)
    assert [r.meta["reject"]["reason"] for r in outcome.rows("rejects")] == ["The row has no answer."]


def test_the_summary_counts_rows_per_label_and_the_output_carries_the_set(tmp_path: Path) -> None:
    rows = [row("a", "groceries"), row("b", "Groceries"), row("c", "Eating out"), row("d", "Fun")]
    outcome = try_step(AllowedLabels(), rows, folder=tmp_path, labels=LABELS)
    assert outcome.summary["labels"] == {"Groceries": 2, "Eating out": 1, "Cash & fees": 0}
    assert outcome.summary["headline"] == (
        "3 of 4 rows kept (1 dropped: 1 outside the labels). 1 brought to the label's spelling."
    )
    assert outcome.result.outputs["rows"].meta == {"labels": LABELS, "rows": 3}


def test_without_a_list_the_labels_are_the_references_in_their_usual_spelling(tmp_path: Path) -> None:
    rows = [
        row("a", "TRAVEL", reference="Travel"),
        row("b", "x", reference="travel"),
        row("c", "fun", reference="Travel"),
    ]
    assert reference_labels(rows) == ["Travel"]
    outcome = try_step(AllowedLabels(), rows, folder=tmp_path)
    assert [r.completion_text for r in outcome.rows()] == ["Travel"]


def test_without_a_list_and_without_references_it_asks_for_the_labels(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="No labels are listed") as caught:
        try_step(AllowedLabels(), [row("a", "x")], folder=tmp_path)
    assert "one a line" in caught.value.action


def test_references_that_are_free_text_are_no_labels() -> None:
    with pytest.raises(StepError, match="more than 2,000 distinct"):
        reference_labels(row(str(n), reference=f"answer {n}") for n in range(2_001))


@pytest.mark.parametrize(
    ("labels", "message"), [(["Fun", "fun."], "'Fun' and 'fun.' differ only in"), (["Fun", "!"], "'!' has no letters")]
)
def test_labels_that_cannot_be_told_apart_are_a_bad_parameter(labels: list[str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        AllowedLabels.Params(labels=labels)


@given(
    answer=st.text(max_size=20), label=st.sampled_from(LABELS), noise=st.sampled_from(["", " ", ".", "\n", "!?", "'"])
)
def test_every_answer_that_stays_is_spelt_like_a_label(answer: str, label: str, noise: str) -> None:
    rows = [row("a", answer), row("b", noise + label.swapcase() + noise)]
    verdicts = list(judge(rows, labels=LABELS))
    assert all(v.row.completion_text in LABELS for v in verdicts if not v.cause)
    assert verdicts[1].row.completion_text == label


@given(answer=st.text(max_size=30))
def test_the_hint_names_a_label_or_nothing(answer: str) -> None:
    hint = nearest(answer, table=label_table(LABELS))
    assert hint == "" or hint in {f" Nearest: “{label}”." for label in LABELS}

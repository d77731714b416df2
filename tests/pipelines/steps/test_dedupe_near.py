"""Near-duplicates: which row stays, what is told of the others."""

from __future__ import annotations

import random
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipelines.steps.dedupe_near import DedupeNear, percent
from studio.lib.errors import StepError
from tests.pipelines.steps.desk import Outcome, row, try_step
from vault.quality.shingles import jaccard
from vault.rows import Row

CARD = "Where is the new card that I ordered last week?"
LIKE = "Where is the new card that I ordered last week??"
RENT = "Why was the payment of my rent declined again?"


def kept(outcome: Outcome) -> list[str]:
    return [r.id for r in outcome.rows()]


def test_the_first_stays_and_the_others_name_it_with_their_likeness(tmp_path: Path) -> None:
    rows = [row(CARD, "x", id="1"), row(RENT, "y", id="2"), row(LIKE, "x", id="3")]
    outcome = try_step(DedupeNear(), rows, folder=tmp_path)
    assert kept(outcome) == ["1", "2"]
    (dropped,) = outcome.rows("rejects")
    alike = percent(jaccard(CARD, LIKE))
    assert dropped.meta["reject"] == {"by": "dedupe_near", "reason": f"{alike} like row 1 (id 1), which stays."}
    assert outcome.summary["headline"] == "2 of 3 rows kept (1 dropped: 1 near-duplicates). 1 row stays for them."
    assert outcome.summary["groups"] == 1


def test_the_threshold_decides(tmp_path: Path) -> None:
    alike = jaccard(CARD, LIKE)
    for name, threshold, count in (("below", alike - 0.01, 1), ("above", alike + 0.01, 2)):
        folder = tmp_path / name
        folder.mkdir()
        outcome = try_step(DedupeNear(), [row(CARD, "x"), row(LIKE, "x")], folder=folder, threshold=threshold)
        assert len(outcome.rows()) == count


def test_by_prompt_and_answer_like_prompts_with_other_answers_stay(tmp_path: Path) -> None:
    rows = [row(CARD, "It is on its way by post."), row(LIKE, "Please call the number on the back of it.")]
    outcome = try_step(DedupeNear(), rows, folder=tmp_path, compare="prompt and answer")
    assert len(outcome.rows()) == 2


def test_a_long_system_prompt_makes_no_rows_alike(tmp_path: Path) -> None:
    rows = [row(CARD, "x", system="Sort the message. " * 50), row(RENT, "x", system="Sort the message. " * 50)]
    assert len(try_step(DedupeNear(), rows, folder=tmp_path).rows()) == 2


def with_meta(text: str, *, id: str, **meta: Any) -> Row:
    return replace(row(text, "x", id=id), meta=meta)


@pytest.mark.parametrize(
    ("prefer", "rows", "expected"),
    [
        ("first", [row(CARD, "x", id="a"), row(LIKE, "x", id="b")], "a"),
        ("first", [row(CARD, "x", id="a"), row(LIKE, "x", reference="x", id="b")], "b"),
        ("longest answer", [row(CARD, "short", id="a"), row(LIKE, "longer", id="b")], "b"),
        ("longest answer", [row(CARD, "x", reference="x", id="a"), row(LIKE, "longer", id="b")], "a"),
        (
            "highest score",
            [with_meta(CARD, id="a", judge={"score": 3}), with_meta(LIKE, id="b", judge={"score": 4.5})],
            "b",
        ),
        (
            "highest score",
            [
                with_meta(CARD, id="a", judge={"score": 0.9, "max": 1}),
                with_meta(LIKE, id="b", judge={"score": 4, "max": 5}),
            ],
            "a",
        ),
        ("highest score", [with_meta(CARD, id="a"), with_meta(LIKE, id="b", judge={"score": 0})], "b"),
        ("highest score", [with_meta(CARD, id="a", judge="fine"), with_meta(LIKE, id="b", judge={"score": True})], "a"),
        ("most confident", [with_meta(CARD, id="a", confidence=0.4), with_meta(LIKE, id="b", confidence=0.9)], "b"),
        (
            "most confident",
            [
                replace(row(CARD, "x", id="a"), soft=[{"text": "x", "probability": 0.95}]),
                with_meta(LIKE, id="b", confidence=0.5),
            ],
            "a",
        ),
    ],
)
def test_the_best_of_a_group_stays(prefer: str, rows: list[Row], expected: str, tmp_path: Path) -> None:
    assert kept(try_step(DedupeNear(), rows, folder=tmp_path, prefer=prefer)) == [expected]


def test_without_the_rule_a_reference_counts_for_nothing(tmp_path: Path) -> None:
    rows = [row(CARD, "x", id="a"), row(LIKE, "x", reference="x", id="b")]
    assert kept(try_step(DedupeNear(), rows, folder=tmp_path, prefer_reference=False)) == ["a"]


def test_a_template_that_all_rows_share_makes_no_rows_alike_and_is_spoken_of(tmp_path: Path) -> None:
    draw = random.Random(0)
    frame = "Name the category of this transaction; answer with one of the categories that you know: "
    names = ["".join(draw.choices("abcdefghijklmnoprstuvw", k=12)) for _ in range(250)]
    outcome = try_step(DedupeNear(), [row(frame + name, "x") for name in names], folder=tmp_path)
    assert len(outcome.rows()) == 250
    assert outcome.summary["not_compared"] > 0.8
    assert "of the text is shared by many rows and was not compared." in outcome.summary["headline"]


def test_no_rows_at_all_say_so(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="there were none to begin with"):
        try_step(DedupeNear(), [], folder=tmp_path)


def test_the_label_set_is_passed_on(tmp_path: Path) -> None:
    outcome = try_step(DedupeNear(), [row(CARD, "x")], folder=tmp_path, meta={"labels": ["x"]})
    assert outcome.result.outputs["rows"].meta == {"labels": ["x"], "rows": 1}


def test_progress_and_heartbeats_are_told(tmp_path: Path) -> None:
    outcome = try_step(DedupeNear(), [row(CARD, "x"), row(LIKE, "x")], folder=tmp_path)
    assert outcome.desk.beats > 2
    assert (2, 2) in outcome.desk.reports


@pytest.mark.parametrize("threshold", [0, 0.2, 1.5])
def test_a_threshold_below_reason_is_a_bad_parameter(threshold: float) -> None:
    with pytest.raises(ValidationError):
        DedupeNear.Params(threshold=threshold)


@settings(deadline=None, max_examples=15)
@given(
    texts=st.lists(
        st.sampled_from([CARD, LIKE, RENT, RENT + " Please.", "🙂", "我的卡在哪里", ""]), min_size=1, max_size=12
    )
)
def test_running_it_twice_changes_nothing_more(texts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        rows = [row(text, "x", id=str(n)) for n, text in enumerate(texts)]
        once = try_step(DedupeNear(), rows, folder=Path(one))
        assert len(once.rows()) + len(once.rows("rejects")) == len(rows)
        assert try_step(DedupeNear(), once.rows(), folder=Path(two)).rows() == once.rows()

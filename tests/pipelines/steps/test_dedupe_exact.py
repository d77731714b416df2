"""Exact copies: which row stays, what is told of the others, and conflicts."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.steps.dedupe_exact import DedupeExact, find_copies, judge
from tests.pipelines.steps.desk import row, try_step

TEXTS = st.sampled_from(["a", "b", "c", "A"])
ROWS = st.lists(st.builds(row, TEXTS, st.one_of(st.none(), TEXTS), reference=st.one_of(st.none(), TEXTS)), max_size=20)


def test_the_first_copy_stays_and_the_others_name_it(tmp_path: Path) -> None:
    rows = [row("a", "x"), row("b", "x"), row("a", "x"), row("a", "x")]
    outcome = try_step(DedupeExact(), rows, folder=tmp_path)
    assert [r.user_text for r in outcome.rows()] == ["a", "b"]
    assert {r.meta["reject"]["reason"] for r in outcome.rows("rejects")} == {f"A copy of row 1 (id {rows[0].id})."}
    assert outcome.summary["headline"] == "2 of 4 rows kept (2 dropped: 2 exact copies)."


def test_a_copy_with_a_reference_is_preferred_to_an_earlier_one_without(tmp_path: Path) -> None:
    rows = [row("a", "x"), row("a", "x", reference="x"), row("a", "x", reference="y")]
    outcome = try_step(DedupeExact(), rows, folder=tmp_path)
    assert [r.reference_text for r in outcome.rows()] == ["x"]


def test_one_prompt_with_different_answers_is_counted_as_a_conflict(tmp_path: Path) -> None:
    rows = [row("a", "x"), row("a", "y"), row("b", "x"), row("b", "x"), row("c", None), row("c", "x")]
    outcome = try_step(DedupeExact(), rows, folder=tmp_path)
    assert outcome.summary["conflicts"] == 1
    assert outcome.summary["headline"].endswith("1 prompt has more than one answer.")


def test_by_prompt_and_answer_a_prompt_stays_once_for_each_answer(tmp_path: Path) -> None:
    rows = [row("a", "x"), row("a", "y"), row("a", "x")]
    outcome = try_step(DedupeExact(), rows, folder=tmp_path, key="prompt and answer")
    assert [r.completion_text for r in outcome.rows()] == ["x", "y"]


def test_prompts_that_differ_in_case_or_system_prompt_are_no_exact_copies(tmp_path: Path) -> None:
    rows = [row("a", "x"), row("A", "x"), row("a", "x", system="s")]
    assert len(try_step(DedupeExact(), rows, folder=tmp_path).rows()) == 3


@given(rows=ROWS)
def test_what_stays_has_no_copies_and_nothing_distinct_is_lost(rows: list) -> None:
    for key, name in (
        ("prompt", lambda r: r.user_text),
        ("prompt and answer", lambda r: (r.user_text, r.completion_text)),
    ):
        verdicts = list(judge(rows, plan=find_copies(rows, key=key)))
        kept = [name(v.row) for v in verdicts if not v.cause]
        assert len(kept) == len(set(kept))
        assert set(kept) == {name(r) for r in rows}
        with_reference = {name(r) for r in rows if r.reference}
        assert {name(v.row) for v in verdicts if not v.cause and v.row.reference} == with_reference


@settings(max_examples=10, deadline=None)
@given(rows=ROWS.filter(bool))
def test_running_it_twice_changes_nothing_more(rows: list) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        once = try_step(DedupeExact(), rows, folder=Path(one)).rows()
        assert try_step(DedupeExact(), once, folder=Path(two)).rows() == once

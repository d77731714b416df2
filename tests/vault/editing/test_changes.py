from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vault.editing.changes import FIELDS, Record, change, folded, stamp
from vault.rows import Row, assistant, decode, search_text

ROW = Row(
    id="r1",
    prompt=[{"role": "system", "content": "Sort."}, {"role": "user", "content": "Where is my card?"}],
    completion=assistant("card_arrival"),
    soft=[{"text": "card_arrival", "probability": 0.6}],
    tags=["Rome"],
    meta={"source": {"file": "a.csv", "line": 2}},
)


def after(*changes: tuple[str, dict[str, Any]], row: Row = ROW) -> Record:
    return folded(row, [change(kind, params, by="ada", at="2026-01-01T00:00:00+00:00") for kind, params in changes])


def test_tags_come_and_go_and_keep_their_order() -> None:
    assert after(("tag", {"tag": "hard"})).row().tags == ["Rome", "hard"]
    assert after(("tag", {"tag": "hard"}), ("untag", {"tag": "Rome"})).row().tags == ["hard"]


def test_an_edit_says_who_and_when() -> None:
    made = after(("label", {"field": "completion", "text": "top_up"})).row()
    assert made.completion_text == "top_up" and made.meta["edited"] == {"by": "ada", "at": "2026-01-01T00:00:00+00:00"}
    assert made.meta["source"]["line"] == 2 and "derived_from" not in made.meta


def test_a_persons_answer_takes_the_place_of_the_teachers_distribution() -> None:
    assert after(("label", {"field": "completion", "text": "top_up"})).row().soft is None
    assert after(("label", {"field": "reference", "text": "top_up"})).row().soft is not None


def test_a_new_prompt_keeps_the_id_and_says_where_it_comes_from() -> None:
    made = after(("replace", {"field": "prompt", "find": "card", "replacement": "Karte"})).row()
    assert made.user_text == "Where is my Karte?" and made.id == "r1" and made.meta["derived_from"] == ["r1"]


@pytest.mark.parametrize(
    "kind,params",
    [
        ("tag", {"tag": "Rome"}),
        ("untag", {"tag": "Oslo"}),
        ("label", {"field": "completion", "text": "card_arrival"}),
        ("replace", {"field": "prompt", "find": "zzz", "replacement": "y"}),
        ("replace", {"field": "reference", "find": "a", "replacement": "y"}),
        ("row", {"completion": "card_arrival", "tags": ["Rome"]}),
    ],
)
def test_what_changes_nothing_is_no_edit(kind: str, params: dict[str, Any]) -> None:
    record = after((kind, params))
    assert record.edited is None and record.columns() == {} and record.row() == ROW


def test_rejecting_and_keeping_again_leave_the_row_as_it_was() -> None:
    assert after(("reject", {"reason": "spam"})).rejected == {"by": "ada", "reason": "spam"}
    record = after(("reject", {}), ("unreject", {}))
    assert record.rejected is None and record.row() == ROW


def test_an_edited_answer_keeps_what_else_its_message_holds() -> None:
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    row = Row("r", ROW.prompt, {"role": "assistant", "content": None, "tool_calls": calls})
    assert after(("row", {"completion": "x"}), row=row).row().completion == {
        "role": "assistant",
        "content": "x",
        "tool_calls": calls,
    }
    assert after(("row", {"completion": None}), row=row).row().completion is None
    assert after(("label", {"field": "completion", "text": "x"}), row=row).row().completion == assistant("x")


def test_the_stamp_follows_what_a_person_sees() -> None:
    assert stamp(after()) == stamp(after(("reject", {}), ("unreject", {})))
    stamps = {stamp(after(c)) for c in [("tag", {"tag": "x"}), ("reject", {}), ("row", {"reference": "x"})]}
    assert len(stamps | {stamp(after())}) == 4


CHANGES = st.one_of(
    st.tuples(st.just("tag"), st.fixed_dictionaries({"tag": st.sampled_from("abc")})),
    st.tuples(st.just("untag"), st.fixed_dictionaries({"tag": st.sampled_from("abc")})),
    st.tuples(st.just("reject"), st.just({})),
    st.tuples(st.just("unreject"), st.just({})),
    st.tuples(
        st.just("label"),
        st.fixed_dictionaries({"field": st.sampled_from(("completion", "reference")), "text": st.text(max_size=5)}),
    ),
    st.tuples(
        st.just("replace"),
        st.fixed_dictionaries(
            {
                "field": st.sampled_from(("prompt", "completion")),
                "find": st.sampled_from("card"),
                "replacement": st.text(max_size=3),
            }
        ),
    ),
    st.tuples(
        st.just("row"),
        st.fixed_dictionaries(
            {},
            optional={
                "completion": st.none() | st.text(max_size=4),
                "tags": st.lists(st.sampled_from("abc"), unique=True),
            },
        ),
    ),
)


@settings(max_examples=80, deadline=None)
@given(st.lists(CHANGES, max_size=6))
def test_the_columns_written_are_the_row_seen(changes: list[tuple[str, dict[str, Any]]]) -> None:
    """What a commit writes (only the columns that changed) is what the page showed (the whole row)."""
    start = [json.dumps(v) for v in (ROW.prompt, ROW.completion, ROW.reference, ROW.soft, ROW.tags, ROW.meta)]
    texts: dict[str, str | None] = dict(zip(FIELDS, ("r1", *start), strict=True))
    texts["reference"] = None
    record = Record(texts)
    for kind, params in changes:
        from vault.editing.changes import fold

        fold(record, [change(kind, params, by="ada", at="2026-01-01T00:00:00+00:00")])
    columns = record.columns()
    shown = after(*changes).row()
    assert decode({**texts, **columns}) == shown
    assert columns.get("_search", search_text(ROW)) == search_text(shown)

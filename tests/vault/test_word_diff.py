from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vault import word_diff
from vault.word_diff import Piece, compare


def whole(pieces: list[Piece], *, without: str) -> str:
    return "".join(piece.text for piece in pieces if piece.kind != without)


@pytest.mark.parametrize(
    "before,after,expected",
    [
        ("a taxi fare", "a bus fare", [("same", "a "), ("removed", "taxi"), ("added", "bus"), ("same", " fare")]),
        (
            "two words here",
            "other things here",
            [("removed", "two words"), ("added", "other things"), ("same", " here")],
        ),
        ("東京に行く", "京都に行く", [("removed", "東"), ("same", "京"), ("added", "都"), ("same", "に行く")]),
        ("naïve cafe\u0301", "naïve cafe", [("same", "naïve "), ("removed", "cafe\u0301"), ("added", "cafe")]),
        ("a\nb", "a b", [("same", "a"), ("removed", "\n"), ("added", " "), ("same", "b")]),
        ("", "new", [("added", "new")]),
        ("old", "", [("removed", "old")]),
        ("same", "same", [("same", "same")]),
        ("", "", []),
    ],
)
def test_words_that_changed_are_told(before: str, after: str, expected: list[tuple[str, str]]) -> None:
    assert compare(before, after) == expected


TEXT = st.text("ab \n,.é東京\u0301", max_size=40)


@given(before=TEXT, after=TEXT)
@settings(max_examples=300, deadline=None)
def test_both_texts_can_be_put_together_again(before: str, after: str) -> None:
    pieces = compare(before, after)
    assert whole(pieces, without="added") == before and whole(pieces, without="removed") == after
    assert all(piece.text for piece in pieces)
    assert all(left.kind != right.kind for left, right in itertools.pairwise(pieces))


def test_what_differs_too_much_for_words_is_compared_by_lines_and_then_by_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(word_diff, "MOST_EDITS", 10)
    before = "\n".join(f"line {n} is like this" for n in range(30))
    after = before.replace("line 3 is", "line 3 was").replace("line 20 is", "line 20 was")
    after = after.replace("line 25 is", "row 25 was") + "\nand more"
    pieces = compare(before, after)
    assert Piece("removed", "is") in pieces and Piece("added", "was") in pieces
    assert whole(pieces, without="added") == before and whole(pieces, without="removed") == after


def test_wholly_different_and_huge_texts_are_one_replacement_soon() -> None:
    before, after = ("".join(f"{word}{n * step % 9973} " for n in range(50_000)) for word, step in (("a", 7), ("b", 3)))
    began = time.perf_counter()
    pieces = compare(before, after)
    assert [piece.kind for piece in pieces][:2] == ["removed", "added"] and len(pieces) <= 3
    assert time.perf_counter() - began < 5

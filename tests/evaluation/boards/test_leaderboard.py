"""Evaluations side by side: never across test sets, ties share a place, lines join only what can be compared."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from evaluation.boards.leaderboard import Entry, boards_of, heads_of, pick_metric, trends_of
from evaluation.boards.since import Shared
from evaluation.statistics import PairedCounts

START = datetime(2026, 1, 1, tzinfo=UTC)


def entry(card: str, value: float | None, *, rows_set: str = "one", day: int = 0, pipeline: str = "Cards") -> Entry:
    """A student with an accuracy."""
    scores = {} if value is None else {"accuracy": (value, value - 0.05, min(1.0, value + 0.05), 100)}
    at = START + timedelta(days=day)
    return Entry(card, f"run {card}", pipeline, f"/{card}/", at, rows_set, 100, "student", "student", scores)


def test_each_test_set_has_a_board_of_its_own_the_newest_first() -> None:
    boards = boards_of([entry("a", 0.9), entry("b", 0.8, rows_set="two", day=3), entry("c", 0.95)], metric="accuracy")
    assert [(b.key, [e.card for _, e in b.lines]) for b in boards] == [("two", ["b"]), ("one", ["c", "a"])]


def test_equal_figures_share_a_place_and_who_has_none_stands_last_without() -> None:
    (board,) = boards_of([entry("a", 0.9), entry("b", None), entry("c", 0.9), entry("d", 0.8)], metric="accuracy")
    assert [(place, e.card) for place, e in board.lines] == [(1, "a"), (1, "c"), (3, "d"), (None, "b")]


def test_what_is_better_lower_is_sorted_from_the_lowest() -> None:
    few, many = (
        replace(entry(c, None), scores={"refusal_rate": (v, None, None, 9)}) for c, v in (("a", 0.1), ("b", 0.4))
    )
    (board,) = boards_of([many, entry("c", None), few], metric="refusal_rate")
    assert [(place, e.card) for place, e in board.lines] == [(1, "a"), (2, "b"), (None, "c")]


def test_the_metric_asked_for_or_the_first_that_is_known() -> None:
    agreeing = replace(entry("a", None), scores={"agreement": (0.9, None, None, 5)})
    assert pick_metric([agreeing], "") == "agreement"
    assert pick_metric([agreeing], "kappa") == "kappa"
    assert pick_metric([agreeing], "x'; DROP") == "agreement"
    assert pick_metric([], "") == "accuracy"


def test_head_to_head_says_who_is_ahead_only_where_the_interval_leaves_zero_out() -> None:
    a, b = entry("a", 0.9), entry("b", 0.8)
    sure = Shared(PairedCounts(100, 40, 2, 10), 42, 0, 0)
    table = heads_of([a, b], {("a:student", "b:student"): sure}, rows_url={"a": "/a/rows/", "b": "/b/rows/"})
    cell = table["lines"][0]["cells"][1]
    assert (cell["tone"], cell["won"], cell["lost"], cell["href"]) == ("ahead", 40, 2, "/a/rows/?vs=b&view=changed")
    assert table["lines"][0]["wins"] == 1
    assert table["lines"][1]["cells"] == [None, None]
    unsure = Shared(PairedCounts(100, 3, 2, 10), 5, 0, 0)
    cell = heads_of([a, b], {("a:student", "b:student"): unsure}, rows_url={"a": "", "b": ""})["lines"][0]["cells"][1]
    assert (cell["tone"], cell["word"]) == ("", "no telling")
    nothing = Shared(PairedCounts(0, 0, 0, 0), 0, 100, 100)
    cell = heads_of([a, b], {("a:student", "b:student"): nothing}, rows_url={"a": "", "b": ""})["lines"][0]["cells"][1]
    assert (cell["text"], cell["word"], cell["href"]) == ("–", "no shared row", "")


def test_a_line_joins_only_figures_over_the_same_rows() -> None:
    entries = [entry("a", 0.8), entry("b", 0.85, day=1), entry("c", 0.9, day=2, rows_set="two")]
    (trend,) = trends_of(entries, metric="accuracy")
    assert (len(trend["dots"]), len(trend["lines"]), len(trend["breaks"])) == (3, 1, 1)
    assert trend["dots"][0]["y"] > trend["dots"][1]["y"]


def test_pipelines_share_one_axis_and_evaluations_of_one_moment_stand_apart() -> None:
    entries = [entry("a", 0.8), entry("b", 0.8), entry("c", 0.9, pipeline="Other")]
    first, second = trends_of(entries, metric="accuracy")
    assert first["ticks"] == second["ticks"]
    assert first["dots"][0]["x"] != first["dots"][1]["x"]
    assert trends_of([entry("a", None)], metric="accuracy") == []

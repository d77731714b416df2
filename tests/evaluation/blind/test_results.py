"""What blind votes come to."""

from __future__ import annotations

import pytest

from evaluation.blind.results import Vote, alpha_of_numbers, pairs, ratings


def test_wins_ties_and_losses_are_shares_of_the_items() -> None:
    votes = [Vote(1, 1, "first"), Vote(2, 1, "second"), Vote(3, 1, "both"), Vote(4, 1, "neither")]
    found = pairs(votes, same=0, weight=None)
    assert [share["value"] for share in found["shares"].values()] == [0.25] * 4
    assert found["score"]["value"] == 0.5
    assert found["score"]["n"] == 4
    assert found["score"]["low"] < 0.5 < found["score"]["high"]


def test_an_item_counts_once_however_many_judged_it() -> None:
    votes = [Vote(1, person, "first") for person in range(5)] + [Vote(2, 1, "second")]
    assert pairs(votes, same=0, weight=None)["score"]["value"] == 0.5


def test_equal_answers_are_ties() -> None:
    found = pairs([Vote(1, 1, "first")], same=3, weight=None)
    assert found["score"]["value"] == pytest.approx((1 + 3 * 0.5) / 4)
    assert found["shares"]["first"]["value"] == 0.25


def test_a_sample_of_differing_rows_is_reckoned_to_all_rows() -> None:
    """The answers differ on a tenth of the rows, and there the first always wins: 0.1 · 1 + 0.9 · 0.5."""
    found = pairs([Vote(n, 1, "first") for n in range(20)], same=0, weight=0.1)
    assert found["score"]["value"] == pytest.approx(0.55)
    assert found["score"]["high"] == pytest.approx(0.55)
    assert 0.5 < found["score"]["low"] < 0.55


def test_a_liking_for_the_left_is_seen() -> None:
    votes = [Vote(n, 1, "first" if n % 2 else "second", swapped=not n % 2) for n in range(10)]
    found = pairs(votes, same=0, weight=None)
    assert found["left"]["value"] == 1.0
    assert found["score"]["value"] == 0.5


def test_skipped_votes_count_for_nothing_and_nothing_gives_nothing() -> None:
    found = pairs([Vote(1, 1, "skip")], same=0, weight=None)
    assert (found["votes"], found["skipped"], found["score"], found["alpha"]) == (0, 1, None, None)


def test_judges_who_agree_have_an_alpha_of_one() -> None:
    votes = [Vote(item, person, choice) for item, choice in ((1, "first"), (2, "second")) for person in (1, 2)]
    assert pairs(votes, same=0, weight=None)["alpha"] == 1.0


def test_alpha_for_numbers_is_krippendorffs_own_example() -> None:
    """Krippendorff (2011), section E: the reliability data of four observers, interval metric, alpha 0.849."""
    a = [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None]
    b = [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3]
    c = [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None]
    d = [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None]
    units = [[float(v) for v in unit if v is not None] for unit in zip(a, b, c, d, strict=True)]
    assert alpha_of_numbers(units) == pytest.approx(0.849, abs=0.0005)
    assert alpha_of_numbers([[3, 3], [3, 3]]) == 1.0
    assert alpha_of_numbers([[3]]) is None


def test_ratings_are_means_over_items_for_each_source() -> None:
    votes = [
        Vote(1, 1, "rated", scores={"right": 5}, source="student"),
        Vote(1, 2, "rated", scores={"right": 3}, source="student"),
        Vote(2, 1, "rated", scores={"right": 2}, source="teacher"),
        Vote(3, 1, "skip", source="teacher"),
    ]
    found = ratings(votes, criteria=["right", "clear"], sources=["student", "teacher"], seed=1)
    assert found["means"]["right"]["student"]["value"] == 4
    assert found["means"]["right"]["teacher"]["value"] == 2
    assert found["means"]["clear"]["student"] is None
    assert (found["votes"], found["skipped"]) == (3, 1)

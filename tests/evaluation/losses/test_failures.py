"""Lost rows in groups with names, the same each time, whatever comes in."""

from __future__ import annotations

import random

import pytest

from evaluation.losses import failures
from evaluation.losses.failures import Group, LostRow, TrainRow, _told_apart, group_losses, name_group, telling_terms
from tests.evaluation.lost_rows import ABROAD, FINE, LOST, WRONG, training_rows


def lost_rows() -> list[LostRow]:
    """Both kinds, one after the other."""
    return [LostRow(n, text, label, WRONG[label]) for n, (text, label) in enumerate([*LOST, *ABROAD])]


def test_rows_that_are_lost_in_one_way_make_a_group_with_its_words_and_its_mistake() -> None:
    won = [(100 + n, text) for n, (text, _) in enumerate(FINE)]
    training = [TrainRow(row.id, row.user_text, row.completion_text or "") for row in training_rows()]
    found = group_losses(lost_rows(), won=won, training=training)
    assert [group.size for group in found.groups] == [12, 12] and not found.others
    by_pair = {group.pairs[0][:2]: group for group in found.groups}
    stolen, abroad = by_pair["stolen", "lost"], by_pair["transfer", "cash"]
    assert set(stolen.rids) == set(range(12)) and stolen.name.endswith("stolen → lost")
    assert set(stolen.terms) <= {"somebody", "stole", "wallet", "card"} and stolen.terms
    assert "money" in abroad.name and abroad.pairs == [("transfer", "cash", 12)]
    assert not stolen.near and not abroad.near
    assert {row["id"] for row in stolen.alike[:10]} == {f"t{n}" for n in range(10)}
    assert {row["id"] for row in abroad.alike[:10]} == {f"t{n}" for n in range(10, 20)}


def test_won_rows_that_lie_like_a_group_are_counted_with_it_so_that_its_rate_is_known() -> None:
    won = [(100, "somebody stole my wallet in Bern and my card too"), (101, FINE[0][0])]
    found = group_losses(lost_rows(), won=won)
    assert sorted(rid for group in found.groups for rid in group.near) == [100]
    assert (found.lost, found.won, found.won_looked_at) == (24, 2, 2)


def test_the_same_rows_give_the_same_groups() -> None:
    assert group_losses(lost_rows()) == group_losses(lost_rows())


@pytest.mark.parametrize("text", ["the same text", "", "  ", "😀", "١٢٣"])
def test_equal_texts_are_one_group(text: str) -> None:
    found = group_losses([LostRow(n, text, "a", "b") for n in range(12)])
    assert [group.size for group in found.groups] == [12]
    assert found.groups[0].name.endswith("a → b")


def test_one_row_and_none_are_listed_not_grouped() -> None:
    one = group_losses([LostRow(4, "why", "a", "b")], won=[(1, "well")])
    assert one.others == [4] and not one.groups and "Too few" in one.note and (one.lost, one.won) == (1, 1)
    none = group_losses([])
    assert none.note == "No row was lost." and not none.others


def test_rows_with_nothing_in_common_are_no_group() -> None:
    draw = random.Random(1)
    words = [f"{a}{b}{a}" for a in "bcdfghjk" for b in "aeiou"]
    draw.shuffle(words)
    rows = [LostRow(n, word, f"l{n}", f"g{n}") for n, word in enumerate(words[:12])]
    found = group_losses(rows)
    assert sum(group.size for group in found.groups) + len(found.others) == 12
    assert all(group.size < 12 for group in found.groups)


def test_more_rows_than_are_looked_at_are_drawn_by_a_fixed_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "MOST", 16)
    first, second = group_losses(lost_rows()), group_losses(lost_rows())
    assert first == second
    assert (first.lost, first.looked_at) == (24, 16)
    assert sum(group.size for group in first.groups) + len(first.others) == 16


def test_free_text_is_grouped_by_its_questions_alone() -> None:
    rows = [LostRow(n, text, f"a long answer {n}", f"another {n}") for n, (text, _) in enumerate([*LOST, *ABROAD])]
    found = group_losses(rows, labels=False)
    assert len(found.groups) >= 2
    assert all(not group.pairs and "→" not in group.name for group in found.groups)


def test_a_name_has_the_shared_part_of_the_mistake_only() -> None:
    assert name_group(["card"], [("a", "b"), ("a", "b"), ("c", "d")], fallback="") == "card · a → b"
    assert name_group(["card"], [("a", "b"), ("a", "c"), ("a", "d")], fallback="") == "card · a → …"
    assert name_group(["card"], [("a", "z"), ("b", "z"), ("c", "z")], fallback="") == "card · … → z"
    assert name_group([], [("a", "b"), ("c", "d"), ("e", "f")], fallback="why  not\nme") == "why not me"
    assert name_group([], [], fallback="") == "(no text)"


def test_words_of_grammar_and_words_of_everybody_name_nothing() -> None:
    background = {"card": 90, "the": 95, "wallet": 5, "how": 20}
    assert telling_terms(["how the card wallet", "how the wallet card"], background, 100) == ["wallet"]


def test_groups_of_one_name_are_told_apart_by_their_mistake_then_by_number() -> None:
    def group(right: str, name: str = "card") -> Group:
        return Group(name, ["card"], [1], [], [(right, "cash", 1)], 0)

    found = _told_apart([group("stolen"), group("lost"), group("lost"), group("x", name="money")])
    assert [g.name for g in found] == [
        "card · most stolen → cash",
        "card · most lost → cash",
        "card · most lost → cash (2)",
        "money",
    ]

"""Agreement and sampling, against published and hand-worked figures."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vault.agreement import cohen_kappa, krippendorff_alpha, rows_needed, wilson


def units(*observers: str) -> list[list[str]]:
    """Ratings by observer (one text each, a dot is a missing rating) as ratings by unit."""
    return [[rating for rating in unit if rating != "."] for unit in zip(*observers, strict=True)]


@pytest.mark.parametrize(
    ("observers", "alpha"),
    [
        # Krippendorff (2011), sections A, B and C: two observers of binary data, two of nominal data, four with gaps.
        (("0100000010", "1110010000"), 0.095),
        (("aabbdcccedda", "babbbccceddd"), 0.692),
        (("123321412...", "1233224125.3", ".3332342251.", "12332441251."), 0.743),
    ],
)
def test_alpha_is_that_of_the_published_examples(observers: tuple[str, ...], alpha: float) -> None:
    assert krippendorff_alpha(units(*observers)) == pytest.approx(alpha, abs=0.0006)


def test_alpha_by_hand() -> None:
    # Two rows: (a, a) and (a, b). o_ab + o_ba = 2, n_a = 3, n_b = 1, n = 4: 1 - 3 * 2 / (2 * 3) = 0.
    assert krippendorff_alpha([("a", "a"), ("a", "b")]) == pytest.approx(0.0)


def test_alpha_needs_a_row_that_two_have_rated() -> None:
    assert krippendorff_alpha([("a",), (), ("b",)]) is None
    assert krippendorff_alpha([("a", "a"), ("a", "a", "a")]) == 1.0


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=4), max_size=12), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_alpha_asks_neither_for_the_order_of_rows_nor_of_people(rated: list[list[str]], chance: object) -> None:
    shuffled = [sorted(row, key=lambda _: chance.random()) for row in rated]  # type: ignore[attr-defined]
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    before, after = krippendorff_alpha(rated), krippendorff_alpha(shuffled)
    assert (before is None) == (after is None)
    if before is not None:
        assert after == pytest.approx(before) and before <= 1.0 + 1e-9


def test_kappa_is_that_of_worked_examples() -> None:
    # 50 proposals read by two people (20 both yes, 15 both no): 0.70 observed, 0.50 by chance.
    pairs = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    assert cohen_kappa(pairs) == pytest.approx(0.4)
    # Cohen's (1960) table of three categories, as shares of 200: 0.70 observed, 0.41 by chance.
    shares = {("1", "1"): 88, ("1", "2"): 14, ("1", "3"): 18, ("2", "1"): 10, ("2", "2"): 40, ("2", "3"): 10}
    shares |= {("3", "1"): 2, ("3", "2"): 6, ("3", "3"): 12}
    assert cohen_kappa([pair for pair, count in shares.items() for _ in range(count)]) == pytest.approx(0.492, abs=5e-4)
    assert cohen_kappa([]) is None
    assert cohen_kappa([("a", "a")] * 3) == 1.0


@pytest.mark.parametrize(
    ("errors", "n", "low", "high"),
    # Newcombe (1998), table I, method 3 (the score interval without continuity correction).
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_is_that_of_the_published_table(errors: int, n: int, low: float, high: float) -> None:
    found = wilson(errors, n)
    assert found is not None
    assert (found.low, found.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_a_small_population_narrows_the_interval_and_a_full_count_closes_it() -> None:
    assert wilson(3, 0, population=10) is None
    free, half, full = wilson(20, 100), wilson(20, 100, population=200), wilson(20, 100, population=100)
    assert free is not None and half is not None and full is not None
    # 100 of 200 rows count as 100 · 199 / 100 = 199 independent ones.
    as_many = wilson(20 * 1.99, 199)
    assert as_many is not None and half.margin == pytest.approx(as_many.margin)
    assert free.margin > half.margin > full.margin == 0.0


def test_rows_needed_are_those_of_the_textbook() -> None:
    # Score interval at 50 %: n = z² / (4 · 0.05²) - z² = 384.1 - 3.8.
    assert rows_needed(0.05, population=10**9) == 381
    assert rows_needed(0.05, population=1_000) == 276
    assert rows_needed(0.05, population=10) == 10
    assert rows_needed(0.05, population=0) == 0


@given(margin=st.floats(0.002, 0.5), population=st.integers(1, 50_000), share=st.floats(0, 1, allow_nan=False))
@settings(max_examples=80, deadline=None)
def test_the_rows_needed_are_enough_and_one_less_is_not(margin: float, population: int, share: float) -> None:
    needed = rows_needed(margin, population=population, share=share)
    enough = wilson(share * needed, needed, population=population)
    assert enough is not None and enough.margin <= margin
    if needed > 1:
        less = wilson(share * (needed - 1), needed - 1, population=population)
        assert less is not None and less.margin > margin

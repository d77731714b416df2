from __future__ import annotations

from collections import Counter
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from vault.reviewing.assignment import assign


@given(items=st.integers(0, 60), seats=st.integers(1, 7), per_row=st.integers(1, 4), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_work_is_even_and_nobody_gets_a_row_twice(items: int, seats: int, per_row: int, seed: int) -> None:
    found = assign(range(items), range(seats), per_row=per_row, seed=seed)
    assert len(set(found)) == len(found) == items * min(per_row, seats)
    load = Counter(seat for _, seat in found)
    assert not items or max(load.values()) - min(load[s] for s in range(seats)) <= 1


def test_everybody_is_paired_with_everybody() -> None:
    found = assign(range(60), range(4), per_row=2, seed=1)
    by_row = [tuple(sorted(seat for item, seat in found if item == n)) for n in range(60)]
    assert set(by_row) == set(combinations(range(4), 2))


def test_what_somebody_has_judged_counts_and_is_not_given_twice() -> None:
    found = assign([1, 2], [10, 11], per_row=2, seed=1, taken={1: {10, 99}, 2: {10}}, load={11: 5})
    assert found == [(2, 11)]

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vault.editing.positions import as_positions, pack, unpack


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(0, 300_000), max_size=200), st.integers(0, 300_000), st.integers(0, 300_000))
def test_positions_come_back_whole_and_by_stretch(values: set[int], low: int, high: int) -> None:
    data = pack(as_positions(values))
    assert unpack(data).tolist() == sorted(values)
    assert unpack(data, low=low, high=high).tolist() == sorted(v for v in values if low <= v < high)


@pytest.mark.parametrize("step", [1, 2, 17])
def test_dense_and_sparse_blocks_come_back(step: int) -> None:
    positions = np.arange(5, 200_000, step, dtype=np.int64)
    assert (unpack(pack(positions)) == positions).all()


def test_a_million_rows_in_a_row_take_little_room() -> None:
    assert len(pack(np.arange(1_000_000, dtype=np.int64))) < 4_000

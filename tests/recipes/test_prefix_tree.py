"""The tree: every token once, every ancestor visible, every answer an edge."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.recipes import prefix_tree
from pipelines.recipes.prefix_tree import Sequence, build, cut, plan

SEQUENCES = st.lists(
    st.lists(st.integers(0, 2), min_size=2, max_size=9).flatmap(
        lambda ids: st.builds(Sequence, st.just(ids), st.integers(1, len(ids) - 1), st.sampled_from([1.0, 0.5]))
    ),
    min_size=1,
    max_size=8,
)


def path_to(tree: prefix_tree.Tree, node: int) -> list[int]:
    """The node's ancestors and itself, in order, from the dense mask."""
    return torch.nonzero(tree.ancestors()[node]).flatten().tolist()


@settings(deadline=None)
@given(SEQUENCES)
def test_every_sequence_can_be_read_back_from_its_edges(sequences: list[Sequence]) -> None:
    tree = build(sequences)
    for sequence, span in zip(sequences, tree.spans, strict=True):
        ids = list(sequence.ids)
        assert tree.children[span].tolist() == ids[sequence.first :]
        last = int(tree.parents[span[-1]])
        nodes = path_to(tree, last)
        assert tree.ids[nodes].tolist() == ids[:-1]
        assert tree.depth[nodes].tolist() == list(range(len(ids) - 1))
        assert tree.parents[span].tolist() == nodes[sequence.first - 1 :]


@settings(deadline=None)
@given(SEQUENCES)
def test_a_node_is_a_distinct_prefix_and_an_edge_sums_its_weights(sequences: list[Sequence]) -> None:
    tree = build(sequences)
    prefixes = {tuple(s.ids[:n]) for s in sequences for n in range(1, len(s.ids))}
    assert len(tree) == len(prefixes)
    assert float(tree.weights.sum()) == sum(s.weight * (len(s.ids) - s.first) for s in sequences)
    assert len(set(zip(tree.parents.tolist(), tree.children.tolist(), strict=True))) == len(tree.parents)


@settings(deadline=None)
@given(SEQUENCES, st.sampled_from([None, 1, 3]), st.sampled_from([2, 4, 256]))
def test_blocks_see_exactly_what_the_dense_mask_allows(
    sequences: list[Sequence], window: int | None, block: int
) -> None:
    tree = build(sequences)
    dense = torch.zeros(len(tree), len(tree), dtype=torch.bool)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prefix_tree, "BLOCK", block)
        for part in tree.blocks(window, torch.float32):
            assert part.stop - part.start <= block
            dense[part.start : part.stop, part.keys] = part.mask == 0
            if part.span:
                assert part.keys.tolist() == list(range(*part.span))
    assert torch.equal(dense, tree.ancestors(window))


def test_rows_that_share_nothing_do_not_read_each_other() -> None:
    rows = [Sequence([row] * 300, first=1) for row in range(6)]
    parts = build(rows).blocks(None, torch.float32)
    assert sum(part.mask.numel() for part in parts) < 6 * 300 * 300


def test_a_block_ends_where_the_tree_branches() -> None:
    depth = np.array([0, 1, 2, 3, 4, 2, 3, 2, 3, 4, 5])
    assert cut(depth, 0, 8) == 7
    assert cut(np.arange(20), 0, 8) == 4
    assert cut(depth, 5, 8) == len(depth)


@settings(deadline=None)
@given(SEQUENCES, st.integers(4, 20))
def test_a_plan_takes_every_sequence_once_within_its_budget(sequences: list[Sequence], budget: int) -> None:
    groups = plan(sequences, budget=budget)
    assert sorted(itertools.chain(*groups)) == list(range(len(sequences)))
    for group in groups:
        size = len(build([sequences[i] for i in group]))
        assert size <= budget or len(group) == 1


def test_a_plan_puts_together_what_shares() -> None:
    rows = [Sequence([i % 2] * 10 + [5 + i, 6], first=10) for i in range(8)]
    groups = plan(rows, budget=10 + 4 + 3)
    assert sorted(sorted(group) for group in groups) == [[0, 2, 4, 6], [1, 3, 5, 7]]


@pytest.mark.parametrize(("ids", "first"), [([1], 1), ([1, 2], 0), ([1, 2], 2)])
def test_a_sequence_with_nothing_before_or_after_its_border_is_refused(ids: list[int], first: int) -> None:
    with pytest.raises(ValueError, match="cannot be supervised"):
        build([Sequence(ids, first=first)])

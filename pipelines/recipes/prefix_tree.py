"""Prefix-tree packing: many token sequences as one, every shared beginning computed once.

The sequences of a batch go into a trie. A node is one position of one packed sequence, in depth-first order; its position
id is its depth; it attends to its ancestors and itself. Attention being causal, every activation is the number it would
have been in its own row, so losses, gradients and scores are those of the padded batch. What is learnt or scored is a list
of *edges*: parent position → child token, with a weight. Several answers to one prompt are several edges out of one node.

Two users: training (``weights`` are the loss's) and scoring of closed label sets (``spans`` say which edges are whose)::

    tree = build([Sequence(prompt + label, first=len(prompt)) for label in labels])
    logprobs = edge_logprobs(model, tree)                    # one forward for all of them
    scores = [logprobs[span].sum() for span in tree.spans]   # log p(label | prompt)

Depth-first order gives the structure that makes attention cheap: a node's descendants are the interval ``[node, end)``,
and whatever a run of consecutive nodes sees is the path to its first node plus the run itself. ``Tree.blocks`` cuts the
packed sequence into such runs, so rows that share nothing cost no more than apart.
"""

from __future__ import annotations

from collections.abc import Sequence as Seq
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch

BLOCK = 256
"""Most nodes in one attention block. Larger: fewer, larger products but more masked-out work. Measured on 2 cores."""


class Sequence(NamedTuple):
    """Token ids, the index of the first supervised one (at least 1) and the weight of each supervised token."""

    ids: Seq[int] | np.ndarray
    first: int
    weight: float = 1.0


class Block(NamedTuple):
    """Queries ``[start, stop)`` see the positions ``keys`` where the additive ``mask`` [stop - start, keys] is 0.

    ``span`` is ``(lo, hi)`` when the keys are the contiguous positions ``[lo, hi)``, and None when they are not.
    """

    start: int
    stop: int
    keys: torch.Tensor
    span: tuple[int, int] | None
    mask: torch.Tensor


@dataclass
class Tree:
    """A packed batch of ``n`` positions and ``e`` edges. All tensors are on one device.

    ``ids`` [n] token ids; ``depth`` [n] position ids; ``end`` [n] where each node's subtree ends;
    ``parents`` [e] positions whose output predicts ``children`` [e] token ids with ``weights`` [e];
    ``spans``: for each sequence, in the order given, the edges of its supervised tokens.
    """

    ids: torch.Tensor
    depth: torch.Tensor
    end: torch.Tensor
    parents: torch.Tensor
    children: torch.Tensor
    weights: torch.Tensor
    spans: list[torch.Tensor]
    tokens: int
    """Tokens of the sequences before sharing."""
    _blocks: dict[tuple[int | None, torch.dtype], list[Block]] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.ids)

    def to(self, device: torch.device) -> Tree:
        """This tree with its tensors on ``device``."""
        if self.ids.device == device:
            return self
        names = ("ids", "depth", "end", "parents", "children", "weights")
        moved = {name: getattr(self, name).to(device, non_blocking=True) for name in names}
        return Tree(**moved, spans=self.spans, tokens=self.tokens)

    def blocks(self, window: int | None, dtype: torch.dtype) -> list[Block]:
        """The attention blocks, cached. ``window``: a sliding window in tokens of depth, or None."""
        key = (window, dtype)
        if key not in self._blocks:
            self._blocks[key] = _make_blocks(self, window, dtype)
        return self._blocks[key]

    def ancestors(self, window: int | None = None) -> torch.Tensor:
        """Boolean [n, n]: may query i attend to key j? Dense: for tests and for small trees."""
        i = torch.arange(len(self), device=self.ids.device)
        return _visible(self, i, i, window)


def build(sequences: Seq[Sequence]) -> Tree:
    """Pack sequences into one tree. Cost: linear in their tokens, plus sorting.

    The last token of a sequence is only ever predicted, so it is an edge and not a node.
    Raises ``ValueError`` for a sequence without a token before its first supervised one.
    """
    for number, sequence in enumerate(sequences):
        if not 1 <= sequence.first < len(sequence.ids):
            raise ValueError(
                f"Sequence {number} has {len(sequence.ids)} tokens and cannot be supervised from {sequence.first}"
            )
    paths = [np.asarray(s.ids[:-1], dtype=np.int64) for s in sequences]
    order = sorted(range(len(sequences)), key=lambda i: list(sequences[i].ids[:-1]))
    ids: list[np.ndarray] = []
    depth: list[np.ndarray] = []
    end = np.zeros(sum(len(p) for p in paths), dtype=np.int64)
    edges: dict[tuple[int, int], int] = {}
    weights: list[float] = []
    spans: list[list[int]] = [[] for _ in sequences]
    count, previous, nodes = 0, np.empty(0, np.int64), np.empty(0, np.int64)
    for index in order:
        path = paths[index]
        shared = common_prefix(previous, path)
        end[nodes[shared:]] = count
        fresh = len(path) - shared
        ids.append(path[shared:])
        depth.append(np.arange(shared, len(path)))
        nodes = np.concatenate([nodes[:shared], np.arange(count, count + fresh)])
        count, previous = count + fresh, path
        sequence = sequences[index]
        for at in range(sequence.first, len(sequence.ids)):
            edge = edges.setdefault((int(nodes[at - 1]), int(sequence.ids[at])), len(edges))
            if edge == len(weights):
                weights.append(0.0)
            weights[edge] += sequence.weight
            spans[index].append(edge)
    end[nodes] = count
    pairs = np.array(list(edges), dtype=np.int64).reshape(-1, 2)
    return Tree(
        ids=torch.from_numpy(np.concatenate(ids)),
        depth=torch.from_numpy(np.concatenate(depth)),
        end=torch.from_numpy(end[:count].copy()),
        parents=torch.from_numpy(pairs[:, 0].copy()),
        children=torch.from_numpy(pairs[:, 1].copy()),
        weights=torch.tensor(weights, dtype=torch.float32),
        spans=[torch.tensor(span) for span in spans],
        tokens=sum(len(s.ids) for s in sequences),
    )


def common_prefix(a: np.ndarray, b: np.ndarray) -> int:
    """How many leading elements two arrays share."""
    n = min(len(a), len(b))
    different = np.flatnonzero(a[:n] != b[:n])
    return int(different[0]) if len(different) else n


def plan(sequences: Seq[Sequence], *, budget: int) -> list[list[int]]:
    """Indices of ``sequences`` in groups whose trees have at most ``budget`` nodes, neighbours sharing the most.

    A sequence longer than the budget gets a group of its own. Groups are balanced, so that none is a small remainder.
    """
    order = sorted(range(len(sequences)), key=lambda i: list(sequences[i].ids))
    arrays = {i: np.asarray(sequences[i].ids[:-1]) for i in order}
    groups = _fill(order, arrays, budget)
    if len(groups) > 1:
        largest = [_nodes(group, arrays) for group in groups]
        even = max(-(-sum(largest) // len(groups)), max(len(a) for a in arrays.values()))
        balanced = _fill(order, arrays, min(budget, even + even // 16))
        if len(balanced) <= len(groups):
            groups = balanced
    return groups


def _fill(order: list[int], arrays: dict[int, np.ndarray], budget: int) -> list[list[int]]:
    groups: list[list[int]] = []
    size = 0
    for i in order:
        own = len(arrays[i]) - common_prefix(arrays[groups[-1][-1]], arrays[i]) if groups else 0
        if not groups or size + own > budget:
            groups.append([i])
            size = len(arrays[i])
        else:
            groups[-1].append(i)
            size += own
    return groups


def _nodes(group: list[int], arrays: dict[int, np.ndarray]) -> int:
    first = len(arrays[group[0]])
    return first + sum(len(arrays[b]) - common_prefix(arrays[a], arrays[b]) for a, b in pairwise(group))


def _visible(tree: Tree, queries: torch.Tensor, keys: torch.Tensor, window: int | None) -> torch.Tensor:
    """Boolean [queries, keys]: key is an ancestor of query or the query itself, and within the window."""
    q, k = queries[:, None], keys[None, :]
    seen = (k <= q) & (q < tree.end[keys][None, :])
    if window is not None:
        seen &= tree.depth[queries][:, None] - tree.depth[keys][None, :] < window
    return seen


def _make_blocks(tree: Tree, window: int | None, dtype: torch.dtype) -> list[Block]:
    device = tree.ids.device
    end, depth = tree.end.cpu().numpy(), tree.depth.cpu().numpy()
    n = len(tree)
    blocks = []
    start = 0
    while start < n:
        stop = cut(depth, start, BLOCK)
        before = np.flatnonzero(end[:start] > start)  # the path to the first node: earlier nodes whose subtree holds it
        if window is not None:
            before = before[depth[before] > depth[start:stop].min() - window]
        keys = np.concatenate([before, np.arange(start, stop)])
        contiguous = len(keys) == keys[-1] - keys[0] + 1
        keys_tensor = torch.from_numpy(keys).to(device)
        seen = _visible(tree, torch.arange(start, stop, device=device), keys_tensor, window)
        mask = torch.zeros(seen.shape, dtype=dtype, device=device).masked_fill_(~seen, float("-inf"))
        span = (int(keys[0]), int(keys[-1]) + 1) if contiguous else None
        blocks.append(Block(start, stop, keys_tensor, span, mask))
        start = stop
    return blocks


def cut(depth: np.ndarray, start: int, most: int) -> int:
    """Where a block that starts at ``start`` should stop: at the last of the shallowest nodes in its second half.

    Ending where the tree branches keeps one row's private path out of the keys of the next rows.
    """
    if len(depth) - start <= most:
        return len(depth)
    lo = start + most // 2
    candidates = depth[lo : start + most + 1]
    return lo + int(np.flatnonzero(candidates == candidates.min())[-1])

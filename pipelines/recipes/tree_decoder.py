"""The torch decoder: all rows of a batch as one packed sequence whose shared beginning is computed and kept once.

The key-value cache has batch size 1. Its first positions are the shared prefix; each row's own tokens follow, and answers
grow at the end. A token sees the prefix, its own row and its own branch, by the attention that training uses
(``tree_attention``). Attention is causal, so every activation is the number it would have been in a batch of its own.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from pipelines.recipes.decoding import Branch
from pipelines.recipes.prefix_tree import Block

QUERY_CHUNK = 2048
"""Most tokens in one forward."""
BLOCK_QUERIES = 256
BLOCK_KEYS = 1024
"""An attention block ends when it has this many queries, or this many keys of their rows beside the prefix."""


class TorchScores:
    """Next-token distributions from logits of shape ``(positions, vocabulary)``."""

    def __init__(self, logits: torch.Tensor) -> None:
        self.logits = logits.float()

    def best(self) -> list[int]:
        """The most probable token of each position."""
        return self.logits.argmax(-1).tolist()

    def logprobs(self, positions: Sequence[int], tokens: Sequence[int]) -> list[float]:
        """Natural log-probability of ``tokens[i]`` at ``positions[i]``."""
        if not positions:
            return []
        used = sorted(set(positions))
        place = {position: i for i, position in enumerate(used)}
        table = torch.log_softmax(self.logits[used], -1)
        return table[[place[p] for p in positions], list(tokens)].tolist()


class GrowingLayer(DynamicLayer):
    """A cache layer that doubles its buffer instead of copying everything at every step."""

    def __init__(self) -> None:
        super().__init__()
        self.length = 0

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Any, Any]:
        """Append keys and values of shape ``(1, heads, new, width)`` and return all of them."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self.keys = key_states.new_empty(*key_states.shape[:2], 0, key_states.shape[3])
            self.values = value_states.new_empty(*value_states.shape[:2], 0, value_states.shape[3])
        end = self.length + key_states.shape[2]
        if end > self.keys.shape[2]:
            self.keys = self._grown(self.keys, end)
            self.values = self._grown(self.values, end)
        self.keys[:, :, self.length : end] = key_states
        self.values[:, :, self.length : end] = value_states
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def _grown(self, buffer: torch.Tensor, need: int) -> torch.Tensor:
        bigger = buffer.new_empty(*buffer.shape[:2], max(need, 2 * buffer.shape[2]), buffer.shape[3])
        bigger[:, :, : self.length] = buffer[:, :, : self.length]
        return bigger

    def get_seq_length(self) -> int:
        """How many positions are filled."""
        return self.length


class Chains:
    """Queries of one forward, as the tree attention asks for them: which cached positions each may see.

    ``pieces``: for each chain its first query, its number of queries and the positions its first query sees (itself
    included; the next ones see one more each). ``depths``: the depth of every cached position.
    """

    def __init__(self, pieces: list[tuple[int, int, np.ndarray]], prefix: int, depths: np.ndarray, device: Any) -> None:
        self.pieces, self.prefix, self.depths, self.device = pieces, prefix, depths, device
        self._blocks: dict[tuple[int | None, torch.dtype], list[Block]] = {}

    def blocks(self, window: int | None, dtype: torch.dtype) -> list[Block]:
        """Attention blocks for layers with this sliding window (in tokens of depth, or None)."""
        key = (window, dtype)
        if key not in self._blocks:
            self._blocks[key] = [self._block(group, window, dtype) for group in self._groups()]
        return self._blocks[key]

    def _groups(self) -> list[list[tuple[int, int, np.ndarray]]]:
        groups: list[list[tuple[int, int, np.ndarray]]] = []
        queries = keys = 0
        for piece in self.pieces:
            size = len(piece[2]) + piece[1]
            if not groups or queries + piece[1] > BLOCK_QUERIES or keys + size > BLOCK_KEYS:
                groups.append([])
                queries = keys = 0
            groups[-1].append(piece)
            queries, keys = queries + piece[1], keys + size
        return groups

    def _block(self, group: list[tuple[int, int, np.ndarray]], window: int | None, dtype: torch.dtype) -> Block:
        paths = [np.concatenate([seen, seen[-1] + 1 + np.arange(count - 1)]) for _, count, seen in group]
        own = np.unique(np.concatenate(paths))
        keys = np.concatenate([np.arange(self.prefix), own])
        start, stop = group[0][0], group[-1][0] + group[-1][1]
        visible = np.zeros((stop - start, len(keys)), dtype=bool)
        visible[:, : self.prefix] = True
        depths = np.empty(stop - start, dtype=np.int64)
        for (first, count, seen), path in zip(group, paths, strict=True):
            columns = self.prefix + np.searchsorted(own, path)
            known = len(seen) - 1
            rows = np.arange(count) + first - start
            visible[np.ix_(rows, columns[:known])] = True
            visible[np.ix_(rows, columns[known:])] = np.tri(count, dtype=bool)
            depths[rows] = self.depths[path[known:]]
        if window is not None:
            visible &= depths[:, None] - self.depths[keys][None] < window
        mask = torch.zeros(visible.shape, dtype=dtype).masked_fill_(torch.from_numpy(~visible), float("-inf"))
        span = (int(keys[0]), int(keys[-1]) + 1) if len(keys) == keys[-1] - keys[0] + 1 else None
        return Block(start, stop, torch.from_numpy(keys).to(self.device), span, mask.to(self.device))


class TreeDecoder:
    """See the module. ``prefix``: the token ids that every prompt begins with (may be empty).

    The model must be one that :func:`pipelines.recipes.tree_attention.why_not` has nothing against, and is used inside
    :func:`pipelines.recipes.tree_attention.tree_attention`.
    """

    max_rows = 512

    def __init__(self, model: Any, prefix: Sequence[int]) -> None:
        self.model = model
        self.cache = DynamicCache()
        self.cache.layers = [GrowingLayer() for _ in range(model.config.get_text_config().num_hidden_layers)]
        self.prefix = len(prefix)
        self.depths = np.arange(self.prefix)
        self.heads: list[np.ndarray] = []
        self.ends: list[np.ndarray] = []
        self.branches: dict[tuple[int, tuple[int, ...]], np.ndarray] = {}
        if prefix:
            tokens = np.asarray(prefix)
            for begin in range(0, len(tokens), QUERY_CHUNK):
                part = tokens[begin : begin + QUERY_CHUNK]
                pieces = [
                    (i, min(BLOCK_QUERIES, len(part) - i), np.arange(begin + i + 1))
                    for i in range(0, len(part), BLOCK_QUERIES)
                ]
                self._forward(
                    part, np.arange(begin, begin + len(part)), Chains(pieces, 0, self.depths, model.device), []
                )

    def start(self, prompts: Sequence[Sequence[int]]) -> TorchScores:
        """Forget the previous rows and read these prompts' tokens after the prefix."""
        for layer in self.cache.layers:
            layer.length = self.prefix
        self.depths = self.depths[: self.prefix]
        self.branches = {}
        nothing = np.empty(0, dtype=np.int64)
        scores, self.ends = self._append([(nothing, prompt) for prompt in prompts], every=False)
        self.heads = list(self.ends)
        return scores

    def step(self, rows: Sequence[int], tokens: Sequence[int]) -> TorchScores:
        """Append ``tokens[i]`` to row ``rows[i]``."""
        scores, paths = self._append([(self.heads[r], [t]) for r, t in zip(rows, tokens, strict=True)], every=False)
        for row, path in zip(rows, paths, strict=True):
            self.heads[row] = path
        return scores

    def branch(self, branches: Sequence[Branch]) -> TorchScores:
        """Score chains that begin at the prompts' ends or at the end of a chain scored before."""
        parents = [self.branches[b.row, b.path] if b.path else self.ends[b.row] for b in branches]
        scores, paths = self._append([(p, b.chain) for p, b in zip(parents, branches, strict=True)], every=True)
        for branch, path in zip(branches, paths, strict=True):
            self.branches[branch.row, (*branch.path, *branch.chain)] = path
        return scores

    def _append(
        self, chains: Sequence[tuple[np.ndarray, Sequence[int]]], *, every: bool
    ) -> tuple[TorchScores, list[np.ndarray]]:
        """Read chains of tokens that follow paths of cached positions. Returns the scores after every token, or after the
        last of each chain, and each chain's own path."""
        begin = len(self.depths)
        tokens: list[int] = []
        keep: list[int] = []
        paths, depths = [], []
        for path, chain in chains:
            positions = begin + len(tokens) + np.arange(len(chain))
            depth = self.depths[path[-1]] + 1 if len(path) else self.prefix
            paths.append(np.concatenate([path, positions]))
            tokens += chain
            depths.append(depth + np.arange(len(chain)))
            keep += range(len(tokens) - len(chain), len(tokens)) if every else [len(tokens) - 1]
        flat = np.concatenate(depths)
        self.depths = np.concatenate([self.depths, flat])
        logits, at = [], 0
        pieces = [(len(path), len(chain)) for path, chain in chains]
        for first, last, group in self._cut(pieces, paths):
            queries = Chains(group, self.prefix, self.depths, self.model.device)
            wanted = [k - first for k in keep[at:] if k < last]
            logits.append(self._forward(np.asarray(tokens[first:last]), flat[first:last], queries, wanted))
            at += len(wanted)
        return TorchScores(torch.cat(logits)), paths

    def _cut(
        self, sizes: list[tuple[int, int]], paths: list[np.ndarray]
    ) -> list[tuple[int, int, list[tuple[int, int, np.ndarray]]]]:
        """Chains as forwards of at most ``QUERY_CHUNK`` tokens, a long chain in several pieces."""
        forwards: list[tuple[int, int, list[tuple[int, int, np.ndarray]]]] = []
        first = at = 0
        group: list[tuple[int, int, np.ndarray]] = []
        for (known, count), path in zip(sizes, paths, strict=True):
            done = 0
            while done < count:
                room = QUERY_CHUNK - (at - first)
                if room == 0:
                    forwards.append((first, at, group))
                    first, group, room = at, [], QUERY_CHUNK
                take = min(room, count - done, BLOCK_QUERIES)
                group.append((at - first, take, path[: known + done + 1]))
                at, done = at + take, done + take
        forwards.append((first, at, group))
        return forwards

    def _forward(self, tokens: np.ndarray, depths: np.ndarray, queries: Chains, keep: list[int]) -> torch.Tensor:
        """Read tokens at ``depths``; logits ``(len(keep), vocabulary)``."""
        device = self.model.device
        result = self.model(
            input_ids=torch.from_numpy(tokens)[None].to(device),
            position_ids=torch.from_numpy(depths)[None].to(device),
            use_cache=True,
            logits_to_keep=torch.tensor(keep or [0], device=device),
            tree=queries,
            **{cache_argument(self.model): self.cache},
        )
        return result.logits[0][: len(keep)]


def cache_argument(model: Any) -> str:
    """What this release of Transformers calls the key-value cache in a model's ``forward``."""
    return "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"


class RowDecoder:
    """The decoder for models that cannot be packed (recurrent or linear attention): each row has a cache of its own."""

    max_rows = 8

    def __init__(self, model: Any, prefix: Sequence[int]) -> None:
        self.model = model
        self.shared = DynamicCache(config=model.config)
        self.caches: list[Any] = []
        self.ends: list[Any] = []
        if prefix:
            self._read(list(prefix), self.shared)

    def start(self, prompts: Sequence[Sequence[int]]) -> TorchScores:
        """Forget the previous rows and read these prompts' tokens after the prefix."""
        self.ends = [copy.deepcopy(self.shared) for _ in prompts]
        last = [self._read(list(prompt), cache)[-1:] for prompt, cache in zip(prompts, self.ends, strict=True)]
        self.caches = [copy.deepcopy(cache) for cache in self.ends]
        return TorchScores(torch.cat(last))

    def step(self, rows: Sequence[int], tokens: Sequence[int]) -> TorchScores:
        """Append ``tokens[i]`` to row ``rows[i]``."""
        return TorchScores(torch.cat([self._read([t], self.caches[r]) for r, t in zip(rows, tokens, strict=True)]))

    def branch(self, branches: Sequence[Branch]) -> TorchScores:
        """Score chains from the prompts' ends, reading each path again."""
        out = [self._read([*b.path, *b.chain], copy.deepcopy(self.ends[b.row]))[len(b.path) :] for b in branches]
        return TorchScores(torch.cat(out))

    def _read(self, tokens: list[int], cache: Any) -> torch.Tensor:
        ids = torch.tensor([tokens], device=self.model.device)
        return self.model(input_ids=ids, use_cache=True, **{cache_argument(self.model): cache}).logits[0]

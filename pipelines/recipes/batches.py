"""Rows → token sequences → packed batches, and the seeded order in which they are learnt."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from pipelines.recipes.chat import Chat, apply_view
from pipelines.recipes.edge_loss import Edges
from pipelines.recipes.events import RecipeError
from pipelines.recipes.prefix_tree import Sequence, Tree, build, plan

MOST_TOGETHER = 8
"""Answers to one prompt that are learnt in one step at most."""
CHUNK = 512


@dataclass
class Encoding:
    """What became of a file of rows: ``sequences`` to learn, and how many rows were left out, by reason."""

    sequences: list[Sequence] = field(default_factory=list)
    rows: int = 0
    too_long: int = 0
    no_answer: int = 0
    longest: int = 0


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """Rows in the JSON-lines form that the Studio writes for its children."""
    with path.open(encoding="utf-8") as source:
        for line in source:
            if line.strip():
                yield json.loads(line)


def encode_rows(path: Path, chat: Chat, *, view: Mapping[str, Any] | None, max_tokens: int) -> Encoding:
    """Tokenise every row that has an answer. Rows over ``max_tokens`` are left out and counted, never cut."""
    out = Encoding()
    batch: list[tuple[list[dict[str, Any]], dict[str, Any]]] = []

    def flush() -> None:
        for encoded in chat.encode(batch):
            length = len(encoded.prompt) + len(encoded.completion)
            out.longest = max(out.longest, length)
            if length > max_tokens:
                out.too_long += 1
                continue
            ids = np.array(encoded.prompt + encoded.completion, dtype=np.int32)
            out.sequences.append(Sequence(ids, first=len(encoded.prompt)))
        batch.clear()

    for row in read_jsonl(path):
        out.rows += 1
        if row.get("completion") is None:
            out.no_answer += 1
            continue
        batch.append((apply_view(row["prompt"], view), row["completion"]))
        if len(batch) == CHUNK:
            flush()
    flush()
    return out


class Padded(NamedTuple):
    """Token ids and attention mask, both [rows, tokens]."""

    ids: torch.Tensor
    mask: torch.Tensor


@dataclass
class Packed:
    """One forward pass. Either ``tree`` (packed) or ``padded``; and the edges, whose parents index the flattened positions. ``tokens`` counts the rows' tokens before sharing."""

    edges: Edges
    tokens: int
    rows: int
    tree: Tree | None = None
    padded: Padded | None = None


def pack(sequences: list[Sequence], *, budget: int, share: bool) -> list[Packed]:
    """The passes of one optimiser step: groups of at most ``budget`` computed tokens, packed when ``share``, else padded."""
    if not share:
        return [_pad([sequences[i] for i in group]) for group in _plan_padded(sequences, budget)]
    out = []
    for group in plan(sequences, budget=budget):
        tree = build([sequences[i] for i in group])
        edges = Edges(tree.parents, tree.children, tree.weights)
        out.append(Packed(edges=edges, tokens=tree.tokens, rows=len(group), tree=tree))
    return out


def _plan_padded(sequences: list[Sequence], budget: int) -> list[list[int]]:
    groups: list[list[int]] = []
    for i in sorted(range(len(sequences)), key=lambda i: -len(sequences[i].ids)):
        longest = len(sequences[groups[-1][0]].ids) if groups else 0
        if groups and longest * (len(groups[-1]) + 1) <= budget:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups


def _pad(sequences: list[Sequence]) -> Packed:
    width = max(len(s.ids) for s in sequences)
    ids = torch.zeros(len(sequences), width, dtype=torch.long)
    mask = torch.zeros(len(sequences), width, dtype=torch.long)
    parents, children, weights = [], [], []
    for row, sequence in enumerate(sequences):
        n = len(sequence.ids)
        ids[row, :n] = torch.as_tensor(np.asarray(sequence.ids, dtype=np.int64))
        mask[row, :n] = 1
        parents.append(torch.arange(sequence.first - 1, n - 1) + row * width)
        children.append(ids[row, sequence.first : n])
        weights.append(torch.full((n - sequence.first,), sequence.weight))
    edges = Edges(torch.cat(parents), torch.cat(children), torch.cat(weights))
    return Packed(edges=edges, tokens=int(mask.sum()), rows=len(sequences), padded=Padded(ids, mask))


class SharingShuffle(torch.utils.data.Sampler[int]):
    """A seeded shuffle, a new one each epoch, that keeps the answers to one prompt together.

    Groups (at most :data:`MOST_TOGETHER` rows with equal prompts) are shuffled, so that what can be shared meets in one
    step; rows of different prompts come in random order.
    """

    def __init__(self, sequences: list[Sequence], *, seed: int) -> None:
        groups: dict[bytes, list[list[int]]] = {}
        for index, sequence in enumerate(sequences):
            mine = groups.setdefault(np.asarray(sequence.ids[: sequence.first]).tobytes(), [[]])
            if len(mine[-1]) == MOST_TOGETHER:
                mine.append([])
            mine[-1].append(index)
        self.groups = [group for several in groups.values() for group in several]
        self.length = len(sequences)
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the Trainer at the start of each epoch, also after a resume."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[int]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.groups))
        for group in order:
            yield from self.groups[group]


def require_rows(encoding: Encoding, *, what: str, max_tokens: int) -> None:
    """Raise :class:`RecipeError` when no row is left to learn from, saying why."""
    if encoding.sequences:
        return
    if encoding.too_long:
        raise RecipeError(
            f"Every answered {what} row is longer than {max_tokens:,} tokens (the longest has {encoding.longest:,}).",
            action=f"Raise the maximum tokens per row to {encoding.longest:,} or more, or shorten or drop the system prompt.",
            code="no_rows",
        )
    raise RecipeError(
        f"No {what} row has an answer to learn ({encoding.rows:,} rows read).",
        action="Connect a dataset whose rows have teacher answers, for instance the output of a Generate step.",
        code="no_rows",
    )

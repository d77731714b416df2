"""Scores of a closed label set: log P(label, end of turn | prompt) of every label that matters, by the labels' trie.

Labels share beginnings, so they are scored as a trie, one forward for the open nodes of all rows at a time, the likeliest
first. A node's probability is the most that all labels below it can have together, so the search stops when the best label is
certain and everything not opened is worth less than ``TOLERANCE`` of what was: the confidence is off by no more than
that. A tuned student opens few nodes more than it would generate; a tolerance of 0 opens all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipelines.recipes.decoding import Branch, Decoder, Scores
from pipelines.recipes.events import RecipeError

TOLERANCE = 0.01
EAGER = math.log(0.1)
"""While no label of a row is finished, nodes with at least this share of the likeliest one's probability are opened."""


@dataclass(slots=True)
class Node:
    """One token of the trie; ``label`` is set on the last token of a label (its end-of-turn token)."""

    children: dict[int, Node] = field(default_factory=dict)
    label: int | None = None


@dataclass(frozen=True, slots=True)
class LabelScore:
    """The best label of a row, its share of the label set's probability (0..1), and each scored label's log-probability."""

    label: int
    confidence: float
    logprobs: dict[int, float]


@dataclass(frozen=True, slots=True)
class Open:
    """A trie node that may be worth opening: its path from the prompt's end, and the log-probability of that path."""

    path: tuple[int, ...]
    known: int
    """How many tokens of ``path`` the decoder has read; the rest are a chain without a fork."""
    node: Node
    logprob: float


def build_trie(completions: Sequence[Sequence[int]], names: Sequence[str]) -> Node:
    """The trie of the labels' token ids (each ends with the end-of-turn token, so no label is inside another)."""
    root = Node()
    for index, ids in enumerate(completions):
        node = root
        for token in ids:
            node = node.children.setdefault(token, Node())
        if node.label is not None:
            raise RecipeError(
                f"The labels {names[node.label]!r} and {names[index]!r} are the same tokens to this model.",
                action="Remove one of them or merge them before training.",
                code="bad_labels",
            )
        node.label = index
    return root


def score_labels(
    decoder: Decoder, start: Scores, rows: int, *, trie: Node, tolerance: float = TOLERANCE
) -> list[LabelScore]:
    """Score every row of the decoder's last ``start`` (whose scores are ``start``) against the trie."""
    done: list[dict[int, float]] = [{} for _ in range(rows)]
    waiting: list[list[Open]] = [[] for _ in range(rows)]
    for row in range(rows):
        _open(start, row, Open((), 0, trie, 0.0), done[row], waiting[row])
    while chosen := [(row, item) for row in range(rows) for item in _choose(done[row], waiting[row], tolerance)]:
        chains = [_chain(item) for _, item in chosen]
        branches = [
            Branch(row, item.path[: item.known], chain) for (row, item), (chain, _) in zip(chosen, chains, strict=True)
        ]
        scores = decoder.branch(branches)
        first = 0
        for (row, item), (chain, node) in zip(chosen, chains, strict=True):
            _close(scores, first, item, chain, node, done[row], waiting[row])
            first += len(chain)
    return [_summary(logprobs) for logprobs in done]


def _open(scores: Scores, position: int, item: Open, done: dict[int, float], waiting: list[Open]) -> None:
    """Price the children of ``item.node`` at ``position``: a finished label goes to ``done``, the others wait."""
    tokens = list(item.node.children)
    priced = scores.logprobs([position] * len(tokens), tokens)
    for token, logprob in zip(tokens, priced, strict=True):
        child, total = item.node.children[token], item.logprob + logprob
        if child.label is not None:
            done[child.label] = total
        else:
            waiting.append(Open((*item.path, token), len(item.path), child, total))


def _choose(done: dict[int, float], waiting: list[Open], tolerance: float) -> list[Open]:
    """Take the nodes worth opening now off ``waiting``: none when what waits no longer matters."""
    if not waiting:
        return []
    waiting.sort(key=lambda item: -item.logprob)
    if not done:
        count = sum(item.logprob >= waiting[0].logprob + EAGER for item in waiting)
    else:
        top = max(*done.values(), waiting[0].logprob)
        masses = [math.exp(item.logprob - top) for item in waiting]
        allowed = tolerance * math.fsum(math.exp(value - top) for value in done.values())
        count, left = 0, math.fsum(masses)
        best = max(done.values())
        while count < len(waiting) and (waiting[count].logprob > best or left > allowed or tolerance == 0):
            left -= masses[count]
            count += 1
    chosen = waiting[:count]
    del waiting[:count]
    return chosen


def _chain(item: Open) -> tuple[tuple[int, ...], Node]:
    """The tokens to read from ``item``: its own, and on while there is no fork and no end; and the node where that stops."""
    chain, node = list(item.path[item.known :]), item.node
    while len(node.children) == 1:
        token, child = next(iter(node.children.items()))
        if child.label is not None:
            break
        chain.append(token)
        node = child
    return tuple(chain), node


def _close(
    scores: Scores,
    first: int,
    item: Open,
    chain: tuple[int, ...],
    node: Node,
    done: dict[int, float],
    waiting: list[Open],
) -> None:
    """Add the log-probabilities of the chain's tokens after the first (already priced), then open its last node."""
    rest = scores.logprobs(list(range(first, first + len(chain) - 1)), list(chain[1:]))
    path = (*item.path[: item.known], *chain)
    _open(scores, first + len(chain) - 1, Open(path, len(path), node, item.logprob + math.fsum(rest)), done, waiting)


def _summary(logprobs: dict[int, float]) -> LabelScore:
    best = max(logprobs, key=lambda label: logprobs[label])
    total = math.fsum(math.exp(value - logprobs[best]) for value in logprobs.values())
    return LabelScore(best, 1.0 / total, logprobs)

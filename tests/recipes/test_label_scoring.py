"""Scoring a closed label set by its trie: exact where it matters, pruned where it cannot."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from pipelines.recipes.decoding import Branch
from pipelines.recipes.events import RecipeError
from pipelines.recipes.label_scoring import build_trie, score_labels

END = 0
LABELS = [[1, 2, END], [1, 3, 4, END], [5, END]]


class TableScores:
    """Scores read from a table: path of answer tokens → next-token probabilities."""

    def __init__(self, table: dict[tuple[int, ...], dict[int, float]], paths: Sequence[tuple[int, ...]]) -> None:
        self.rows = [table[path] for path in paths]

    def best(self) -> list[int]:
        return [max(row, key=lambda token: row[token]) for row in self.rows]

    def logprobs(self, positions: Sequence[int], tokens: Sequence[int]) -> list[float]:
        return [math.log(self.rows[p][t]) for p, t in zip(positions, tokens, strict=True)]


class TableDecoder:
    """A decoder whose model is a table; counts what it reads."""

    def __init__(self, table: dict[tuple[int, ...], dict[int, float]]) -> None:
        self.table, self.read = table, 0

    def start(self, prompts: Sequence[Sequence[int]]) -> TableScores:
        return TableScores(self.table, [()] * len(prompts))

    def step(self, rows: Sequence[int], tokens: Sequence[int]) -> TableScores:
        raise AssertionError("labels are scored without steps")

    def branch(self, branches: Sequence[Branch]) -> TableScores:
        paths = [(*b.path, *b.chain[: i + 1]) for b in branches for i in range(len(b.chain))]
        self.read += len(paths)
        return TableScores(self.table, paths)


def table(first: float) -> dict[tuple[int, ...], dict[int, float]]:
    return {
        (): {1: first, 5: 1 - first},
        (1,): {2: 0.25, 3: 0.75},
        (1, 2): {END: 0.5},
        (1, 3): {4: 0.5},
        (1, 3, 4): {END: 1.0},
        (5,): {END: 0.9},
    }


def test_the_score_of_a_label_is_the_product_of_its_tokens_with_the_end() -> None:
    decoder = TableDecoder(table(0.6))
    score = score_labels(decoder, decoder.start([[9]]), 1, trie=build_trie(LABELS, list("abc")), tolerance=0.0)[0]
    expected = [0.6 * 0.25 * 0.5, 0.6 * 0.75 * 0.5, 0.4 * 0.9]
    assert [math.exp(score.logprobs[i]) for i in range(3)] == pytest.approx(expected)
    assert score.label == 2
    assert score.confidence == pytest.approx(expected[2] / sum(expected))


def test_a_branch_that_cannot_matter_is_not_opened() -> None:
    decoder = TableDecoder(table(1e-6))
    score = score_labels(decoder, decoder.start([[9]]), 1, trie=build_trie(LABELS, list("abc")))[0]
    assert set(score.logprobs) == {2}
    assert decoder.read == 1
    assert score.confidence == pytest.approx(1.0, abs=1e-4)


def test_the_confidence_is_off_by_no_more_than_the_tolerance() -> None:
    trie = build_trie(LABELS, list("abc"))
    for first in (0.001, 0.01, 0.02, 0.1, 0.5, 0.9, 0.99):
        decoder = TableDecoder(table(first))
        exact = score_labels(decoder, decoder.start([[9]]), 1, trie=trie, tolerance=0.0)[0]
        quick = score_labels(decoder, decoder.start([[9]]), 1, trie=trie, tolerance=0.01)[0]
        assert quick.label == exact.label
        assert exact.confidence <= quick.confidence <= exact.confidence * 1.01


def test_a_branch_set_aside_is_opened_when_the_favourite_disappoints() -> None:
    probabilities = table(0.99999)
    probabilities[1,] = {2: 1e-9, 3: 1e-9}
    decoder = TableDecoder(probabilities)
    score = score_labels(decoder, decoder.start([[9]]), 1, trie=build_trie(LABELS, list("abc")))[0]
    assert score.label == 2


def test_two_labels_of_the_same_tokens_are_refused_by_name() -> None:
    with pytest.raises(RecipeError, match="'b' and 'copy'"):
        build_trie([[5, END], [1, END], [1, END]], ["a", "b", "copy"])

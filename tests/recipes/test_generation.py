"""Greedy answers: stop at the end of the turn, never past a row's limit."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.recipes.generation import generate


class Script:
    """Scores whose best tokens are given."""

    def __init__(self, tokens: list[int]) -> None:
        self.tokens = tokens

    def best(self) -> list[int]:
        return self.tokens

    def logprobs(self, positions: Sequence[int], tokens: Sequence[int]) -> list[float]:
        raise AssertionError("generation needs no probabilities")


class ScriptDecoder:
    """Says each row's line, token by token."""

    def __init__(self, lines: list[list[int]]) -> None:
        self.lines, self.at = lines, [0] * len(lines)

    def start(self, prompts: Sequence[Sequence[int]]) -> Script:
        return Script([line[0] for line in self.lines])

    def step(self, rows: Sequence[int], tokens: Sequence[int]) -> Script:
        assert [self.lines[r][self.at[r]] for r in rows] == list(tokens)
        for row in rows:
            self.at[row] += 1
        return Script([self.lines[r][self.at[r]] for r in rows])

    def branch(self, branches: Sequence[object]) -> Script:
        raise AssertionError("generation has no branches")


def test_rows_leave_at_their_end_of_turn_and_at_their_limit() -> None:
    decoder = ScriptDecoder([[5, 6, 2, 9], [2, 9], [7, 8, 9, 9, 9]])
    assert generate(decoder, decoder.start([[1]] * 3), [8, 8, 3], stop_ids=[2]) == [[5, 6], [], [7, 8, 9]]
    assert decoder.at == [2, 0, 2], "a row was asked for more than its answer"

"""Greedy answers of many rows at once; a row leaves the batch at its end-of-turn token."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pipelines.recipes.decoding import Decoder, Scores


def generate(decoder: Decoder, start: Scores, limits: Sequence[int], *, stop_ids: Collection[int]) -> list[list[int]]:
    """The greedy answer of every row of the decoder's last ``start``: token ids without the stop token.

    ``limits[row]`` is the most tokens that row may answer with, the stop token among them.
    """
    stops = frozenset(stop_ids)
    answers: list[list[int]] = [[] for _ in limits]
    spent = [0] * len(limits)
    active, tokens = list(range(len(limits))), start.best()
    while True:
        going: list[int] = []
        following: list[int] = []
        for row, token in zip(active, tokens, strict=True):
            spent[row] += 1
            if token in stops:
                continue
            answers[row].append(token)
            if spent[row] < limits[row]:
                going.append(row)
                following.append(token)
        if not going:
            return answers
        active, tokens = going, decoder.step(going, following).best()

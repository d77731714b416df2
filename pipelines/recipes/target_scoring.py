"""How likely a model finds a given answer: its negative log-likelihood, token by token, after the prompt of each row.

The answer's tokens are read as chains from the prompts' ends, so rows share their beginning as they do when they are answered, and
the figure is that of ``-log_softmax`` at the answer's own tokens: the loss of training, end-of-turn token included.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipelines.recipes.decoding import Branch, Decoder, Scores

MOST_TOKENS = 256
"""Chain tokens in one forward: each brings a distribution over the whole vocabulary."""


def score_targets(decoder: Decoder, start: Scores, targets: Sequence[Sequence[int]]) -> list[float | None]:
    """The NLL in nats of each row's target (token ids) after the decoder's last ``start``, whose scores are ``start``; None for a
    row without one."""
    rows = [row for row, target in enumerate(targets) if target]
    sums: list[float | None] = [None] * len(targets)
    first = start.logprobs(rows, [targets[row][0] for row in rows])
    for row, logprob in zip(rows, first, strict=True):
        sums[row] = -logprob
    # The last token is predicted and never read, so it stands in no chain.
    for group in _groups([(row, len(targets[row]) - 1) for row in rows]):
        branches = [Branch(row, tuple(targets[row][:at]), tuple(targets[row][at:end])) for row, at, end in group]
        scores = decoder.branch(branches)
        following = [token for row, at, end in group for token in targets[row][at + 1 : end + 1]]
        found = scores.logprobs(list(range(len(following))), following)
        place = 0
        for row, at, end in group:
            known = sums[row]
            assert known is not None
            sums[row] = known - math.fsum(found[place : place + end - at])
            place += end - at
    return sums


def _groups(lengths: Sequence[tuple[int, int]]) -> list[list[tuple[int, int, int]]]:
    """``(row, from, to)`` pieces of the rows' chains in forwards of at most :data:`MOST_TOKENS`; a long chain is cut and goes on in
    a later forward."""
    groups: list[list[tuple[int, int, int]]] = []
    room = 0
    for row, length in lengths:
        at = 0
        while at < length:
            # A piece that follows another of its row needs that one's cache, so it can't share its forward.
            if room == 0 or (groups and groups[-1] and groups[-1][-1][0] == row):
                groups.append([])
                room = MOST_TOKENS
            take = min(room, length - at)
            groups[-1].append((row, at, at + take))
            at, room = at + take, room - take
    return groups

"""What a decoder is: the one shape in which torch and llama.cpp answer many rows that share their beginning.

A decoder holds the shared prefix once. ``start`` takes the rows' own tokens, ``step`` appends an answer's next token to
some rows, ``branch`` tries closed answers from the end of a prompt without moving it. All three return :class:`Scores`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class NoRoom(Exception):
    """The decoder's cache is full: the batch must be answered in smaller parts."""


class Scores(Protocol):
    """Next-token distributions, one per position that was asked for."""

    def best(self) -> list[int]:
        """The most probable token of each position."""

    def logprobs(self, positions: Sequence[int], tokens: Sequence[int]) -> list[float]:
        """Natural log-probability of ``tokens[i]`` at ``positions[i]``."""


@dataclass(frozen=True, slots=True)
class Branch:
    """``path``: answer tokens already scored from the prompt's end; ``chain``: the tokens to append to them (not empty)."""

    row: int
    path: tuple[int, ...]
    chain: tuple[int, ...]


class Decoder(Protocol):
    """Many rows on one model. A row is known by its place in the last ``start``. All methods may raise :class:`NoRoom`."""

    max_rows: int
    """Most rows in one ``start``."""

    def start(self, prompts: Sequence[Sequence[int]]) -> Scores:
        """Forget the previous rows and read these prompts' tokens (after the shared prefix); one position a row."""

    def step(self, rows: Sequence[int], tokens: Sequence[int]) -> Scores:
        """Append ``tokens[i]`` to row ``rows[i]``; one position per entry."""

    def branch(self, branches: Sequence[Branch]) -> Scores:
        """Score chains from the prompts' ends; one position per chain token, in order."""


class Speller(Protocol):
    """Text to tokens and back, by the model's own chat template."""

    @property
    def stop_ids(self) -> Sequence[int]:
        """Tokens that end an answer."""

    def encode_prompts(self, prompts: Sequence[list[dict]]) -> list[list[int]]:
        """Token ids of each prompt up to where the answer begins."""

    def encode_labels(self, labels: Sequence[str], messages: list[dict]) -> list[list[int]]:
        """Token ids of each label as an answer to ``messages``, with the end-of-turn token."""

    def encode_answers(self, pairs: Sequence[tuple[list[dict], dict]]) -> list[list[int]]:
        """Token ids of each assistant message as an answer to its messages, with the end-of-turn token."""

    def decode(self, ids: Sequence[int]) -> str:
        """Text of answer tokens, without special tokens."""


def common_prefix(prompts: Sequence[Sequence[int]]) -> list[int]:
    """The longest beginning shared by all prompts that leaves every one at least one token of its own."""
    if not prompts:
        return []
    low, high = min(map(list, prompts)), max(map(list, prompts))
    limit = min(len(p) for p in prompts) - 1
    length = 0
    while length < limit and low[length] == high[length]:
        length += 1
    return low[:length]

"""What changed between two texts, word by word. Pure, and bounded: huge or wholly different texts give a coarse answer fast.

Words, runs of white space, single signs, and single letters of scripts that set no spaces (Chinese, Japanese, Thai…) are compared
by Myers' algorithm (E. W. Myers, "An O(ND) difference algorithm and its variations", Algorithmica 1, 1986) with at most
:data:`MOST_EDITS` edits. Texts that differ more are compared by lines first, and what differs more than that is one replacement.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from vault.search_index import SPACELESS

MOST_EDITS = 500
"""Edits looked for in one comparison: at most this squared steps, a quarter of a second."""

MARKS = "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u064b-\u065f\u0900-\u0903\u093a-\u094f\u200c\u200d\ufe0f"
TOKEN = re.compile(rf"\s+|[^\W{SPACELESS}](?:[^\W{SPACELESS}]|[{MARKS}])*|.", re.DOTALL)

Kind = Literal["same", "removed", "added"]


class Piece(NamedTuple):
    """A stretch of text that both texts share, or that only the first (removed) or the second (added) has."""

    kind: Kind
    text: str


class _Block(NamedTuple):
    """``before[a:b]`` became ``after[c:d]``; equal when ``same``."""

    same: bool
    a: int
    b: int
    c: int
    d: int


def compare(before: str, after: str) -> list[Piece]:
    """The pieces of both texts in order: without the added ones they are ``before``, without the removed ones ``after``."""
    if before == after:
        return [Piece("same", before)] if before else []
    return _joined(_pieces(before, after, by_line=False))


def _pieces(before: str, after: str, *, by_line: bool) -> Iterator[Piece]:
    cut = _lines if by_line else TOKEN.findall
    old, new = cut(before), cut(after)
    blocks = _blocks(old, new)
    if blocks is None:
        if by_line:
            yield from _replaced(before, after)
        else:
            yield from _pieces(before, after, by_line=True)
        return
    for block in blocks if by_line else _bridged(blocks, old):
        left, right = "".join(old[block.a : block.b]), "".join(new[block.c : block.d])
        if block.same:
            yield Piece("same", left)
        elif by_line and left and right:
            yield from _within(left, right)
        else:
            yield from _replaced(left, right)


def _within(before: str, after: str) -> Iterator[Piece]:
    """Some lines that became others, word by word where that is possible."""
    old, new = TOKEN.findall(before), TOKEN.findall(after)
    blocks = _blocks(old, new)
    if blocks is None:
        yield from _replaced(before, after)
        return
    for block in _bridged(blocks, old):
        left, right = "".join(old[block.a : block.b]), "".join(new[block.c : block.d])
        if block.same:
            yield Piece("same", left)
        else:
            yield from _replaced(left, right)


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _replaced(before: str, after: str) -> Iterator[Piece]:
    if before:
        yield Piece("removed", before)
    if after:
        yield Piece("added", after)


def _blocks(old: Sequence[str], new: Sequence[str]) -> list[_Block] | None:
    """The equal and the different stretches in turn; None when they differ in too many places."""
    head = 0
    shortest = min(len(old), len(new))
    while head < shortest and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < shortest - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    pairs = _matches(old[head : len(old) - tail], new[head : len(new) - tail])
    if pairs is None:
        return None
    equal = [(n, n) for n in range(head)]
    equal += [(head + x, head + y) for x, y in pairs]
    equal += [(len(old) - n, len(new) - n) for n in range(tail, 0, -1)]
    return _stretches(equal, len(old), len(new))


def _stretches(equal: list[tuple[int, int]], old: int, new: int) -> list[_Block]:
    found: list[_Block] = []
    x = y = 0
    for a, c in equal:
        if a > x or c > y:
            found.append(_Block(False, x, a, y, c))
        if found and found[-1].same and found[-1].b == a and found[-1].d == c:
            found[-1] = found[-1]._replace(b=a + 1, d=c + 1)
        else:
            found.append(_Block(True, a, a + 1, c, c + 1))
        x, y = a + 1, c + 1
    if old > x or new > y:
        found.append(_Block(False, x, old, y, new))
    return found


def _matches(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]] | None:
    """Positions of equal tokens in a shortest edit script; None when it has more than ``MOST_EDITS`` edits."""
    if not old or not new:
        return []
    if abs(len(old) - len(new)) > MOST_EDITS or not set(old).intersection(new):
        return [] if not set(old).intersection(new) else None
    furthest = {1: 0}
    trail: list[dict[int, int]] = []
    for edits in range(min(len(old) + len(new), MOST_EDITS) + 1):
        trail.append(dict(furthest))
        for k in range(-edits, edits + 1, 2):
            down = k == -edits or (k != edits and furthest[k - 1] < furthest[k + 1])
            x = furthest[k + 1] if down else furthest[k - 1] + 1
            y = x - k
            while x < len(old) and y < len(new) and old[x] == new[y]:
                x, y = x + 1, y + 1
            furthest[k] = x
            if x >= len(old) and y >= len(new):
                return _walk_back(trail, len(old), len(new))
    return None


def _walk_back(trail: list[dict[int, int]], x: int, y: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for edits in range(len(trail) - 1, -1, -1):
        known, k = trail[edits], x - y
        down = k == -edits or (k != edits and known[k - 1] < known[k + 1])
        before_k = k + 1 if down else k - 1
        before_x = known[before_k]
        before_y = before_x - before_k
        while x > before_x and y > before_y and x > 0 and y > 0:
            x, y = x - 1, y - 1
            found.append((x, y))
        x, y = before_x, before_y
    return found[::-1]


def _bridged(blocks: list[_Block], old: Sequence[str]) -> list[_Block]:
    """The blocks, where a lone space between two changes belongs to them: "two words" → "other things" is one change."""
    found: list[_Block] = []
    for n, block in enumerate(blocks):
        between = 0 < n < len(blocks) - 1 and block.same and not "".join(old[block.a : block.b]).strip(" ")
        if found and not found[-1].same and (between or not block.same):
            found[-1] = found[-1]._replace(b=block.b, d=block.d)
        else:
            found.append(block)
    return found


def _joined(pieces: Iterator[Piece]) -> list[Piece]:
    """Neighbours of one kind as one, what was removed before what was added."""
    found: list[Piece] = []
    removed = added = ""

    def settle() -> None:
        nonlocal removed, added
        found.extend(_replaced(removed, added))
        removed = added = ""

    for piece in pieces:
        if piece.kind == "removed":
            removed += piece.text
        elif piece.kind == "added":
            added += piece.text
        elif found and found[-1].kind == "same" and not removed and not added:
            found[-1] = Piece("same", found[-1].text + piece.text)
        else:
            settle()
            found.append(piece)
    settle()
    return found

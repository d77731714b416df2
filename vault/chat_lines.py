"""Finds the plain lines of a block of chat JSON lines, and where in them each message's text stands.

A line is *plain* when it is ``{"messages": [{"role": …, "content": "…"}, …]}`` in the spelling of ``json.dumps`` or of
``JSON.stringify`` (an ``"id": "…"`` may stand first), with the roles user, system and assistant, with something asked and
no blank answer. All that :class:`~vault.readers.openai_chat.OpenAIChat` could say about such a line is known from where its
quotes stand; it need not be decoded. Every other line is left to the reader.
"""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

ROLES = ("user", "system", "assistant")
USER, SYSTEM, ASSISTANT = range(3)
PAD = b"\0" * 32
"""After the text, so that words may be compared at its very end."""

ODD = re.compile(rb"(?<!\\)((?:\\\\)*)\\(?:/|u([0-9a-fA-F]{4}(?:\\u[dD][c-fC-F][0-9a-fA-F]{2})?))")
SHORT = np.zeros(256, bool)
SHORT[list(b'"\\bfnrt')] = True
"""Characters after a backslash whose escape Python's JSON writes in the same way."""

MAYBE_BLANK = np.array([0xC285, 0xC2A0, 0xE19A, 0xE280, 0xE281, 0xE380])
"""First two bytes of white space beyond ASCII, some of other characters too."""


class Spelling(NamedTuple):
    """Where a file puts spaces: after colons and commas, or nowhere."""

    opening: bytes
    naming: bytes
    after_id: bytes
    before_role: bytes
    before_text: bytes
    between: bytes
    closing: bytes


def _spelled(space: str) -> Spelling:
    parts = (
        '{"messages":~[{"',
        '{"id":~"',
        '",~"messages":~[{"',
        '"role":~"',
        '",~"content":~"',
        '"},~{"',
        '"}]}',
    )
    return Spelling(*(part.replace("~", space).encode() for part in parts))


SPACED, TIGHT = _spelled(" "), _spelled("")


class Messages(NamedTuple):
    """Messages one after the other: role, and where the text between the quotes of ``content`` begins and ends."""

    role: npt.NDArray[np.int64]
    start: Positions
    end: Positions


class Found(NamedTuple):
    """The plain lines of a block (numbered from 0) with the id that each brings, how many messages each has, and these."""

    lines: Positions
    ids: list[str | None]
    counts: Positions
    messages: Messages


def _respelled(match: re.Match[bytes]) -> bytes:
    before, units = match.groups()
    if units is None:
        return bytes(before) + b"/"
    text = bytes.fromhex(units.replace(b"\\u", b"").decode()).decode("utf-16-be", "replace")
    if "\ufffd" in text or text < " " or text in '"\\':
        return bytes(match.group(0))
    return bytes(before) + text.encode()


class Block:
    """Whole lines of UTF-8 (each with its line end) and what is to be known of them without decoding.

    ``text`` is the block with ``\\/`` and ``\\uXXXX`` written as the characters they mean, where those need no escape.
    """

    def __init__(self, text: bytes) -> None:
        self._read(text)
        if self._is_respelled():
            self._read(ODD.sub(_respelled, text))
        quotes = self.bytes[: len(self.text)] == 34
        quotes[self.escapers + 1] = False
        self._quotes: Positions = np.flatnonzero(quotes)
        self._odd = self._find_odd(self.bytes[: len(self.text)])

    def _read(self, text: bytes) -> None:
        padded = text + PAD
        self.text = text
        self.bytes = np.frombuffer(padded, np.uint8)
        self._words = np.ndarray((len(text) + len(PAD) - 8,), "<u8", buffer=padded, strides=(1,))
        body = self.bytes[: len(text)]
        self.ends: Positions = np.flatnonzero(body == 10)
        self.escapers = _escapers(body)

    def _is_respelled(self) -> bool:
        """Whether there are escapes of characters that need none: ``\\/`` and ``\\uXXXX``. Lines stay the same lines."""
        escaped = self.bytes[self.escapers + 1]
        return bool(((escaped == 47) | (escaped == 117)).any())

    def _find_odd(self, body: npt.NDArray[np.uint8]) -> Flags:
        """Lines with control characters, or with escapes that would have to be decoded."""
        wrong = self.escapers[~SHORT[self.bytes[self.escapers + 1]]]
        control = np.flatnonzero(body < 32)
        if len(control) > len(self.ends):
            control = control[self.bytes[control] != 10]
            ends_line = (self.bytes[control] == 13) & (self.bytes[control + 1] == 10)
            wrong = np.concatenate((wrong, control[~ends_line]))
        odd = np.zeros(len(self.ends), bool)
        odd[np.searchsorted(self.ends, wrong)] = True
        return odd

    @cached_property
    def spelling(self) -> Spelling:
        """How the block's first line is spelled; lines that are spelled otherwise are not plain."""
        return SPACED if self.text.startswith((SPACED.opening, SPACED.naming)) else TIGHT

    def _holds(self, at: Positions, word: bytes) -> Flags:
        """Whether ``word`` stands at each position."""
        same = np.ones(len(at), bool)
        for begin in range(0, len(word), 8):
            part = word[begin : begin + 8]
            mask = np.uint64((1 << 8 * len(part)) - 1)
            same &= (self._words[at + begin] & mask) == np.uint64(int.from_bytes(part, "little"))
        return same

    def find(self) -> Found:
        """The plain lines and their messages."""
        upto = np.searchsorted(self._quotes, self.ends)
        quotes = np.diff(upto, prepend=0)
        # Two quotes for "messages", eight for each message, four for an id.
        named = quotes % 8 == 6
        lines = np.flatnonzero(~self._odd & (named & (quotes >= 14) | (quotes % 8 == 2) & (quotes >= 10)))
        lines = lines[self._begins(lines, (upto - quotes)[lines], named[lines])]
        if not len(lines):
            return Found(lines, [], lines, Messages(lines, lines, lines))
        skip = 2 + 4 * named[lines]
        count = (quotes[lines] - skip) // 8
        line_of = np.repeat(np.arange(len(lines)), count)
        begin = np.cumsum(count) - count
        quote = np.repeat((upto - quotes)[lines] + skip - 8 * begin, count) + 8 * np.arange(len(line_of))
        role, fine = self._read_messages(quote)
        last = np.zeros(len(quote), bool)
        last[begin + count - 1] = True
        fine &= self._ends_well(quote, last, self.ends[lines][line_of])
        messages = Messages(role, self._quotes[quote + 6] + 1, self._quotes[quote + 7])
        says = self._says_something(messages.start, messages.end)
        answers = last & (role == ASSISTANT)
        good = np.zeros(len(lines), bool)
        good[line_of[(role == USER) & says]] = True
        good[line_of[~fine | answers & ~says]] = False
        kept, keep = lines[good], good[line_of]
        ids = self._read_ids((upto - quotes)[kept], named[kept])
        return Found(kept, ids, count[good], Messages(*(part[keep] for part in messages)))

    def _begins(self, lines: Positions, quote: Positions, named: Flags) -> Flags:
        """Whether each line begins as it should, up to the first message's first key."""
        how = self.spelling
        start = np.where(lines > 0, self.ends[lines - 1] + 1, 0)
        fine: Flags = self._quotes[quote] == start + 1
        fine &= np.where(named, self._holds(start, how.naming), self._holds(start, how.opening))
        after = self._quotes[np.where(named, quote + 3, quote)]
        fine &= ~named | self._holds(after, how.after_id)
        opened = np.where(named, after + len(how.after_id) - 1, start + len(how.opening) - 1)
        fine &= self._quotes[np.where(named, quote + 6, quote + 2)] == opened
        return fine

    def _read_messages(self, quote: Positions) -> tuple[npt.NDArray[np.int64], Flags]:
        """Role of each message whose first quote is number ``quote``, and whether it is spelled as it should be."""
        how = self.spelling
        opened, role_at, role_end = self._quotes[quote], self._quotes[quote + 2] + 1, self._quotes[quote + 3]
        fine = self._holds(opened, how.before_role) & (role_at == opened + len(how.before_role))
        fine &= self._holds(role_end, how.before_text) & (
            self._quotes[quote + 6] == role_end + len(how.before_text) - 1
        )
        role = np.full(len(quote), -1)
        for code, name in enumerate(ROLES):
            role[(role_end - role_at == len(name)) & self._holds(role_at, name.encode())] = code
        return role, fine & (role >= 0)

    def _ends_well(self, quote: Positions, last: Flags, line_end: Positions) -> Flags:
        """Whether each message is followed by the next one, or by its line's end."""
        how = self.spelling
        closed = self._quotes[quote + 7]
        line_end = line_end - (self.bytes[line_end - 1] == 13)
        ends: Flags = last & self._holds(closed, how.closing) & (closed + len(how.closing) == line_end)
        following = self._quotes[np.minimum(quote + 8, len(self._quotes) - 1)]
        ends |= ~last & self._holds(closed, how.between) & (closed + len(how.between) - 1 == following)
        return ends

    def _says_something(self, start: Positions, end: Positions) -> Flags:
        """Whether each text holds more than white space."""
        first = self.bytes[start]
        pair = (first.astype(np.int64) << 8) | self.bytes[start + 1]
        says: Flags = (end > start) & (first > 32) & (first != 92) & ~np.isin(pair, MAYBE_BLANK)
        for index in np.flatnonzero(~says & (end > start)).tolist():
            says[index] = bool(json.loads(self.text[start[index] - 1 : end[index] + 1]).strip())
        return says

    def _read_ids(self, quote: Positions, named: Flags) -> list[str | None]:
        """The id of each line, as the reader would take it; None where the line has none."""
        if not named.any():
            return [None] * len(quote)
        starts, ends = self._quotes[quote + 2].tolist(), (self._quotes[quote + 3] + 1).tolist()
        return [
            json.loads(self.text[start:end]).strip() or None if has else None
            for start, end, has in zip(starts, ends, named.tolist(), strict=True)
        ]


def _escapers(body: npt.NDArray[np.uint8]) -> Positions:
    """Backslashes that escape what follows them: the first, third, … of a row of backslashes."""
    found: Positions = np.flatnonzero(body == 92)
    if not len(found):
        return found
    index = np.arange(len(found))
    begins = np.ones(len(found), bool)
    begins[1:] = np.diff(found) != 1
    odd = (index - np.maximum.accumulate(np.where(begins, index, 0))) % 2 == 0
    escapers: Positions = found[odd]
    return escapers

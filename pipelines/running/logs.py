"""Reading the logs of steps: the end of one, some lines of one, and everything that holds a word; never a whole file in memory.

A line is ``2026-11-26T23:18:13.204Z  text``; logs of earlier versions carry only the time of day. What programs write to
move a cursor or to change colours is taken out, so that words are found as they are read.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import NamedTuple

BLOCK = 1 << 20
"""Bytes read at once; a block is completed to the end of its last line, by at most as much again."""
TAIL_BYTES = 200_000
LINE_CHARS = 4_000
"""Longer lines are shown cut."""
MOST_HITS = 100_000
"""Hits up to which they are counted."""

LEVELS = ("debug", "info", "warning", "error")
_WORDS = ("DEBUG|TRACE", "INFO|NOTICE", "WARN|WARNING", r"ERROR|CRITICAL|FATAL|Traceback \(most")
_LEVEL = re.compile(rf"\b(?:{'|'.join(f'({words})' for words in _WORDS)})\b")
_AT_LEAST = {level: re.compile(rf"\b(?:{'|'.join(_WORDS[i:])})\b") for i, level in enumerate(LEVELS)}
_LEVEL_WITHIN = 160
"""Characters from a line's beginning within which its level stands."""
_ANSI = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[PX^_][^\x1b\n]*(?:\x1b\\)?|[ -/]*[0-~])?"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_STAMP = re.compile(r"(?:(\d{4}-\d\d-\d\d)[T ])?(\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?Z?  ")


@dataclass(frozen=True)
class Line:
    """One line: its number from 1, when it was written, what it says without its stamp, and its level (empty: none)."""

    number: int
    at: datetime | None
    text: str
    level: str
    parts: tuple[tuple[str, bool], ...] = ()
    """The text in pieces; True marks what was searched for."""


@dataclass(frozen=True)
class Wanted:
    """What is searched for: words as they stand, in any case; and the lowest level. Both empty: everything."""

    query: str = ""
    level: str = ""

    @property
    def is_set(self) -> bool:
        """Whether anything is searched for."""
        return bool(self.query or self.level)

    def matches(self, text: str) -> bool:
        """Whether a cleaned line, with its stamp, is wanted."""
        if self.query and self.query.lower() not in text.lower():
            return False
        return not self.level or rank(level_of(text)) >= rank(self.level)


@dataclass(frozen=True)
class Hit:
    """A line that was found, with its neighbours. ``source``: whose log, as numbered by the caller."""

    line: Line
    before: tuple[Line, ...] = ()
    after: tuple[Line, ...] = ()
    source: int = 0


class Found(NamedTuple):
    """A page of hits, how many there are in all, and whether counting was given up at :data:`MOST_HITS`."""

    hits: list[Hit]
    total: int
    more: bool


class Place(NamedTuple):
    """Where a line stands among the hits: as which of them (0: it is none), and the hits before and after it."""

    rank: int
    total: int
    previous: int | None
    next: int | None


def rank(level: str) -> int:
    """Levels in their order; a line without one stands below all."""
    return LEVELS.index(level) if level in LEVELS else -1


def level_of(text: str) -> str:
    """The level a line names near its beginning, or empty."""
    match = _LEVEL.search(text, 0, _LEVEL_WITHIN)
    return LEVELS[(match.lastindex or 1) - 1] if match else ""


def clean(text: str) -> str:
    """Text without terminal codes and without characters that draw nothing or turn the direction of reading."""
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    if "\r" in text:
        # A progress bar draws over itself: the last state of each line counts.
        text = "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n"))
    return _CONTROL.sub("", text)


def read_line(number: int, text: str, *, since: datetime | None = None, query: str = "") -> Line:
    """A cleaned line taken apart. ``since``: when the log began, for stamps without a date."""
    at, rest = _take_stamp(text, since)
    rest = rest if len(rest) <= LINE_CHARS else rest[:LINE_CHARS] + "…"
    return Line(number, at, rest, level_of(text), tuple(mark(rest, query)))


def mark(text: str, query: str) -> Iterator[tuple[str, bool]]:
    """The text in pieces, those that are the query (in any case) marked."""
    if not query:
        yield text, False
        return
    end = 0
    for match in re.finditer(re.escape(query), text, re.IGNORECASE):
        if match.start() > end:
            yield text[end : match.start()], False
        yield match.group(), True
        end = match.end()
    if end < len(text):
        yield text[end:], False


def _take_stamp(text: str, since: datetime | None) -> tuple[datetime | None, str]:
    match = _STAMP.match(text)
    if match is None:
        return None, text
    day, time, fraction = match.groups()
    rest = text[match.end() :]
    try:
        base = datetime.fromisoformat(f"{day or f'{since or datetime.now(UTC):%Y-%m-%d}'}T{time}").replace(tzinfo=UTC)
    except ValueError:
        return None, text
    at = base + timedelta(microseconds=int((fraction or "0").ljust(6, "0")))
    if not day and since is not None and at < since - timedelta(minutes=1):
        at += timedelta(days=1)
    return at, rest


def _blocks(path: Path) -> Iterator[tuple[int, str]]:
    """``(number of the first line, cleaned text)`` in blocks of whole lines; a line longer than a block is broken."""
    number = 1
    try:
        source = path.open("rb")
    except FileNotFoundError:
        return
    with source:
        while block := source.read(BLOCK):
            if not block.endswith(b"\n"):
                block += source.readline(BLOCK)
            yield number, clean(block.decode("utf-8", "replace"))
            number += block.count(b"\n")


def _split(text: str) -> list[str]:
    lines = text.split("\n")
    return lines[:-1] if lines and not lines[-1] else lines


def find(path: Path, wanted: Wanted) -> Iterator[tuple[int, str]]:
    """Number and cleaned text of every line that is wanted."""
    for first, text in _blocks(path):
        if not wanted.is_set:
            yield from zip(count(first), _split(text), strict=False)
            continue
        number, counted, done = first, 0, -1
        for at in _places(text, wanted):
            if at < done:
                continue
            start, done = text.rfind("\n", 0, at) + 1, text.find("\n", at)
            done = len(text) if done < 0 else done
            number += text.count("\n", counted, start)
            counted = start
            line = text[start:done]
            if wanted.matches(line):
                yield number, line


def _places(text: str, wanted: Wanted) -> Iterator[int]:
    """Where in a block a wanted line may be: only these lines are cut out and looked at."""
    needle = wanted.query.lower()
    if not needle:
        yield from (match.start() for match in _AT_LEAST[wanted.level].finditer(text))
        return
    low = text.lower()
    if len(low) != len(text):
        # A few letters grow when they are made small, and places no longer fit: every line is looked at.
        yield from (match.start() for match in re.finditer(r"^.", text, re.MULTILINE))
        return
    at = low.find(needle)
    while at >= 0:
        yield at
        at = low.find(needle, at + 1)


class Source(NamedTuple):
    """A log to search: its file, and when it began (for stamps without a date)."""

    path: Path
    since: datetime | None = None


def search(sources: Sequence[Source], wanted: Wanted, *, first: int = 0, size: int = 50, context: int = 0) -> Found:
    """The hits of several logs in the order of time: ``size`` of them from the ``first`` on, and how many there are.

    ``context``: how many lines before and after each hit come with it.
    """
    far = datetime.min.replace(tzinfo=UTC)

    def dated(at: int) -> Iterator[tuple[datetime, int, int, str]]:
        now = far
        for number, text in find(sources[at].path, wanted):
            # A line without a stamp was written with the one before it.
            now = _take_stamp(text, sources[at].since)[0] or now
            yield now, at, number, text

    page: list[Hit] = []
    total = 0
    for _, at, number, text in heapq.merge(*map(dated, range(len(sources))), key=lambda item: item[0]):
        if first <= total < first + size:
            page.append(Hit(read_line(number, text, since=sources[at].since, query=wanted.query), source=at))
        total += 1
        if total >= MOST_HITS:
            break
    if context:
        page = _with_neighbours(sources, page, context)
    return Found(page, total, more=total >= MOST_HITS)


def _with_neighbours(sources: Sequence[Source], page: list[Hit], context: int) -> list[Hit]:
    near: dict[tuple[int, int], Line] = {}
    for at, (path, since) in enumerate(sources):
        wanted = {
            n for h in page if h.source == at for n in range(h.line.number - context, h.line.number + context + 1)
        }
        near |= {(at, n): read_line(n, text, since=since) for n, text in _pick(path, wanted)}
    taken = {(h.source, h.line.number) for h in page}

    def some(hit: Hit, numbers: Iterable[int]) -> tuple[Line, ...]:
        # A neighbour that is a hit itself is shown as one.
        keys = [(hit.source, n) for n in numbers]
        return tuple(near[k] for k in keys if k in near and k not in taken)

    return [
        replace(
            hit,
            before=some(hit, range(hit.line.number - context, hit.line.number)),
            after=some(hit, range(hit.line.number + 1, hit.line.number + context + 1)),
        )
        for hit in page
    ]


def _pick(path: Path, numbers: set[int]) -> Iterator[tuple[int, str]]:
    """The lines with these numbers."""
    if not numbers:
        return
    last = max(numbers)
    for first, text in _blocks(path):
        if first > last:
            return
        if not numbers.isdisjoint(range(first, first + text.count("\n") + 1)):
            yield from ((n, line) for n, line in zip(count(first), _split(text), strict=False) if n in numbers)


def place(path: Path, wanted: Wanted, number: int) -> Place:
    """Where the line with this number stands among the hits of its log."""
    standing = total = 0
    previous = following = None
    for at, _ in find(path, wanted):
        total += 1
        if at < number:
            previous = at
        elif at == number:
            standing = total
        elif following is None:
            following = at
        if total >= MOST_HITS:
            break
    return Place(standing, total, previous, following)


def window(path: Path, *, first: int, size: int, since: datetime | None = None, query: str = "") -> list[Line]:
    """``size`` lines from the ``first`` on; fewer at the end."""
    picked = _pick(path, set(range(max(first, 1), first + size)))
    return [read_line(n, text, since=since, query=query) for n, text in picked]


class Tail(NamedTuple):
    """The last lines of a log and the byte at which the next one begins."""

    lines: list[Line]
    end: int


@dataclass
class _Counted:
    """How many newlines lie before a byte of a file, so that a growing log is not counted from its beginning each time."""

    at: int = 0
    lines: int = 0


@dataclass
class LineCounter:
    """Newlines before a byte, remembered for the logs looked at last by this process."""

    room: int = 256
    known: dict[Path, _Counted] = field(default_factory=dict)

    def lines_before(self, path: Path, byte: int) -> int:
        """How many lines end before this byte."""
        mine = self.known.pop(path, None)
        if mine is None or mine.at > byte:
            mine = _Counted()
        with path.open("rb") as source:
            source.seek(mine.at)
            while mine.at < byte and (block := source.read(min(BLOCK, byte - mine.at))):
                mine.at += len(block)
                mine.lines += block.count(b"\n")
        self.known[path] = _Counted(mine.at, mine.lines)
        while len(self.known) > self.room:
            self.known.pop(next(iter(self.known)), None)
        return mine.lines


_counter = LineCounter()


def tail(
    path: Path, *, after: int | None = None, size: int = 400, since: datetime | None = None, growing: bool = False
) -> Tail:
    """The last lines, out of at most :data:`TAIL_BYTES`; with ``after`` (a byte) those that were written since.

    ``growing``: a last line that has no end yet is left for the next time.
    """
    try:
        length = path.stat().st_size
    except FileNotFoundError:
        return Tail([], 0)
    start = max(0, length - TAIL_BYTES)
    if after is not None and start <= after <= length:
        start = after
    with path.open("rb") as source:
        source.seek(start)
        block = source.read(length - start)
    if start and start != after:
        # Begun in the middle of a line: from the next one on.
        cut = block.find(b"\n") + 1
        start, block = start + cut, block[cut:]
    if growing and len(block) < TAIL_BYTES:
        block = block[: block.rfind(b"\n") + 1]
    if not block:
        return Tail([], start)
    number = _counter.lines_before(path, start) + 1
    numbered = list(zip(count(number), _split(clean(block.decode("utf-8", "replace"))), strict=False))[-size:]
    return Tail([read_line(n, t, since=since) for n, t in numbered], start + len(block))


def levels_in(path: Path) -> set[str]:
    """The levels named by the lines at the beginning and at the end of a log."""
    found: set[str] = set()
    try:
        with path.open("rb") as source:
            pieces = [source.read(BLOCK)]
            if source.seek(0, 2) > BLOCK:
                source.seek(-BLOCK, 2)
                pieces.append(source.read(BLOCK))
    except FileNotFoundError:
        return found
    for piece in pieces:
        for line in clean(piece.decode("utf-8", "replace")).split("\n"):
            if level := level_of(line):
                found.add(level)
    return found

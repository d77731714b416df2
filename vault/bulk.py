"""Importing a file of chat lines by blocks: as fast as the disk and two processors go, and the same rows to the byte.

Threads turn blocks of about 2 MB into columns (``vault.chat_columns``; numpy and Arrow let the interpreter go meanwhile);
lines that are not plain go to the reader, with their line numbers; the calling thread puts both in order, makes ids unique
(``vault.unique``), counts, and writes. Pure.
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from vault.chat_columns import convert
from vault.chat_lines import Positions
from vault.readers.base import Reader, RowError
from vault.readers.openai_chat import OpenAIChat
from vault.readers.records import form_of
from vault.readers.text import HEAD, LINE_LIMIT, detect_encoding, is_utf8, read_head
from vault.rows import Row, RowWriter, table_of
from vault.scan import Tally, placed
from vault.unique import Admission

BLOCK = 2 << 20
THREADS = 2
AHEAD = 6
"""Blocks that are worked on or wait to be written: what bounds the memory."""
BEAT_SECONDS = 1.0
FIRST = b'{"messages": []' + b" " * HEAD + b"}\n"
"""Before lines that are handed to the reader: all that it sees when it asks what kind of file this is."""
COMPARED = 50
"""Plain lines of the first block that the reader reads too, to be sure that both agree."""


class Block(NamedTuple):
    """Whole lines of a file, the first of them number ``number``; the last one always has a line end."""

    number: int
    data: bytes


class Part(NamedTuple):
    """What one block became: ``table`` has a row for each line of the file in ``lines``, in order."""

    lines: Positions
    table: pa.Table
    refused: list[RowError]


class Unsuitable(Exception):
    """The file has to be read line by line after all."""


def suits(source: Path, reader: Reader, params: Any) -> bool:
    """Whether a file can be read in blocks: chat lines in UTF-8 that end in line feeds."""
    if type(reader) is not OpenAIChat or params.turns == "all" or not source.is_file():
        return False
    if detect_encoding(source, wanted=params.encoding).name not in ("utf-8", "utf-8-sig"):
        return False
    head = read_head(source)
    return form_of(source) == "jsonl" and (b"\n" in head or b"\r" not in head)


def blocks(source: Path, *, size: int = BLOCK) -> Iterator[Block]:
    """A file's lines, about ``size`` bytes at a time. Raises :class:`Unsuitable` for a line that is too long to be read."""
    number, rest = 1, b""
    with source.open("rb") as file:
        if file.read(3) != b"\xef\xbb\xbf":
            file.seek(0)
        while data := file.read(size):
            whole, found, tail = data.rpartition(b"\n")
            if not found:
                rest += data
                if len(rest) > LINE_LIMIT:
                    raise Unsuitable
                continue
            block = Block(number, b"".join((rest, whole, found)))
            yield block
            number += count_lines(block.data)
            rest = tail
        if rest:
            yield Block(number, rest + b"\n")


def count_lines(data: bytes) -> int:
    """How many line ends there are (much faster than ``bytes.count``)."""
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == 10))


def write(
    source: Path,
    folder: Path,
    reader: Reader,
    params: Any,
    tally: Tally,
    *,
    file_name: str,
    beat: Callable[[], None],
    on_problem: Callable[[RowError], None] | None = None,
) -> None:
    """Write the rows of a file that :func:`suits`. Raises :class:`Unsuitable` before anything was counted or told."""
    work = _Work(reader, params, file_name)
    source_blocks = blocks(source)
    first = next(source_blocks, None)
    if first is None or not work.agrees(first):
        raise Unsuitable
    admission = Admission(tally, repeated=params.repeated, on_problem=on_problem)
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="import")
    try:
        with RowWriter(folder) as writer:
            waiting: deque[Future[Part]] = deque([pool.submit(work.part, first)])
            while waiting:
                while len(waiting) < AHEAD and (block := next(source_blocks, None)):
                    waiting.append(pool.submit(work.part, block))
                part = _result(waiting.popleft(), beat)
                writer.add(admission.admit(part.lines, part.table, part.refused))
                beat()
    finally:
        pool.shutdown(cancel_futures=True)


def _result(future: Future[Part], beat: Callable[[], None]) -> Part:
    while True:
        try:
            return future.result(BEAT_SECONDS)
        except NotYet:
            beat()


class _Work:
    """One file's reading: safe to call from several threads."""

    def __init__(self, reader: Reader, params: Any, file_name: str) -> None:
        self.reader, self.file_name = reader, file_name
        self.params = params
        self.line_params = params.model_copy(update={"encoding": "utf-8"})

    def part(self, block: Block) -> Part:
        """A block as rows and refused lines."""
        if not is_utf8(block.data):
            return self._read(block, np.arange(count_lines(block.data)))
        lines, table = convert(block.data, params=self.params, file_name=self.file_name, number=block.number)
        total = count_lines(block.data)
        if len(lines) == total:
            return Part(lines + block.number, table, [])
        others = self._read(block, np.setdiff1d(np.arange(total), lines, assume_unique=True))
        numbers = np.concatenate((lines + block.number, others.lines))
        order = np.argsort(numbers, kind="stable")
        return Part(numbers[order], pa.concat_tables([table, others.table]).take(pa.array(order)), others.refused)

    def _read(self, block: Block, lines: Positions) -> Part:
        """These lines of a block as the reader reads them."""
        every = block.data.split(b"\n")
        rows: list[Row] = []
        refused: list[RowError] = []
        with tempfile.NamedTemporaryFile(suffix=".jsonl") as aside:
            aside.write(FIRST + b"".join(every[line] + b"\n" for line in lines.tolist()))
            aside.flush()
            for item in self.reader.rows(Path(aside.name), self.line_params):
                at = item.line if isinstance(item, RowError) else int(item.meta["source"]["line"])
                if at == 1:
                    continue
                number = int(lines[at - 2]) + block.number
                if isinstance(item, RowError):
                    refused.append(replace(item, line=number))
                else:
                    rows.append(placed(item, file_name=self.file_name, line=number))
        numbers = np.array([row.meta["source"]["line"] for row in rows], np.int64)
        return Part(numbers, table_of(rows), refused)

    def agrees(self, block: Block) -> bool:
        """Whether the reader makes the same rows of the block's first plain lines."""
        sample = Block(
            block.number, b"".join(line + b"\n" for line in block.data.split(b"\n", COMPARED)[:COMPARED] if line)
        )
        if not is_utf8(sample.data):
            return True
        lines, table = convert(sample.data, params=self.params, file_name=self.file_name, number=sample.number)
        return bool(table.equals(self._read(sample, lines).table))

"""Plain chat lines as a dataset's columns: texts are cut out of the block and joined to constants, one copy a column."""

from __future__ import annotations

from hashlib import sha256
from json.encoder import encode_basestring
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vault.chat_lines import ASSISTANT, ROLES, SYSTEM, Block, Flags, Messages, Positions
from vault.readers.openai_chat import OpenAIChat
from vault.rows import COLUMNS

MEANS = np.arange(256, dtype=np.uint8)
MEANS[list(b"bfnrt")] = list(b"\b\f\n\r\t")
"""What a character after a backslash stands for."""

HEX = np.array([f"{byte:02x}" for byte in range(256)], "S2")


class Plain(NamedTuple):
    """The plain lines of a block, numbered from 0, and their rows: all columns but ``_rid``."""

    lines: Positions
    table: pa.Table


def convert(data: bytes, *, params: OpenAIChat.Params, file_name: str, number: int) -> Plain:
    """The plain lines of ``data`` as rows: whole lines of valid UTF-8, the first of them line ``number`` of the file."""
    block = Block(data)
    found = block.find()
    if not len(found.lines):
        return Plain(found.lines, pa.table([pa.array([], pa.string())] * len(COLUMNS[1:]), names=COLUMNS[1:]))
    work = _Columns(block, found.messages, found.counts, system=params.system_prompt, answer=params.answer)
    empty = pa.nulls(len(found.lines), pa.string())
    answers = work.answers()
    columns: dict[str, Any] = {
        "id": work.ids(found.ids),
        "prompt": work.prompts(),
        "completion": answers if params.answer == "completion" else empty,
        "reference": answers if params.answer == "reference" else empty,
        "soft": empty,
        "tags": pa.repeat(pa.scalar("[]"), len(found.lines)),
        "meta": _sources(found.lines + number, file_name),
        "_search": work.search_texts(),
    }
    return Plain(found.lines, pa.table(columns))


def _sources(lines: Positions, file_name: str) -> pa.Array:
    """``{"source": {"file": …, "line": …}}`` of each row."""
    file = f'"file":{encode_basestring(file_name)},' if file_name else ""
    return pc.binary_join_element_wise(
        '{"source":{' + file + '"line":', pc.cast(pa.array(lines), pa.string()), "}}", ""
    )


class _Pieces:
    """Texts cut out of a buffer, and constants, that can be joined in any order."""

    def __init__(self, buffer: bytes, start: Positions, end: Positions, constants: list[str]) -> None:
        tails = [constant.encode() for constant in constants]
        cuts = np.empty(2 * len(start) + 2, np.int64)
        cuts[0], cuts[-1], cuts[1:-1:2], cuts[2:-1:2] = 0, len(buffer), start, end
        after = len(buffer) + np.cumsum([len(tail) for tail in tails])
        offsets = np.concatenate((cuts, after)).astype(np.int32)
        whole = pa.py_buffer(b"".join((buffer, *tails)))
        self._parts = pa.BinaryArray.from_buffers(pa.binary(), len(offsets) - 1, [None, pa.py_buffer(offsets), whole])
        self._constants = 2 * len(start) + 1

    def text(self, index: Positions) -> Positions:
        """The pieces with these texts."""
        return 2 * index + 1

    def constant(self, index: npt.ArrayLike) -> Positions:
        """The pieces with these constants."""
        return np.asarray(index) + self._constants

    def join(self, order: Positions, begins: Positions, valid: Flags | None = None) -> pa.Array:
        """The pieces in this order as strings, each beginning with the piece at its number in ``begins``."""
        taken = self._parts.take(pa.array(order.astype(np.int32)))
        offsets = np.frombuffer(taken.buffers()[1], np.int32, len(order) + 1)
        bounds = pa.py_buffer(np.ascontiguousarray(offsets[np.append(begins, len(order))]))
        mask = None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))
        return pa.StringArray.from_buffers(len(begins), bounds, taken.buffers()[2], mask)


class _Columns:
    """The columns of a block's plain lines."""

    def __init__(self, block: Block, messages: Messages, count: Positions, *, system: str, answer: str) -> None:
        self.block, self.messages, self.count = block, messages, count
        self.last = np.cumsum(count) - 1
        self.first = self.last - count + 1
        self.answered = messages.role[self.last] == ASSISTANT
        self.system = system if system.strip() else ""
        self.adds_system = (messages.role[self.first] != SYSTEM) if self.system else np.zeros(len(count), bool)
        self.shows_answer = answer != "ignore"
        self.asked = np.delete(np.arange(len(messages.role)), self.last[self.answered])
        self.asked_count = count - self.answered
        self.asked_last = np.cumsum(self.asked_count) - 1
        self.asked_first = self.asked_last - self.asked_count + 1

    def _lists(self, opening: str, opening_after: str, before: list[str], after: list[str], *, system: str) -> pa.Array:
        """The asked messages of each line as one JSON list. ``before`` and ``after``: around a text, for each role."""
        joints = [f"{a}{opening_after}{b}" for a in after for b in before]
        heads = [opening + b for b in before] + [f"{opening}{system}{opening_after}{b}" for b in before]
        closings = [a + "]" for a in after]
        pieces = _Pieces(self.block.text, self.messages.start, self.messages.end, [*joints, *heads, *closings])
        role = self.messages.role[self.asked]
        lead = np.empty(len(role), np.int64)
        lead[1:] = 3 * role[:-1] + role[1:]
        lead[self.asked_first] = 9 + role[self.asked_first] + 3 * self.adds_system
        begins = 2 * self.asked_first + np.arange(len(self.count))
        order = np.empty(2 * len(role) + len(self.count), np.int64)
        place = 2 * np.arange(len(role)) + np.repeat(np.arange(len(self.count)), self.asked_count)
        order[place] = pieces.constant(lead)
        order[place + 1] = pieces.text(self.asked)
        order[place[self.asked_last] + 2] = pieces.constant(15 + role[self.asked_last])
        return pieces.join(order, begins)

    def prompts(self) -> pa.Array:
        """The prompts as rows hold them."""
        before = [f'{{"role":"{role}","content":"' for role in ROLES]
        system = f'{{"role":"system","content":{encode_basestring(self.system)}}}'
        return self._lists("[", ",", before, ['"}'] * 3, system=system)

    def ids(self, own: list[str | None]) -> pa.Array:
        """The ids: a line's own, or ``vault.rows.prompt_id`` of its prompt."""
        after = [f'","role":"{role}"}}' for role in ROLES]
        system = f'{{"content":{encode_basestring(self.system)},"role":"system"}}'
        spelled = self._lists("[", ",", ['{"content":"'] * 3, after, system=system).cast(pa.binary()).to_pylist()
        hashed = np.frombuffer(b"".join([sha256(text).digest() for text in spelled]), np.uint8).reshape(-1, 32)
        letters = pa.py_buffer(HEX[hashed[:, :8]].tobytes())
        made = pa.StringArray.from_buffers(
            len(spelled), pa.py_buffer(np.arange(0, 16 * len(spelled) + 1, 16).astype(np.int32)), letters
        )
        return made if not any(own) else pc.coalesce(pa.array(own, pa.string()), made)

    def answers(self) -> pa.Array:
        """The last assistant messages; null where there is none."""
        chosen = self.last[self.answered]
        constants = ['{"role":"assistant","content":"', '"}']
        pieces = _Pieces(self.block.text, self.messages.start, self.messages.end, constants)
        order = np.empty((len(chosen), 3), np.int64)
        order[:, 0], order[:, 1], order[:, 2] = pieces.constant(0), pieces.text(chosen), pieces.constant(1)
        begins = 3 * (np.cumsum(self.answered) - self.answered)
        return pieces.join(order.ravel(), begins, self.answered)

    def search_texts(self) -> pa.Array:
        """What :func:`vault.rows.search_text` makes of each row."""
        text, start, end = self._decoded()
        shown = self.messages.end > self.messages.start
        if not self.shows_answer:
            shown[self.last[self.answered]] = False
        index = np.flatnonzero(shown)
        line_of = np.repeat(np.arange(len(self.count)), self.count)[index]
        leads = np.ones(len(index), bool)
        leads[1:] = np.diff(line_of) != 0
        pieces = _Pieces(text, start, end, ["", "\n", self.system + "\n"])
        order = np.empty((len(index), 2), np.int64)
        order[:, 0] = pieces.constant(np.where(leads, 2 * self.adds_system[line_of], 1))
        order[:, 1] = pieces.text(index)
        return _lower(pieces.join(order.ravel(), 2 * np.flatnonzero(leads)))

    def _decoded(self) -> tuple[bytes, Positions, Positions]:
        """The block without escapes, and where the texts stand in it."""
        escapers = self.block.escapers
        if not len(escapers):
            return self.block.text, self.messages.start, self.messages.end
        text = self.block.bytes[: len(self.block.text)].copy()
        text[escapers + 1] = MEANS[text[escapers + 1]]
        keep = np.ones(len(text), bool)
        keep[escapers] = False
        start, end = (at - np.searchsorted(escapers, at) for at in (self.messages.start, self.messages.end))
        return text[keep].tobytes(), start, end


def _lower(texts: pa.Array) -> pa.Array:
    """The texts in lower case as Python has it; Arrow's differs in a few letters."""
    wide = pc.not_equal(pc.binary_length(texts), pc.utf8_length(texts))
    lowered = pc.ascii_lower(texts)
    if not pc.any(wide).as_py():
        return lowered
    own = pa.array([text.lower() for text in texts.filter(wide).to_pylist()], pa.string())
    return pc.replace_with_mask(lowered, wide, own)

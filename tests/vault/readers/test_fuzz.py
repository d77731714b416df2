"""Malformed files of every format: each ends in rows, in problems with their place, or in one error of the file."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.lib.errors import StudioError
from studio.registries import READERS
from vault.archives import Limits, expand
from vault.readers import recognise
from vault.readers.base import ReaderError, RowError
from vault.rows import search_text, to_json

DATA = Path(__file__).parents[2] / "data"
SEEDS = sorted(path for path in DATA.iterdir() if path.is_file() and path.suffix != ".py")
SPLICES = [
    b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b"{", b"}", b"[", b"]", b",", b"\n", b"\r", b"\\", b"\\ud800", b"\\u0000", b"null",
    b"NaN", b"1e999", b"9" * 400, b'{"role": "user"}', b'"weight": 7,', b'"messages": {},', b"[" * 3000, "‮🙏".encode(), b"PAR1",
    b"PK\x03\x04", b"\x1f\x8b", b"\xff\xff\xff\x7f", b"\x80" * 8,
]  # fmt: skip
LIMITS = Limits(total_bytes=64 << 20, free_bytes=32 << 20)


def check(path: Path, out: Path, *, reader: str = "") -> str:
    """Take one file all the way, as an import does; returns how it ended."""
    shutil.rmtree(out, ignore_errors=True)
    try:
        total = 0
        for file in expand(path, out, limits=LIMITS):
            key = reader or recognise(file, READERS.items())
            made = READERS[key]()
            params = made.Params(**made.suggest(file))
            made.columns(file, params)
            made.problems(file, params)
            for item in made.rows(file, params):
                if isinstance(item, RowError):
                    assert item.line > 0 and item.reason
                    f"{item.column}{item.excerpt}{item.reason}".encode()
                else:
                    json.dumps(to_json(item), ensure_ascii=False, allow_nan=False).encode()
                    search_text(item).encode()
                    assert "\0" not in item.id and item.prompt and item.meta["source"]["line"] > 0
                    total += 1
    except ReaderError as error:
        assert str(error) and error.action and len(str(error)) < 2_000
        return "refused"
    return "rows" if total else "empty"


def spoil(content: bytes, edits: list[tuple[int, int, int]]) -> bytes:
    """The bytes with each ``(kind, place, value)`` done: overwrite, insert, delete, repeat, cut off."""
    data = bytearray(content)
    for kind, place, value in edits:
        at = place % (len(data) + 1)
        if kind == 0 and at < len(data):
            data[at] = value % 256
        elif kind == 1:
            data[at:at] = SPLICES[value % len(SPLICES)]
        elif kind == 2:
            del data[at : at + value % 64]
        elif kind == 3:
            data[at:at] = data[max(0, at - value % 512) : at]
        elif kind == 4 and value % 8 == 0:
            del data[at:]
    return bytes(data)


EDITS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6_000), st.integers(0, 2_000)), min_size=1, max_size=8)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.sampled_from(SEEDS), edits=EDITS)
def test_a_spoilt_sample_ends_in_rows_problems_or_words(
    tmp_path: Path, seed: Path, edits: list[tuple[int, int, int]]
) -> None:
    path = tmp_path / f"x{seed.suffix}"
    path.write_bytes(spoil(seed.read_bytes(), edits))
    check(path, tmp_path / "out")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    reader=st.sampled_from(list(READERS)),
    lines=st.lists(
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=6) | st.sampled_from(["user", "assistant", "[{", "tool"]),
            lambda inner: st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["messages", "role", "content", "weight", "tool_calls", "tools", "prompt", "completion", "chosen", "rejected",
                     "input", "output", "preferred_output", "choices", "message", "conversations", "from", "value", "instruction",
                     "history", "sample", "datasource_item", "results", "response", "function", "arguments", "name", "id", "soft"]
                ),
                inner,
                max_size=5,
            ),
            max_leaves=12,
        ),
        min_size=1,
        max_size=4,
    ),
)  # fmt: skip
def test_any_json_given_to_any_reader_ends_in_rows_problems_or_words(
    tmp_path: Path, reader: str, lines: list[object]
) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    check(path, tmp_path / "out", reader=reader)


def run_many(count: int, folder: Path, *, seed: int) -> dict[str, int]:
    """Spoil samples ``count`` times, repeatably, and count how they ended."""
    chance = random.Random(seed)
    ends: dict[str, int] = {}
    for number in range(count):
        sample = SEEDS[number % len(SEEDS)]
        edits = [
            (chance.randrange(5), chance.randrange(10_000), chance.randrange(2_000))
            for _ in range(chance.randint(1, 12))
        ]
        path = folder / f"x{sample.suffix}"
        path.write_bytes(spoil(sample.read_bytes(), edits))
        reader = chance.choice(list(READERS)) if chance.random() < 0.2 else ""
        try:
            end = check(path, folder / "out", reader=reader)
        except StudioError:
            raise
        except Exception as error:
            raise AssertionError(
                f"file {number} ({sample.name}, {reader or 'recognised'}, {edits}): {error!r}"
            ) from error
        ends[end] = ends.get(end, 0) + 1
    return ends


@pytest.mark.heavy
def test_ten_thousand_spoilt_files_are_survived(tmp_path: Path) -> None:
    ends = run_many(10_000, tmp_path, seed=7)
    assert sum(ends.values()) == 10_000 and min(ends.get(end, 0) for end in ("rows", "refused")) > 500

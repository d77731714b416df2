from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from studio.registries import READERS
from vault.readers import recognise
from vault.readers.base import ReaderError
from vault.readers.text import detect_encoding, lines, read_head, refuse_binary

from .conftest import Make


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_encodings_are_found_and_read(make: Make, encoding: str) -> None:
    path = make("text,answer\nCafé für 5 €,yes\n" * 5, encoding=encoding)
    found = detect_encoding(path)
    assert [line.text for line in lines(path, encoding=found.name)][:2] == ["text,answer\n", "Café für 5 €,yes\n"]


def test_windows_1252_is_read_and_reported(make: Make) -> None:
    path = make("Café für 5 €\n", encoding="cp1252")
    found = detect_encoding(path)
    assert found.name == "cp1252" and "Windows-1252" in found.notice
    assert next(lines(path, encoding=found.name)).text == "Café für 5 €\n"


def test_a_chosen_encoding_is_not_second_guessed(make: Make) -> None:
    path = make("Привет\n", encoding="cp1251")
    assert next(lines(path, encoding=detect_encoding(path, wanted="cp1251").name)).text == "Привет\n"


def test_one_bad_line_does_not_turn_a_utf8_file_into_another_encoding(make: Make) -> None:
    path = make("Café, crème brûlée\n".encode() * 3 + b"caf\xe9\n" + b"end\n")
    found = detect_encoding(path)
    assert found.name == "utf-8" and "1 bytes" in found.notice
    bad = [line for line in lines(path, encoding=found.name) if line.problem]
    assert [line.number for line in bad] == [4]
    assert "0xE9 at position 4" in bad[0].problem


def test_bytes_that_windows_1252_lacks_are_reported_on_their_line(make: Make) -> None:
    path = make(b"good \xe9\xe8\nbad \x81\xe9\n")
    found = detect_encoding(path)
    assert [line.problem[:9] for line in lines(path, encoding=found.name)] == ["", "Byte 0x81"]


def test_old_mac_line_ends_are_lines(make: Make) -> None:
    path = make(b"a\rb\rc")
    assert [line.text for line in lines(path, encoding="utf-8")] == ["a\n", "b\n", "c"]


def test_a_null_byte_is_reported_with_its_place(make: Make) -> None:
    found = list(lines(make("one\ntw\0o\nthree\n"), encoding="utf-8"))
    assert [bool(line.problem) for line in found] == [False, True, False]
    assert found[1].problem == "A null byte at position 3."


def test_a_line_without_end_is_skipped_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "huge.csv"
    with path.open("wb") as out:
        out.write(b"first\n")
        out.seek(2 << 30)  # A hole: 2 GB that take no room on the disk.
        out.write(b"\nlast\n")
    tracemalloc.start()
    found = list(lines(path, encoding="utf-8", limit=1 << 20))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [line.text for line in found if not line.problem] == ["first\n", "last\n"]
    assert found[1].problem == "The line is too long: 2,147,483,643 bytes, and the limit is 1,048,576."
    assert peak < 16 << 20


@pytest.mark.parametrize("size,refused", [(10, False), (11, True)])
def test_the_line_limit_is_exact(make: Make, size: int, refused: bool) -> None:
    path = make("x" * size + "\nend\n")
    assert [bool(line.problem) for line in lines(path, encoding="utf-8", limit=10)] == [refused, False]


@pytest.mark.parametrize(
    "content,what",
    [
        (b"PK\x03\x04\x14\x00", "ZIP"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\x89PNG\r\n\x1a\n\x00", "PNG"),
        (b"PAR1\x15\x04", "Parquet"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"GGUF\x03\x00", "GGUF"),
        (b"SQLite format 3\x00", "SQLite"),
        (b"<!DOCTYPE html><html>", "web page"),
        (bytes(range(32)) * 20, "control bytes"),
    ],
)
def test_a_file_that_lies_about_its_type_is_named(make: Make, content: bytes, what: str) -> None:
    with pytest.raises(ReaderError, match=what) as caught:
        recognise(make(content, "rows.csv"), READERS.items())
    assert "rows.csv" in str(caught.value) and caught.value.action


@pytest.mark.parametrize("content", [b"", b"\n\n  \n"])
def test_an_empty_file_is_refused(make: Make, content: bytes) -> None:
    with pytest.raises(ReaderError, match=r"rows\.csv is empty"):
        recognise(make(content), READERS.items())


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16", "utf-32"])
def test_wide_text_is_not_taken_for_a_binary_file(make: Make, encoding: str) -> None:
    path = make("text,answer\nhello,yes\n" * 20, encoding=encoding)
    refuse_binary(read_head(path), path.name)


def test_the_name_of_a_file_decides_nothing(make: Make) -> None:
    chat = '{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}]}\n'
    assert recognise(make(chat, "rows.csv"), READERS.items()) == "openai_chat"
    assert recognise(make("a,b\n1,2\n", "rows.jsonl"), READERS.items()) == "columns"
    assert recognise(make('{"prompt": "a", "completion": "b"}\n', "x.png"), READERS.items()) == "prompt_completion"

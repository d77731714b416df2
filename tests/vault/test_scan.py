from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.registries import READERS
from vault import scan
from vault.readers.base import ReaderError, RowError
from vault.readers.columns import Columns
from vault.rows import Row, read_rows, write_rows
from vault.scan import Tally, good_rows


def items(*ids: str) -> Iterator[Row | RowError]:
    for line, name in enumerate(ids, start=1):
        if name == "!":
            yield RowError(line, "", "Bad.")
        else:
            yield Row(id=name, prompt=[{"role": "user", "content": "q"}], meta={"source": {"line": line}})


def test_repeated_ids_are_numbered_and_counted() -> None:
    tally = Tally()
    rows = list(good_rows(items("a", "b", "a", "a-2", "a"), tally, repeated="keep", file_name="f.csv"))
    assert [row.id for row in rows] == ["a", "b", "a-2", "a-2-2", "a-3"]
    assert tally.repeated == 3 and tally.kept == 5 and tally.refused == 0
    assert rows[2].meta["source"] == {"file": "f.csv", "line": 3}


def test_repeated_ids_can_be_refused_naming_the_first_line() -> None:
    tally = Tally()
    heard: list[RowError] = []
    rows = list(good_rows(items("a", "!", "a"), tally, repeated="refuse", on_problem=heard.append))
    assert [row.id for row in rows] == ["a"]
    assert [(p.line, p.reason) for p in heard] == [(2, "Bad."), (3, "The id 'a' was already used on line 1.")]
    assert tally.refused == 2 and tally.problems == heard


def test_only_the_first_problems_are_held_in_memory() -> None:
    tally = Tally()
    assert list(good_rows(items(*["!"] * 1000), tally, repeated="keep")) == []
    assert tally.refused == 1000 and len(tally.problems) == scan.PROBLEMS


def test_a_preview_shows_rows_counts_and_notices(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes("text,label\ncafé,1\ncafé,2\n,3\n".encode("cp1252"))
    found = scan.preview(path, Columns(), Columns.Params(prompt="{text}", completion="label"))
    assert [row.user_text for row in found.rows] == ["café", "café"]
    assert found.complete and (found.tally.kept, found.tally.refused, found.tally.completions) == (2, 1, 2)
    assert "Windows-1252" in found.notices[0] and "1 row repeats" in found.notices[1]


def test_a_preview_of_a_long_file_stops_in_time_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "".join(f"row {n},x\n" for n in range(5000)))
    found = scan.preview(path, Columns(), Columns.Params(prompt="{text}"), seconds=0)
    assert not found.complete and len(found.rows) == scan.SAMPLE and found.tally.kept == 100


SEEDS = (
    b'text,label\nhello,x\n"a,b",y\n',
    b'{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}\n' * 2,
    b'{"prompt":"q","completion":"a","soft":[{"text":"a","probability":0.5}],"meta":{"a":1},"tags":["x"]}\n' * 2,
    "text;label\nÄ;ö\n".encode("cp1252"),
    "a\tb\nx\ty\n".encode("utf-16"),
    b'{"text":"a","label":1}\n{"text":null}\n',
    b"id,text\n1,a\n1,b\n",
)
PIECES = (
    *(b'"', b",", b"\n", b"\r", b"\0", b"\xff", b"{", b"}", b"[", b"]", b":", b"\\", b"\\ud800", b"\\u0000", b"null"),
    *(
        b"1e999",
        b"NaN",
        b'"messages"',
        b'"role"',
        b"{{",
        b"\xe2\x80\xae",
        b"=1+1",
        b"\xf0\x9f\x91\x8b",
        b"<b>",
        b"9" * 5000,
    ),
    *(b'"tool_calls":[{}]', b'"content":[{"type":"text","text":"x"}]', b'"content":null', b'"id":{"a":1}', b'"tags":5'),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.sampled_from(SEEDS),
    edits=st.lists(st.tuples(st.integers(0, 250), st.integers(0, 6), st.sampled_from(PIECES)), max_size=8),
)
def test_a_damaged_file_ends_in_rows_with_unique_ids_or_in_words(
    tmp_path: Path, seed: bytes, edits: list[tuple[int, int, bytes]]
) -> None:
    content = bytearray(seed)
    for place, cut, piece in edits:
        at = place % (len(content) + 1)
        content[at : at + cut] = piece
    path = tmp_path / "rows.csv"
    path.write_bytes(bytes(content))
    for _, reader_class in READERS.items():
        reader = reader_class()
        try:
            params = reader.Params(**reader.suggest(path))
            shown = scan.preview(path, reader, params, seconds=60)
            kept = write_rows(tmp_path / "out", good_rows(reader.rows(path, params), Tally(), repeated="keep"))
        except ReaderError as error:
            assert str(error) and error.action
            continue
        rows = list(read_rows(tmp_path / "out"))
        assert len({row.id for row in rows}) == len(rows) == kept == shown.tally.kept

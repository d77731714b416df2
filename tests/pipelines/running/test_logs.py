"""Reading logs: the whole of it is searched and never held, what programs write to terminals is taken out, nothing is lost."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.running import logs

SINCE = datetime(2026, 3, 1, 23, 59, 0, tzinfo=UTC)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "step.log"
    lines = [f"2026-03-01T10:00:{i % 60:02d}.000Z  line {i}" for i in range(1, 501)]
    lines[99] = "2026-03-01T10:01:40.000Z  WARNING: Überlauf of the buffer"
    lines[299] = "2026-03-01T10:05:00.000Z  ERROR: überlauf again"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def source(path: Path) -> list[logs.Source]:
    return [logs.Source(path, SINCE)]


def test_the_whole_log_is_searched_in_any_case_with_neighbours_and_marks(log: Path) -> None:
    found = logs.search(source(log), logs.Wanted("ÜBERLAUF"), context=2)
    assert found.total == 2 and not found.more
    first = found.hits[0]
    assert first.line.number == 100
    assert first.line.parts == (("WARNING: ", False), ("Überlauf", True), (" of the buffer", False))
    assert [line.number for line in first.before] == [98, 99]
    assert [line.number for line in first.after] == [101, 102]


def test_letters_that_grow_when_made_small_hide_no_line(tmp_path: Path) -> None:
    path = tmp_path / "turkish.log"
    path.write_text("İİİİİİİİ\nthe needle\nİ Needle\n", encoding="utf-8")
    assert [h.line.number for h in logs.search(source(path), logs.Wanted("NEEDLE")).hits] == [2, 3]


def test_a_line_with_many_hits_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "many.log"
    path.write_text("aaaa aaaa ERROR ERROR\nbbbb\naa ERROR")
    assert [h.line.number for h in logs.search(source(path), logs.Wanted("aa")).hits] == [1, 3]
    assert [h.line.number for h in logs.search(source(path), logs.Wanted(level="error")).hits] == [1, 3]


def test_a_level_finds_what_is_as_bad_or_worse(log: Path) -> None:
    assert [h.line.number for h in logs.search(source(log), logs.Wanted(level="warning")).hits] == [100, 300]
    assert [h.line.number for h in logs.search(source(log), logs.Wanted("überlauf", "error")).hits] == [300]
    assert logs.levels_in(log) == {"warning", "error"}


def test_pages_of_hits_do_not_lose_or_repeat_any(log: Path) -> None:
    wanted = logs.Wanted("line 1")
    seen = [
        h.line.number
        for start in range(0, 200, 40)
        for h in logs.search(source(log), wanted, first=start, size=40).hits
    ]
    expected = [n for n in range(1, 501) if str(n).startswith("1") and n not in (100, 300)]
    assert seen == expected
    assert logs.search(source(log), wanted, first=10_000).hits == []


def test_the_hit_before_and_after_a_line_are_known(log: Path) -> None:
    assert logs.place(log, logs.Wanted("überlauf"), 100) == logs.Place(1, 2, None, 300)
    assert logs.place(log, logs.Wanted("überlauf"), 200) == logs.Place(0, 2, 100, 300)


def test_a_window_has_the_lines_asked_for(log: Path) -> None:
    lines = logs.window(log, first=495, size=20)
    assert [line.number for line in lines] == [495, 496, 497, 498, 499, 500]
    assert lines[0].text == "line 495" and lines[0].at == datetime(2026, 3, 1, 10, 0, 15, tzinfo=UTC)
    assert logs.window(log, first=9_000, size=5) == []


def test_several_logs_come_in_the_order_of_time(tmp_path: Path) -> None:
    one, two = tmp_path / "a.log", tmp_path / "b.log"
    one.write_text("2026-03-01T10:00:00.000Z  x one\nx and its second line\n2026-03-01T10:00:04.000Z  x three\n")
    two.write_text("2026-03-01T10:00:02.000Z  x two\n")
    found = logs.search([logs.Source(one), logs.Source(two)], logs.Wanted("x"))
    assert [h.line.text for h in found.hits] == ["x one", "x and its second line", "x two", "x three"]
    assert [h.source for h in found.hits] == [0, 0, 1, 0]


def test_a_stamp_without_a_date_takes_that_of_the_beginning_and_passes_midnight() -> None:
    assert logs.read_line(1, "23:59:30  late", since=SINCE).at == datetime(2026, 3, 1, 23, 59, 30, tzinfo=UTC)
    assert logs.read_line(2, "00:00:10  early", since=SINCE).at == datetime(2026, 3, 2, 0, 0, 10, tzinfo=UTC)
    assert logs.read_line(3, "99:99:99  never", since=SINCE) == logs.Line(
        3, None, "99:99:99  never", "", (("99:99:99  never", False),)
    )


def test_terminal_codes_progress_bars_and_what_turns_the_text_are_taken_out() -> None:
    hostile = "\x1b[31mred\x1b[0m \x1b]0;title\x07 10 %\r 50 %\r100 %\x00\u202egnp.exe"
    assert logs.clean(hostile) == "100 %gnp.exe"
    assert logs.clean("\x1b[1;31merr\x1b[0mor") == "error"
    assert logs.clean("a\x1b]never ended\nb") == "a\nb"


def test_bytes_that_are_no_text_are_read_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "bad.log"
    path.write_bytes(b"\xff\xfe\xfa needle\n" + b"\x80" * 10 + b"\n")
    found = logs.search([logs.Source(path)], logs.Wanted("needle"))
    assert found.total == 1


def test_a_tail_goes_on_where_it_stopped_and_waits_for_the_end_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "step.log"
    path.write_text("one\ntwo\nthr")
    first = logs.tail(path, growing=True)
    assert [(line.number, line.text) for line in first.lines] == [(1, "one"), (2, "two")]
    with path.open("a") as out:
        out.write("ee\nfour\n")
    more = logs.tail(path, after=first.end, growing=True)
    assert [(line.number, line.text) for line in more.lines] == [(3, "three"), (4, "four")]
    assert logs.tail(path, after=more.end, growing=True).lines == []
    assert logs.tail(tmp_path / "none.log") == logs.Tail([], 0)


def test_a_tail_of_a_long_log_has_the_right_line_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "TAIL_BYTES", 1_000)
    path = tmp_path / "step.log"
    path.write_text("".join(f"line {n}\n" for n in range(1, 2_001)))
    end = logs.tail(path, size=50)
    assert len(end.lines) == 50
    assert all(line.text == f"line {line.number}" for line in end.lines)
    assert end.lines[-1].number == 2_000
    with path.open("a") as out:
        out.write("".join(f"line {n}\n" for n in range(2_001, 4_001)))
    late = logs.tail(path, after=end.end, growing=True)
    assert late.lines[-1].number == 4_000
    assert all(line.text == f"line {line.number}" for line in late.lines)


def test_a_large_log_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "BLOCK", 64_000)
    path = tmp_path / "large.log"
    with path.open("w") as out:
        for n in range(1, 100_001):
            out.write(f"2026-03-01T10:00:00.000Z  {'needle' if n == 77_777 else 'straw'} number {n} of many more\n")
        out.write("x" * 2_000_000 + " needle\n")
    size = path.stat().st_size
    tracemalloc.start()
    found = logs.search([logs.Source(path)], logs.Wanted("NEEDLE"), context=2)
    assert logs.window(path, first=77_777, size=1)[0].text.startswith("needle")
    logs.tail(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [h.line.number for h in found.hits] == [77_777, 100_001]
    assert len(found.hits[1].line.text) <= logs.LINE_CHARS + 1
    assert peak < size / 4

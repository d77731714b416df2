from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from vault.readers.base import ReaderError
from vault.readers.columns import Columns, placeholders, render
from vault.readers.text import LINE_LIMIT

from .conftest import Make, read

MAP = {"prompt": "{text}", "completion": "label"}


def test_columns_are_mapped_by_a_template(make: Make) -> None:
    path = make("nr,text,city,label,gold,kind\n7,Hello,Rome,a,b,x\n")
    [row], problems = read(
        Columns(),
        path,
        prompt="From {city}: {text} {{raw}}",
        system_prompt="Sort {text}.",
        completion="label",
        reference="gold",
        id="nr",
        tags=["kind"],
    )
    assert problems == []
    assert row.prompt == [
        {"role": "system", "content": "Sort {text}."},
        {"role": "user", "content": "From Rome: Hello {raw}"},
    ]
    assert (row.id, row.completion_text, row.reference_text, row.tags) == ("7", "a", "b", ["x"])
    assert row.meta["source"] == {"line": 2}


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_the_delimiter_is_found(make: Make, delimiter: str) -> None:
    text = "text,label\n".replace(",", delimiter) + f'"Well, so; it | is{delimiter} fine"{delimiter}yes\n' * 3
    rows, problems = read(Columns(), make(text), **MAP)
    assert problems == [] and len(rows) == 3 and rows[0].completion_text == "yes"


def test_json_lines_are_columns_too(make: Make) -> None:
    path = make('{"text": "a", "label": true}\n{"text": "b", "label": {"x": 1}}\n{"text": 5}\n')
    assert Columns().columns(path, Columns.Params()) == ["text", "label"]
    rows, _ = read(Columns(), path, **MAP)
    assert [row.completion_text for row in rows] == ["true", '{"x":1}', None]
    assert rows[2].user_text == "5"


def test_a_file_without_a_header_gets_numbered_columns(make: Make) -> None:
    rows, _ = read(Columns(), make("hello,yes\nbye,no\n"), prompt="{column 1}", completion="column 2", header=False)
    assert [row.completion_text for row in rows] == ["yes", "no"]
    assert [row.meta["source"]["line"] for row in rows] == [1, 2]


def test_repeated_and_blank_column_names_are_made_unique(make: Make) -> None:
    assert Columns().columns(make("a,,a,{b}\n1,2,3,4\n"), Columns.Params()) == ["a", "column 2", "a (2)", "(b)"]


def test_a_mapping_is_suggested_from_the_names(make: Make) -> None:
    found = Columns().suggest(make("Text,Category\nx,y\n"))
    assert found["prompt"] == "{Text}" and found["reference"] == "Category"
    assert Columns().suggest(make("merchant,amount\nx,y\n", "b.csv"))["prompt"] == "{merchant}"


def test_ragged_lines_are_reported_by_number_and_the_rest_is_kept(make: Make) -> None:
    rows, problems = read(Columns(), make("text,label\na,1\nb\nc,1,2\n\nd,2\n"), **MAP)
    assert [row.user_text for row in rows] == ["a", "d"]
    assert [(p.line, p.reason) for p in problems] == [
        (3, "The line has 1 field, but there are 2 columns."),
        (4, "The line has 3 fields, but there are 2 columns."),
    ]
    assert problems[1].excerpt == "c,1,2"


def test_a_quoted_field_may_span_lines_and_lines_keep_their_numbers(make: Make) -> None:
    rows, problems = read(Columns(), make('text,label\n"one\ntwo",x\nthree,y\n'), **MAP)
    assert problems == []
    assert [(row.user_text, row.meta["source"]["line"]) for row in rows] == [("one\ntwo", 2), ("three", 4)]


def test_a_quote_that_never_closes_costs_one_line(make: Make) -> None:
    rows, [problem] = read(Columns(), make('text,label\na,1\n"b,2\nc,3\nd,4\n'), **MAP)
    assert [row.user_text for row in rows] == ["a", "c", "d"]
    assert problem.line == 3 and "never closed" in problem.reason


def test_text_after_a_closing_quote_is_reported(make: Make) -> None:
    rows, [problem] = read(Columns(), make('text,label\n"b" oops,2\nc,3\n'), **MAP)
    assert [row.user_text for row in rows] == ["c"]
    assert problem.line == 2 and "after a closing quote" in problem.reason


def test_null_bytes_and_bad_letters_cost_their_lines(make: Make) -> None:
    rows, problems = read(Columns(), make("text,label\nä,1\nö,1\n".encode() + b"b\0,2\n\xff,3\nend,4\n"), **MAP)
    assert [row.user_text for row in rows] == ["ä", "ö", "end"]
    assert [p.line for p in problems] == [4, 5]


def test_rows_without_a_prompt_are_reported(make: Make) -> None:
    rows, problems = read(Columns(), make("text,city,label\n , ,x\n,Rome,y\n"), prompt="{text} {city}")
    assert [row.user_text for row in rows] == [" Rome"]
    assert problems[0].line == 2 and problems[0].reason == "There is no prompt: text, city are all empty."


def test_a_cell_of_10_mb_is_a_row_and_one_over_the_limit_is_not(make: Make) -> None:
    big, huge = "x" * 10_000_000, "y" * (LINE_LIMIT + 1)
    rows, [problem] = read(Columns(), make(f"text,label\n{big},1\n{huge},2\nend,3\n"), **MAP)
    assert [len(row.user_text) for row in rows] == [10_000_000, 3]
    assert problem.line == 3 and "too long" in problem.reason


def test_a_file_with_only_a_header_gives_nothing(make: Make) -> None:
    assert read(Columns(), make("text,label\n"), **MAP) == ([], [])


def test_a_broken_header_is_an_error_of_the_file(make: Make) -> None:
    with pytest.raises(ReaderError, match=r"Line 1 of rows\.csv should name the columns"):
        read(Columns(), make('"text,label\n'), **MAP)


def test_every_kind_of_table_is_mapped_alike(make: Make, tmp_path: Path) -> None:
    rows = [{"text": "one", "label": "a"}, {"text": "two", "label": None}]
    table = pa.Table.from_pylist(rows)
    pq.write_table(table, tmp_path / "t.parquet")
    feather.write_feather(table, tmp_path / "t.feather")
    book = Workbook()
    for record in (("text", "label"), ("one", "a"), ("two", None)):
        book.active.append(record)
    book.save(tmp_path / "t.xlsx")
    paths = [
        *(tmp_path / name for name in ("t.parquet", "t.feather", "t.xlsx")),
        make(json.dumps(rows), "t.json"),
        make("text\tlabel\none\ta\ntwo\t\n", "t.tsv"),
    ]
    for path in paths:
        assert Columns().columns(path, Columns.Params()) == ["text", "label"], path.name
        found, problems = read(Columns(), path, **MAP)
        assert [(row.user_text, row.completion_text) for row in found] == [("one", "a"), ("two", None)], path.name
        assert problems == []


def test_a_column_may_hold_each_rows_system_prompt(make: Make) -> None:
    path = make("text,system\nhello,Be kind.\nbye,\n")
    found, _ = read(Columns(), path, prompt="{text}", system_column="system", system_prompt="Default.")
    assert [row.prompt[0]["content"] for row in found] == ["Be kind.", "Default."]


def test_a_column_may_hold_the_whole_conversation(make: Make) -> None:
    chat = json.dumps([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}])
    out = io.StringIO()
    csv.writer(out).writerows([("chat", "text"), (chat, "ignored"), ("", "used"), ("[5]", ""), ("", "")])
    found, problems = read(Columns(), make(out.getvalue()), prompt="{text}", messages="chat")
    assert [(row.user_text, row.completion_text) for row in found] == [("hi", "hello"), ("used", None)]
    assert [(p.line, p.column) for p in problems] == [(4, "chat[0]")]


def test_instruction_and_input_are_suggested_together_and_an_empty_input_leaves_no_gap(make: Make) -> None:
    path = make("instruction,input,output\nAdd.,1 1,2\nSay hello.,,Hello\n")
    guess = Columns().suggest(path)
    found, _ = read(Columns(), path, **guess)
    assert [row.user_text for row in found] == ["Add.\n\n1 1", "Say hello."]


def test_a_mapping_that_does_not_fit_names_the_near_column(make: Make) -> None:
    path = make("text,label\na,1\n")
    found = dict(Columns().problems(path, Columns.Params(prompt="{tekst}", completion="labels", tags=["zzz"])))
    assert found["prompt"] == "There is no column 'tekst'. Did you mean 'text'?"
    assert "Did you mean 'label'?" in found["completion"] and "Known: label, text." in found["tags"]
    with pytest.raises(ReaderError, match="tekst"):
        read(Columns(), path, prompt="{tekst}")


def test_a_prompt_without_a_column_is_a_problem(make: Make) -> None:
    found = Columns().problems(make("text,label\na,1\n"), Columns.Params(prompt="Hello"))
    assert found[0][0] == "prompt" and "Columns: text, label." in found[0][1]


def test_placeholders_and_braces() -> None:
    assert placeholders("{{no}} {yes} {{{also}}}") == ["yes", "also"]
    assert render('{{"a": "{yes}"}}', {"yes": "{x}"}) == '{"a": "{x}"}'


CELL = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20) | st.sampled_from(
    ['"', '""', "a,b", "line\nbreak", "=1+1", "‮rtl", "👩‍👩‍👧", "'", ";|\t", "\\"]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cells=st.lists(st.tuples(CELL.filter(lambda c: c.strip() != ""), CELL), min_size=2, max_size=6),
    delimiter=st.sampled_from([("comma", ","), ("tab", "\t"), ("semicolon", ";")]),
)
def test_any_cells_survive_csv(tmp_path: Path, cells: list[tuple[str, str]], delimiter: tuple[str, str]) -> None:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter[1], lineterminator="\n").writerows([("text", "label"), *cells])
    path = tmp_path / "rows.csv"
    path.write_bytes(out.getvalue().encode())
    rows, problems = read(Columns(), path, **MAP, delimiter=delimiter[0])
    assert problems == []
    assert [(row.user_text, row.completion_text or "") for row in rows] == [
        (text, label if label.strip() else "") for text, label in cells
    ]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=300)
    | st.lists(
        st.sampled_from([b'"', b",", b"\n", b"\r\n", b"text,label\n", b"a", b"\xff", b"\0", b"{", b'{"text":"a"}\n']),
        max_size=40,
    ).map(b"".join)
)
def test_any_bytes_end_in_rows_or_words(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    reader = Columns()
    try:
        guess = reader.suggest(path)
        rows, problems = read(reader, path, **guess)
    except ReaderError as error:
        assert str(error) and error.action
        return
    json.dumps([row.prompt for row in rows], ensure_ascii=False).encode()
    assert all(problem.line > 0 and problem.reason for problem in problems)


def test_names_that_no_template_can_hold_are_not_suggested_and_messages_stay_short(make: Make) -> None:
    path = make(json.dumps({"te{xt": "a", "x" * 5_000: "b", "words": "c"}))
    assert Columns().suggest(path)["prompt"] == "{words}"
    [(_, message)] = Columns().problems(path, Columns.Params(prompt="{y}"))
    assert len(message) < 500

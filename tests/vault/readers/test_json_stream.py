from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vault.readers.base import ReaderError, RowError
from vault.readers.json_stream import LINE_LIMIT, objects
from vault.readers.records import form_of

from .conftest import Make


def values(path: Path) -> tuple[list[Any], list[RowError]]:
    items = list(objects(path, encoding="auto"))
    return [i[1] for i in items if not isinstance(i, RowError)], [i for i in items if isinstance(i, RowError)]


A, B = {"text": 'a, ]}"\\', "n": [1, {"x": []}]}, {"text": "b"}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([A, B]),
        json.dumps([A, B], indent=2),
        json.dumps({"data": [A, B], "has_more": False}),
        json.dumps({"version": 1, "rows": [A, B]}, indent=1),
        json.dumps({"questions": [A, B]}),
        json.dumps(A, indent=1) + "\n" + json.dumps(B, indent=1),
        json.dumps({"rows": [{"row_idx": 0, "row": A}, {"row_idx": 1, "row": B}]}),
    ],
)
def test_records_are_found_wherever_the_file_keeps_them(make: Make, text: str) -> None:
    path = make(text, "x.csv")
    assert form_of(path) == "json"
    assert values(path) == ([A, B], [])


def test_an_object_of_records_names_them(make: Make) -> None:
    path = make(json.dumps({"one": {"text": "a", "k": 1}, "two": {"text": "b", "k": 2, "id": "own"}}))
    assert form_of(path) == "json"
    found, problems = values(path)
    assert problems == [] and [item["id"] for item in found] == ["one", "own"]


@pytest.mark.parametrize(
    "value", [{"a": [1, 2], "b": [3, 4]}, {"a": {"0": 1, "1": 2}, "b": {"0": 3, "1": 4}}], ids=["list", "records"]
)
def test_a_file_written_column_by_column_is_refused_with_the_way_out(make: Make, value: object) -> None:
    with pytest.raises(ReaderError, match="column by column") as caught:
        values(make(json.dumps(value)))
    assert "orient" in caught.value.action


@pytest.mark.parametrize(
    "line",
    [
        {"messages": [{"role": "user", "content": "x"}]},
        {"prompt": "q", "soft": [{"text": "a", "probability": 1}]},
        {"request": {"messages": []}, "response": {"choices": [], "id": "1"}},
        {"text": "a", "data": {"x": 1}},
    ],
)
def test_a_single_record_on_one_line_is_json_lines(make: Make, line: object) -> None:
    assert form_of(make(json.dumps(line))) == "jsonl"


def test_a_broken_element_costs_itself_and_has_its_place(make: Make) -> None:
    path = make('[\n {"a": 1},\n {"a": nope},\n {"a": 3} {"a": 4},\n 5,\n {"a": NaN},\n {"a": 6}\n]')
    found, problems = values(path)
    assert [item["a"] for item in found] == [1, 3, 4, 6]
    assert [(p.line, p.column) for p in problems] == [(3, "8"), (4, "11"), (5, ""), (6, "")]
    assert "position 8" in problems[0].reason and "comma is missing" in problems[1].reason


def test_an_error_inside_a_record_of_many_lines_names_its_own_line(make: Make) -> None:
    found, [problem] = values(make('[{"a": 1},\n{\n "a": 2,\n "b": oops\n},\n{"a": 3}]'))
    assert len(found) == 2
    assert problem.line == 2 and "on line 4 at position 7" in problem.reason


@pytest.mark.parametrize(
    "text,reason",
    [
        ('[{"a": 1}, {"a": "cut', "ends in the middle"),
        ('[{"a": 1}', "ends before the array"),
        ('[{"a": 1}] oops', "after the end"),
        ('[{"a": 1},, {"a": 2}]', "should begin here"),
    ],
)
def test_a_damaged_array_says_so_and_keeps_what_is_good(make: Make, text: str, reason: str) -> None:
    found, problems = values(make(text))
    assert found[0] == {"a": 1} and reason in problems[0].reason


def test_bytes_that_are_no_letters_cost_their_record(make: Make) -> None:
    path = make('[{"a": "ééé"}, {"a": "'.encode() + b"\xff" + b'"}, {"a": "b"}]')
    found, [problem] = values(path)
    assert len(found) == 2 and "0xFF" in problem.reason


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-8-sig", "utf-32"])
def test_other_unicode_encodings_are_read(make: Make, encoding: str) -> None:
    path = make(json.dumps([{"a": "Café 🙏"}], ensure_ascii=False), encoding=encoding)
    assert form_of(path) == "json"
    assert values(path) == ([{"a": "Café 🙏"}], [])


def test_a_record_of_10_mb_is_read_and_one_over_the_limit_is_passed_over_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "big.json"
    with path.open("w") as out:
        out.write('[{"a": "' + "x" * 10_000_000 + '"},\n{"a": "')
        for _ in range(60):
            out.write("y\\n]}" * (1 << 18))
        out.write('"},\n{"a": "end"}]')
    tracemalloc.start()
    found, [problem] = values(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [len(item["a"]) for item in found] == [10_000_000, 3]
    assert problem.line == 2 and "too long" in problem.reason
    assert peak < 6 * LINE_LIMIT


def test_nothing_is_nested_too_deeply_to_be_refused(make: Make) -> None:
    found, [problem] = values(make('[{"a": ' + "[" * 100_000 + "]" * 100_000 + '}, {"a": 1}]'))
    assert found == [{"a": 1}] and "nested too deeply" in problem.reason


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('abc"\\', max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    records=st.lists(st.dictionaries(st.sampled_from(["k", "l"]), JSON, min_size=1), min_size=1, max_size=5),
    indent=st.none() | st.just(1),
)
def test_any_array_comes_back_as_it_was(tmp_path: Path, records: list[dict[str, Any]], indent: int | None) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(records, indent=indent, ensure_ascii=False), encoding="utf-8")
    assert values(path) == (records, [])

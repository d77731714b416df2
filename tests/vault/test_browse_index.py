from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.http import QueryDict
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.lib.errors import Cancelled
from vault.browse_form import FilterForm
from vault.browse_index import index_rows
from vault.query import OPERATORS, BadFilter, Condition, Filter, RowTable, finding, open_index
from vault.rows import Row, assistant, write_rows

ROWS = 400
LABELS = ["taxi", "Bus", "10", "9", "", "é", "a longer answer, in words"]


def make_rows() -> list[Row]:
    dice = random.Random(3)
    rows = []
    for n in range(ROWS):
        gold = dice.choice(LABELS)
        meta: dict[str, Any] = {
            "source": {"file": f"f{n % 3}.csv", "line": n},
            "n": dice.choice([1, 2.5, -3, 1000, "7"]),
        }
        if n % 4:
            meta["mixed"] = dice.choice([1, "x", True, None, [1, 2]])
        if n % 7 == 0:
            meta["odd/key~"] = {"deep": {"deeper": {"deepest": n}}}
        rows.append(
            Row(
                f"id-{n * 7 % ROWS}",
                [
                    *([{"role": "system", "content": "Be brief."}] if n % 3 == 0 else []),
                    {
                        "role": "user",
                        "content": f"Where is my {dice.choice(['card', 'CARD', 'bus'])} {'x' * dice.randrange(9)} {n}?",
                    },
                ],
                completion=assistant(dice.choice(LABELS)) if n % 5 else None,
                reference=assistant(gold) if n % 6 else None,
                tags=dice.sample(["a", "b", "c d"], dice.randrange(3)),
                meta=meta,
            )
        )
    rows[17] = Row(
        "calls", [{"role": "user", "content": "Do."}], {"role": "assistant", "content": None, "tool_calls": []}
    )
    return rows


def write_facts(path: Path) -> None:
    dice = random.Random(4)
    columns = {
        "_rid": range(ROWS),
        "tokens": [dice.choice([None, 5, 10, 200]) for _ in range(ROWS)],
        "language": [dice.choice(["en", "de", None]) for _ in range(ROWS)],
        "flags": [dice.choice([[], ["refusal"], ["pii:email", "truncated"], ["pii"]]) for _ in range(ROWS)],
        "near_group": [dice.choice([None, 3]) for _ in range(ROWS)],
        "exact_group": [None] * ROWS,
    }
    types = {"tokens": pa.int32(), "near_group": pa.int64(), "exact_group": pa.int64(), "flags": pa.list_(pa.string())}
    pq.write_table(pa.table({k: pa.array(list(v), type=types.get(k)) for k, v in columns.items()}), path)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> tuple[RowTable, RowTable, list[Row]]:
    """The same rows asked in their file, and with an index."""
    root = tmp_path_factory.mktemp("root")
    rows, folder, out = make_rows(), root / "artifacts" / "aa" / "aabb", root / "derived"
    write_rows(folder, rows)
    out.mkdir()
    index_rows(folder, out, params={}, beat=lambda done, total, note: None)
    write_facts(root / "facts.parquet")
    more: dict[str, Any] = {
        "facts": root / "facts.parquet",
        "sets": lambda name, value: [1, 5, 9] if value in ("rejected", "none") else None,
    }
    return RowTable(folder, root=root, **more), RowTable(folder, root=root, index=open_index(out), **more), rows


def one(field: str, op: str, value: str = "") -> Filter:
    return Filter(conditions=(Condition(field, op, value),))


FILTERS: list[tuple[Filter, Callable[[Row], bool] | None]] = [
    (Filter(), lambda r: True),
    (Filter(search="card"), lambda r: "card" in str(r.prompt).lower()),
    (Filter(search='"my bus" 1'), None),
    (Filter(label="taxi"), lambda r: r.completion_text == "taxi"),
    (Filter(tag="c d"), lambda r: "c d" in r.tags),
    (Filter(has="completion"), lambda r: r.completion is not None),
    (Filter(has="no_completion"), lambda r: r.completion is None),
    (Filter(has="reference"), lambda r: r.reference is not None),
    (Filter(has="differs", tag="a"), None),
    (Filter(min_chars=20, max_chars=25), None),
    (one("prompt", "contains", "MY card"), lambda r: "my card" in str(r.prompt).lower()),
    (one("prompt", "regex", r"x{4,} \d+\?$"), None),
    (one("prompt", "regex", "(a*)*b"), None),
    (one("system", "is", "Be brief."), lambda r: len(r.prompt) == 2),
    (one("system", "empty"), lambda r: len(r.prompt) == 1),
    (one("answer", "not", "taxi"), lambda r: r.completion_text != "taxi"),
    (one("answer", "empty"), lambda r: not (r.completion or {}).get("content")),
    (one("answer", "gt", "9"), lambda r: r.completion_text == "10"),
    (one("reference", "filled"), lambda r: bool(r.reference_text)),
    (one("id", "is", "id-7"), lambda r: r.id == "id-7"),
    (one("prompt_chars", "ge", "25"), lambda r: sum(len(m["content"] or "") for m in r.prompt) >= 25),
    (one("answer_chars", "lt", "4"), None),
    (one("answer_chars", "is", "4"), lambda r: len((r.completion or {}).get("content") or "") == 4),
    (one("meta.n", "le", "2.50"), None),
    (one("meta.n", "is", "2.50"), lambda r: r.meta.get("n") == 2.5),
    (one("meta.n", "is", "7"), lambda r: r.meta.get("n") == "7"),
    (one("meta.mixed", "is", "true"), lambda r: r.meta.get("mixed") is True),
    (one("meta.mixed", "empty"), None),
    (one("meta.mixed", "contains", "1,2"), lambda r: r.meta.get("mixed") == [1, 2]),
    (one("meta.source.file", "is", "f1.csv"), lambda r: r.meta.get("source", {}).get("file") == "f1.csv"),
    (one("meta.nowhere", "filled"), lambda r: False),
    (one("meta.odd/key~.deep.deeper", "contains", "deepest"), lambda r: "odd/key~" in r.meta),
    (Filter(conditions=(Condition("meta.n", "gt", "0"), Condition("answer", "filled")), search="bus", tag="a"), None),
    (Filter(flag="pii", language="de"), None),
    (Filter(min_tokens=6, max_tokens=10, label="Bus"), None),
    (Filter(group=3), None),
]
CONTAINED = [
    ("prompt", "MY card"),
    ("answer", "us"),
    ("reference", "longer answer"),
    ("prompt", "é"),
    ("prompt", "brief.\nwhere"),
]
SORTS = [
    "",
    "-row",
    "prompt",
    "-prompt",
    "answer",
    "-answer",
    "label",
    "-label",
    "tokens",
    "-tokens",
    "meta.n",
    "-meta.n",
]
SORTS += ["meta.mixed", "-meta.mixed", "meta.source.line", "-meta.source.file", "meta.nowhere"]


@pytest.mark.parametrize("wanted,kept", FILTERS)
def test_the_index_and_the_file_keep_the_same_rows(
    tables: tuple[RowTable, RowTable, list[Row]], wanted: Filter, kept: Callable[[Row], bool] | None
) -> None:
    plain, indexed, rows = tables
    found = plain.positions(wanted).tolist()
    assert indexed.positions(wanted).tolist() == found and indexed.count(wanted) == len(found)
    if kept is not None:
        assert found == [n for n, row in enumerate(rows) if kept(row)]


@pytest.mark.parametrize("few", [-1, 3, 10_000])
@pytest.mark.parametrize("field,value", CONTAINED)
def test_a_text_in_a_field_is_found_in_every_way(
    tables: tuple[RowTable, RowTable, list[Row]], field: str, value: str, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, indexed, _ = tables
    monkeypatch.setattr(finding, "FEW", few)
    finding._lists.clear()
    wanted = one(field, "contains", value)
    assert indexed.positions(wanted).tolist() == plain.positions(wanted).tolist()


@pytest.mark.parametrize("sort", SORTS)
def test_the_index_and_the_file_sort_alike_and_lose_no_row(
    tables: tuple[RowTable, RowTable, list[Row]], sort: str
) -> None:
    plain, indexed, _ = tables
    for wanted in (Filter(), Filter(tag="a")):
        found = plain.positions(wanted, sort=sort).tolist()
        assert indexed.positions(wanted, sort=sort).tolist() == found
        assert sorted(found) == plain.positions(wanted).tolist()


def test_orders_are_right_and_rows_without_a_value_come_last(tables: tuple[RowTable, RowTable, list[Row]]) -> None:
    _, indexed, rows = tables
    by_number = [
        float(rows[n].meta["n"]) if "n" in rows[n].meta else None for n in indexed.positions(Filter(), sort="meta.n")
    ]
    assert by_number[:-1] == sorted(v for v in by_number if v is not None) and by_number[-1] is None
    labels = [(rows[n].completion or {}).get("content") for n in indexed.positions(Filter(), sort="-label")]
    present = [label for label in labels if label is not None]
    assert present == sorted(present, reverse=True) and labels[: len(present)] == present


@pytest.mark.parametrize("sort", ["", "-row", "-prompt", "meta.n"])
def test_pages_in_any_order_follow_each_other_in_both_directions(
    tables: tuple[RowTable, RowTable, list[Row]], sort: str
) -> None:
    for table in tables[:2]:
        wanted = Filter(tag="a")
        expected = table.positions(wanted, sort=sort).tolist()
        forwards: list[int] = []
        pages = [table.page(wanted, sort=sort, size=30)]
        while pages[-1].after is not None:
            pages.append(table.page(wanted, sort=sort, after=pages[-1].after, size=30))
        for page in pages:
            assert page.first == len(forwards)
            forwards += [n.rid for n in page.rows]
        assert forwards == expected
        assert table.page(wanted, sort=sort, before=pages[1].before, size=30) == pages[0]
        middle = expected[10]
        assert table.neighbours(middle, wanted, sort=sort) == (expected[9], expected[11])


def test_rows_are_the_same_from_both(tables: tuple[RowTable, RowTable, list[Row]]) -> None:
    plain, indexed, rows = tables
    for n in (0, 17, 399):
        assert plain.row(n) == indexed.row(n) == rows[n]
    assert plain.row(400) is None and indexed.row(-1) is None
    assert plain.lines([5, 399, 2]) == indexed.lines([5, 399, 2])


def test_counts_are_the_same_from_both(tables: tuple[RowTable, RowTable, list[Row]]) -> None:
    plain, indexed, _rows = tables
    assert plain.totals() == indexed.totals()
    assert plain.labels() == indexed.labels() and plain.tags() == indexed.tags()
    assert plain.distinct_answers() == indexed.distinct_answers() == len(LABELS)
    assert plain.lengths("prompt") == indexed.lengths("prompt")
    assert plain.lengths("completion") == indexed.lengths("completion")
    assert plain.meta_paths() == indexed.meta_paths() and "odd/key~.deep.deeper" in indexed.meta_paths()


def test_what_reviewers_said_is_laid_over_any_filter(tables: tuple[RowTable, RowTable, list[Row]]) -> None:
    for table in tables[:2]:
        assert table.positions(Filter(verdict="rejected"), sort="-row").tolist() == [9, 5, 1]
        assert len(table.positions(Filter(verdict="none"))) == ROWS - 3
        with pytest.raises(BadFilter):
            table.positions(Filter(verdict="sung"))


def test_what_the_profile_knows_is_told_and_asked_for(tables: tuple[RowTable, RowTable, list[Row]]) -> None:
    table = tables[1]
    facts = table.facts(5)
    assert facts is not None and set(facts) == {"tokens", "language", "flags", "near_group", "exact_group"}
    flags, languages = table.fact_values()
    assert {flag for flag, _ in flags} == {"refusal", "pii:email", "truncated", "pii"}
    assert {language for language, _ in languages} == {"en", "de"}
    known = table.tokens(list(range(50)))
    assert known and set(known.values()) <= {5, 10, 200}


def test_without_a_profile_its_filters_say_what_to_do(tables: tuple[RowTable, RowTable, list[Row]]) -> None:
    bare = RowTable(tables[1]._folder, root=tables[1]._root, index=tables[1].index)
    for wanted, sort in ((Filter(flag="refusal"), ""), (Filter(), "tokens"), (Filter(group=1), "")):
        with pytest.raises(BadFilter) as caught:
            bare.positions(wanted, sort=sort)
        assert "Profile" in caught.value.action
    assert bare.facts(1) is None and bare.fact_values() == ([], [])
    with pytest.raises(BadFilter):
        bare.positions(Filter(), sort="nonsense")


def test_more_fields_than_the_index_keeps_are_asked_in_the_file(tmp_path: Path) -> None:
    folder, out = tmp_path / "artifacts" / "rows", tmp_path / "out"
    rows = [Row(f"r{n}", [{"role": "user", "content": "x"}], meta={f"own{n}": n, "all": n}) for n in range(1_200)]
    write_rows(folder, rows)
    out.mkdir()
    index_rows(folder, out, params={}, beat=lambda done, total, note: None)
    index = open_index(out)
    assert index is not None and not index.covers("own1100") and index.covers("all")
    table = RowTable(folder, root=tmp_path, index=index)
    assert table.positions(one("meta.own1100", "is", "1100")).tolist() == [1100]
    assert table.positions(one("meta.all", "lt", "2")).tolist() == [0, 1]
    assert table.positions(Filter(), sort="meta.own1100").tolist()[0] == 1100


def test_rows_with_long_texts_are_cut_in_a_table_with_and_without_an_index(tmp_path: Path) -> None:
    folder, out = tmp_path / "artifacts" / "rows", tmp_path / "out"
    rows = [
        Row("long", [{"role": "user", "content": "word " * 400_000}], assistant("y" * 70_000), tags=["t"]),
        Row("short", [{"role": "user", "content": "word"}]),
    ]
    write_rows(folder, rows)
    out.mkdir()
    index_rows(folder, out, params={}, beat=lambda done, total, note: None)
    for table in (RowTable(folder, root=tmp_path), RowTable(folder, root=tmp_path, index=open_index(out))):
        long, short = table.page(Filter(search="word")).rows
        assert long.cut and len(long.row.user_text) == 2_000 and long.row.tags == ["t"] and not short.cut
        assert table.row(0) == rows[0]


def test_an_empty_version_can_be_indexed(tmp_path: Path) -> None:
    write_rows(tmp_path / "artifacts" / "rows", [])
    (tmp_path / "out").mkdir()
    index_rows(tmp_path / "artifacts" / "rows", tmp_path / "out", params={}, beat=lambda done, total, note: None)
    table = RowTable(tmp_path / "artifacts" / "rows", root=tmp_path, index=open_index(tmp_path / "out"))
    assert table.page(Filter()).rows == [] and table.positions(Filter(search="x"), sort="-prompt").tolist() == []


def test_indexing_says_how_far_it_is_and_can_be_cancelled(tmp_path: Path) -> None:
    folder, out = tmp_path / "artifacts" / "rows", tmp_path / "out"
    write_rows(folder, [Row(f"r{n}", [{"role": "user", "content": "x"}]) for n in range(5_000)])
    out.mkdir()
    beats: list[tuple[int, int, str]] = []
    told = index_rows(folder, out, params={}, beat=lambda *beat: beats.append(beat))
    assert told["rows"] == 5_000 and told["bytes"] > 0
    assert [done for done, _, note in beats if note == "Indexing rows"] == [2_000, 4_000, 5_000]
    assert all(total in (0, 5_000) for _, total, _ in beats)

    def stop(done: int, total: int, note: str) -> None:
        if done == 4_000:
            raise Cancelled("Stopped.")

    (tmp_path / "again").mkdir()
    with pytest.raises(Cancelled):
        index_rows(folder, tmp_path / "again", params={}, beat=stop)
    assert not (tmp_path / "again" / "about.json").exists()


def test_lists_of_positions_are_remembered_within_bounds() -> None:
    from vault.query.lists import Lists

    lists = Lists(limit=10_000)
    made: list[int] = []

    def make(n: int) -> Any:
        made.append(n)
        return np.arange(1_000, dtype=np.int32) + n

    for n in (0, 1, 0, 2, 0, 1):
        lists.get(n, lambda n=n: make(n))
    assert made == [0, 1, 2, 1] and lists.nbytes <= 10_000
    with pytest.raises(ValueError):
        lists.get(0, lambda: make(0))[0] = 5
    assert len(lists.get("huge", lambda: np.zeros(20_000, dtype=np.int8))) == 20_000 and lists.nbytes <= 10_000
    lists.clear()
    assert lists.nbytes == 0


ODD = st.text(st.sampled_from(list("ab1.-/~\"'\\%_;()[]{}*+?|^$\0\n é東👋")), max_size=8)


@given(
    field=st.one_of(
        st.sampled_from(["prompt", "answer", "reference", "system", "id", "prompt_chars", "meta.n", "meta.mixed"]),
        ODD.map(lambda text: f"meta.{text}"),
        ODD,
    ),
    op=st.sampled_from([*OPERATORS, "like"]),
    value=st.one_of(ODD, st.sampled_from(["1", "-2.5", "1e308", "1e999", "nan", "(a+)+$", "[", "true"])),
    search=ODD,
    sort=st.one_of(st.sampled_from(SORTS), ODD, ODD.map(lambda text: f"-meta.{text}")),
)
@settings(max_examples=200, deadline=None)
def test_no_address_breaks_the_browser_and_both_sources_agree(
    tables: tuple[RowTable, RowTable, list[Row]], field: str, op: str, value: str, search: str, sort: str
) -> None:
    data = QueryDict(mutable=True)
    for key, text in (("field", field), ("op", op), ("value", value), ("q", search), ("sort", sort)):
        data[key] = text
    form = FilterForm(data)
    wanted = form.wanted()
    found = [table.positions(wanted, sort=form.order).tolist() for table in tables[:2]]
    assert found[0] == found[1]

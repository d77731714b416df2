from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from vault import query
from vault.query import Filter, RowTable, TooSlow, duck, words
from vault.rows import Row, assistant, write_rows

CITIES = ["Rome", "Oslo", "Lima"]


def make_row(number: int) -> Row:
    label = "even" if number % 2 == 0 else "odd"
    return Row(
        id=f"r{number}",
        prompt=[
            {"role": "system", "content": "Sort."},
            {"role": "user", "content": f"Row {number} in {CITIES[number % 3]}"},
        ],
        completion=assistant(label) if number % 5 else None,
        reference=assistant("even") if number % 4 else None,
        tags=["tens"] if number % 10 == 0 else [],
        meta={"source": {"line": number}},
    )


@pytest.fixture
def table(data_root: Path) -> RowTable:
    """120 rows."""
    folder = data_root / "artifacts" / "aa" / "aabb"
    write_rows(folder, (make_row(n) for n in range(120)))
    return RowTable(folder, root=data_root / "artifacts")


def test_pages_follow_each_other_forwards_and_backwards(table: RowTable) -> None:
    first = table.page(Filter())
    assert [n.rid for n in first.rows] == list(range(50)) and (first.before, first.after) == (None, 49)
    second = table.page(Filter(), after=first.after)
    assert [n.rid for n in second.rows] == list(range(50, 100)) and (second.before, second.after) == (50, 99)
    last = table.page(Filter(), after=second.after)
    assert [n.rid for n in last.rows] == list(range(100, 120)) and last.after is None
    assert table.page(Filter(), before=second.before) == first


def test_a_page_beyond_the_end_is_empty(table: RowTable) -> None:
    assert table.page(Filter(), after=5000).rows == []


def test_rows_come_back_as_they_were_written(table: RowTable) -> None:
    assert table.row(7) == make_row(7)
    assert table.row(999) is None


def test_search_wants_every_word_and_keeps_phrases(table: RowTable) -> None:
    assert words('Row "in oslo" 7') == ["row", "in oslo", "7"]
    found = table.page(Filter(search='ROW "in oslo" 7'))
    assert [n.rid for n in found.rows] == [7, 37, 67, 70, 73, 76, 79, 97]


@pytest.mark.parametrize(
    "wanted,count",
    [
        (Filter(), 120),
        (Filter(label="odd"), 48),
        (Filter(tag="tens"), 12),
        (Filter(has="completion"), 96),
        (Filter(has="no_completion"), 24),
        (Filter(has="reference"), 90),
        (Filter(has="differs"), 48),
        (Filter(has="nonsense"), 120),
        (Filter(min_chars=20), 20),
        (Filter(max_chars=18), 10),
        (Filter(label="odd", search="rome"), 16),
        (Filter(search="100% _'; DROP TABLE rows --"), 0),
    ],
)
def test_filters_count(table: RowTable, wanted: Filter, count: int) -> None:
    expected = [make_row(n) for n in range(120)]
    if wanted.label:
        expected = [r for r in expected if r.completion_text == wanted.label]
        assert all(n.row.completion_text == wanted.label for n in table.page(wanted).rows)
    assert table.count(wanted) == count


def test_neighbours_stay_inside_the_filter(table: RowTable) -> None:
    assert table.neighbours(10, Filter(tag="tens")) == (0, 20)
    assert table.neighbours(0, Filter()) == (None, 1)
    assert table.neighbours(119, Filter()) == (118, None)


def test_totals_labels_and_tags(table: RowTable) -> None:
    assert table.totals() == query.Totals(120, 96, 90, 48)
    assert table.labels() == [("even", 48), ("odd", 48)]
    assert table.labels(limit=1) == [("even", 48)]
    assert table.tags() == [("tens", 12)]
    assert table.distinct_answers() == 2


def test_lengths_and_their_histogram_agree(table: RowTable) -> None:
    found = table.lengths("prompt", bins=4)
    assert found is not None
    sizes = sorted(sum(len(m["content"] or "") for m in make_row(n).prompt) for n in range(120))
    assert (found.low, found.high) == (sizes[0], sizes[-1])
    assert sum(count for _, _, count in found.bins) == 120
    assert found.bins[0][0] == found.low and found.bins[-1][1] >= found.high


def test_quantiles_and_bins_are_those_of_the_lengths() -> None:
    found = query.summarise([(1, 10), (2, 9), (100, 1)], bins=3)
    assert found == query.Lengths(1, 1, 2, 100, [(1, 34, 19), (35, 68, 0), (69, 102, 1)])
    assert query.summarise([(5, 3)], bins=4) == query.Lengths(5, 5, 5, 5, [(5, 5, 3)])


def test_lengths_of_a_field_no_row_has_are_none(data_root: Path) -> None:
    folder = data_root / "artifacts" / "bb" / "empty"
    write_rows(folder, [Row(id="a", prompt=[{"role": "user", "content": "x"}])])
    table = RowTable(folder, root=data_root / "artifacts")
    assert table.lengths("completion") is None and table.labels() == [] and table.tags() == []


def test_a_dataset_without_rows_answers_everything(data_root: Path) -> None:
    folder = data_root / "artifacts" / "cc" / "none"
    write_rows(folder, [])
    table = RowTable(folder, root=data_root / "artifacts")
    assert table.page(Filter()).rows == [] and table.count(Filter()) == 0 and table.lengths("prompt") is None


def test_nothing_outside_the_root_can_be_read_or_written(table: RowTable, tmp_path: Path) -> None:
    import duckdb

    secret = tmp_path / "secret.csv"
    secret.write_text("a,b\n1,2\n")
    cursor = duck.connection(table._root).cursor()
    for statement in (
        f"SELECT * FROM read_csv('{secret}')",
        f"COPY (SELECT 1) TO '{tmp_path / 'out.csv'}'",
        "SET enable_external_access=true",
    ):
        with pytest.raises(duckdb.Error):
            cursor.execute(statement)


def test_a_slow_query_is_stopped_with_advice(table: RowTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duck, "SECONDS", 0.2)
    with pytest.raises(TooSlow) as caught:
        table._ask("SELECT count(*) FROM range(10000000000) a, read_parquet(?) b WHERE a.range % 7 = b._rid")
    assert "filter" in caught.value.action
    assert table.count(Filter()) == 120


def _count_in_child(folder: Path, root: Path, answers: multiprocessing.Queue[int]) -> None:
    answers.put(RowTable(folder, root=root).count(Filter()))


def test_importing_the_module_opens_no_connection_so_a_forked_worker_can_query(data_root: Path) -> None:
    folder = data_root / "artifacts" / "dd" / "fork"
    write_rows(folder, [make_row(n) for n in range(3)])
    known = set(duck._connections)
    RowTable(folder, root=data_root / "artifacts")
    assert set(duck._connections) == known
    context = multiprocessing.get_context("spawn")
    answers: multiprocessing.Queue[int] = context.Queue()
    child = context.Process(target=_count_in_child, args=(folder, data_root / "artifacts", answers))
    child.start()
    assert answers.get(timeout=30) == 3
    child.join(timeout=30)
    answers.close()
    answers.join_thread()

"""What goes out and comes back in through the matching reader is the same rows, for every pair of reader and exporter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.registries import READERS
from tests.vault.exporters.conftest import rows
from vault.exporters import ROW_EXPORTERS
from vault.exporters.base import RowExporter
from vault.readers import recognise
from vault.readers.base import RowError
from vault.rows import Row


def read_back(exporter: RowExporter, written: bytes, path: Path) -> list[Row]:
    """The rows of an exported file, read as its exporter says."""
    path.write_bytes(written)
    reader = READERS[exporter.reader]()
    found = []
    for row in reader.rows(path, reader.Params(**exporter.reader_params)):
        assert not isinstance(row, RowError), row
        found.append(replace(row, meta={key: value for key, value in row.meta.items() if key != "source"}))
    return found


def check(name: str, given_rows: list[Row], folder: Path) -> None:
    exporter: RowExporter = ROW_EXPORTERS[name]()
    left_out: list[Row] = []
    written = b"".join(exporter.chunks(given_rows, left_out=lambda row, reason: left_out.append(row)))
    fitting = [row for row in given_rows if not exporter.misfit(row)]
    assert left_out == [row for row in given_rows if exporter.misfit(row)]
    if fitting:
        path = folder / f"rows.{exporter.suffix}"
        assert read_back(exporter, written, path) == [exporter.carried(row) for row in fitting]


QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.mark.parametrize("name", list(ROW_EXPORTERS))
@given(given_rows=st.lists(rows(), min_size=1, max_size=4))
@settings(max_examples=20, deadline=None, suppress_health_check=QUIET)
def test_what_goes_out_comes_back_as_the_same_rows(name: str, given_rows: list[Row], tmp_path: Path) -> None:
    check(name, given_rows, tmp_path)


def test_letters_that_look_like_escapes_stay_letters(tmp_path: Path) -> None:
    for name in ROW_EXPORTERS:
        check(name, [Row("\\u0000", [{"role": "user", "content": "\\u0000 \\ud800 \\n"}], tags=["\\u0000"])], tmp_path)


@pytest.mark.heavy
@pytest.mark.parametrize("name", list(ROW_EXPORTERS))
@given(given_rows=st.lists(rows(), min_size=1, max_size=4))
@settings(max_examples=1_000, deadline=None, suppress_health_check=QUIET)
def test_a_thousand_files_come_back_as_the_same_rows(name: str, given_rows: list[Row], tmp_path: Path) -> None:
    check(name, given_rows, tmp_path)


PLAIN = [
    Row("a", [{"role": "user", "content": "=1+1"}], {"role": "assistant", "content": "two"}, tags=["x"]),
    Row(
        "b",
        [{"role": "system", "content": "S"}, {"role": "user", "content": "q"}],
        {"role": "assistant", "content": "r"},
    ),
]


@pytest.mark.parametrize("name", list(ROW_EXPORTERS))
def test_an_exported_file_is_recognised_as_what_it_is(name: str, tmp_path: Path) -> None:
    exporter: RowExporter = ROW_EXPORTERS[name]()
    path = tmp_path / f"rows.{exporter.suffix}"
    path.write_bytes(b"".join(exporter.chunks(PLAIN)))
    assert recognise(path, READERS.items()) == exporter.reader
    suggested = READERS[exporter.reader]().suggest(path)
    assert {**suggested, **exporter.reader_params} == suggested


@pytest.mark.parametrize("name", list(ROW_EXPORTERS))
def test_no_rows_make_a_file_too(name: str) -> None:
    assert isinstance(b"".join(ROW_EXPORTERS[name]().chunks([])), bytes)


@pytest.mark.parametrize("name", list(ROW_EXPORTERS))
def test_every_exporter_says_what_it_is_and_what_it_carries(name: str) -> None:
    exporter = ROW_EXPORTERS[name]
    assert exporter.__doc__ and exporter.label and exporter.description and exporter.carries
    assert exporter.reader in READERS
    can_leave_out = exporter.misfit is not RowExporter.misfit
    assert bool(exporter.leaves_out) == can_leave_out

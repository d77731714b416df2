"""Files for readers, and what came out of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vault.readers.base import Reader, RowError
from vault.rows import Row

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """``make("text or bytes", name)``: a file with that content."""

    def write(content: str | bytes, name: str = "rows.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


def read(reader: Reader, path: Path, **params: object) -> tuple[list[Row], list[RowError]]:
    """The good rows and the problems of a file."""
    items = list(reader.rows(path, reader.Params(**params)))
    return [i for i in items if isinstance(i, Row)], [i for i in items if isinstance(i, RowError)]

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vault import search_index
from vault.search_index import SearchIndex, write_index

TEXTS = [
    "where is my card_arrival? order 0042",
    "my cards arrived in oslo",
    "東京に行きたい",
    "i like 👋🏽 and über-cool cafés",
    "مرحبا أين بطاقتي",
    "",
    "line one\nline two",
    "a null\0byte",
]


def scan(texts: list[str], wanted: str) -> list[int]:
    return [n for n, text in enumerate(texts) if wanted.lower() in text.replace("\0", " ")]


@pytest.fixture
def index(tmp_path: Path) -> SearchIndex:
    write_index(tmp_path / "index", TEXTS)
    return SearchIndex(tmp_path / "index")


@pytest.mark.parametrize(
    "wanted",
    [
        "card",
        "CARD",
        "arriv",
        "s",
        "my card",
        "d_a",
        "? order",
        "y c",
        "京",
        "東京に",
        "行きた",
        "👋",
        "👋🏽",
        "-cool",
        "fé",
        "?",
        "é",
        "أين",
        "بطاق",
        "e\nl",
        "null byte",
        "zzz",
        "my  card",
        " ",
        "\n",
        "0042",
        "two",
        "oslo ",
    ],
)
def test_a_piece_of_text_is_found_where_a_scan_finds_it(index: SearchIndex, wanted: str) -> None:
    assert np.flatnonzero(index.holding(wanted)).tolist() == scan(TEXTS, wanted)


@given(
    texts=st.lists(st.text("ab c.,_é東京👋\n", max_size=12), min_size=1, max_size=30),
    wanted=st.text("ab c.,_é東京👋\n", min_size=1, max_size=5),
)
@settings(max_examples=150, deadline=None)
def test_no_text_and_no_query_is_answered_otherwise_than_by_a_scan(
    texts: list[str], wanted: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("index")
    write_index(folder, texts)
    assert np.flatnonzero(SearchIndex(folder).holding(wanted)).tolist() == scan(texts, wanted)


def test_many_segments_and_blocks_answer_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_index, "POSTINGS", 50)
    monkeypatch.setattr(search_index, "BLOCK_ROWS", 3)
    monkeypatch.setattr(search_index, "MANY", 5)
    texts = [f"row {n} of town{n % 7}, worth {n * 37 % 101}!" for n in range(200)]
    write_index(tmp_path, texts)
    index = SearchIndex(tmp_path)
    assert len(list(tmp_path.glob("*.terms"))) > 5
    for wanted in ("7", "town3", "row 1", "of town6, worth", "!", "worth 99!", "wor", "nothing"):
        assert np.flatnonzero(index.holding(wanted)).tolist() == scan(texts, wanted)


def test_an_index_without_rows_holds_nothing(tmp_path: Path) -> None:
    write_index(tmp_path, [])
    assert SearchIndex(tmp_path).holding("x").tolist() == []


def test_the_same_rows_make_the_same_files(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from vault.search_index import write_index; "
        "write_index(pathlib.Path(sys.argv[1]), ['a card was lost', 'my other card', 'lost and found']); "
    )
    for seed in ("1", "2"):
        folder = tmp_path / seed
        subprocess.run(
            [sys.executable, "-c", program, str(folder)], check=True, env=os.environ | {"PYTHONHASHSEED": seed}
        )
    first, second = ({f.name: f.read_bytes() for f in (tmp_path / seed).iterdir()} for seed in ("1", "2"))
    assert first == second

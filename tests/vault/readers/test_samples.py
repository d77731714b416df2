"""A real file of every format, from the door to its rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from studio.registries import READERS
from vault.archives import expand
from vault.readers import recognise

from .conftest import read

DATA = Path(__file__).parents[2] / "data"

SAMPLES: list[tuple[str, str, int, str, str | None]] = [
    ("openai_chat.jsonl", "openai_chat", 3, "My card has not come yet.", "Cards take five"),
    ("openai_chat.parquet", "openai_chat", 2, "Hello", "Good day."),
    ("openai_tools.jsonl", "openai_chat", 2, "What is my balance?", "Your main account"),
    ("openai_weights.jsonl", "openai_chat", 3, "Are you sure?", "No, it is Paris."),
    ("openai_preference.jsonl", "preference", 2, "How warm is it in Rome today?", "About 24"),
    ("trl_preference.jsonl", "preference", 2, "What colour is the sky?", "Blue"),
    ("openai_stored_completions.jsonl", "openai_completions", 2, "My card has not come yet.", "card_arrival"),
    ("openai_evals.json", "openai_evals", 2, "My card has not come yet.", "card_arrival"),
    ("prompt_completion.jsonl", "prompt_completion", 2, "Translate to German: bridge", "Brücke"),
    ("alpaca.json", "alpaca", 3, "Write the plural.\n\nmouse", "mice"),
    ("sharegpt.json", "sharegpt", 2, "Is it raining in Oslo?", "No, it is dry."),
    ("columns.csv", "columns", 3, "My card, the new one, has not come.", None),
    ("columns.tsv", "columns", 2, "My card has not come.", None),
    ("columns_utf16.csv", "columns", 2, "Café à 5 €", None),
    ("columns.json", "columns", 2, "My card has not come.", None),
    ("columns.jsonl", "columns", 2, "What is 2 + 2?", "4"),
    ("columns.xlsx", "columns", 3, "My card has not come.", None),
    ("columns.parquet", "columns", 3, "My card has not come.", None),
    ("columns.arrow", "columns", 3, "My card has not come.", None),
    ("columns.feather", "columns", 3, "My card has not come.", None),
    ("hub_folder", "columns", 3, "כמה זה עולה?", None),
    ("saved_dataset", "columns", 3, "My card has not come.", None),
]


@pytest.mark.parametrize(("name", "key", "count", "asked", "answered"), SAMPLES, ids=[sample[0] for sample in SAMPLES])
def test_a_sample_is_recognised_and_becomes_rows(
    name: str, key: str, count: int, asked: str, answered: str | None
) -> None:
    path = DATA / name
    assert recognise(path, READERS.items()) == key
    reader = READERS[key]()
    rows, problems = read(reader, path, **reader.suggest(path))
    assert problems == [] and len(rows) == count
    assert rows[0].user_text == asked
    assert (rows[0].completion_text or "")[: len(answered or "")] == (answered or "")
    assert reader.problems(path, reader.Params(**reader.suggest(path))) == []


@pytest.mark.parametrize(
    ("name", "count"), [("openai_chat.jsonl.gz", 2), ("openai_chat.jsonl.zst", 2), ("tickets.zip", 2)]
)
def test_a_packed_sample_is_unpacked_and_read(tmp_path: Path, name: str, count: int) -> None:
    rows: list[Any] = []
    for path in expand(DATA / name, tmp_path / "out"):
        reader = READERS[recognise(path, READERS.items())]()
        rows += read(reader, path, **reader.suggest(path))[0]
    assert len(rows) == count


def test_every_sample_is_in_the_list_of_formats() -> None:
    page = (DATA.parents[1] / "docs/concepts/formats.md").read_text()
    missing = [
        p.name for p in DATA.iterdir() if p.suffix != ".py" and not p.name.startswith("__") and p.name not in page
    ]
    assert missing == []


def test_broken_lines_are_named_and_the_good_one_is_kept() -> None:
    reader = READERS["openai_chat"]()
    rows, problems = read(reader, DATA / "broken.jsonl")
    assert len(rows) == 1
    assert [(p.line, p.column) for p in problems] == [
        (1, "messages"),
        (2, "1"),
        (3, "messages"),
        (4, "messages[0]"),
        (5, ""),
    ]


def test_rows_of_a_folder_say_which_file_and_split_they_come_from() -> None:
    rows, _ = read(READERS["columns"](), DATA / "hub_folder", prompt="{text}")
    assert [row.meta["split"] for row in rows] == ["test", "train", "train"]
    assert rows[1].meta["source"] == {"line": 1, "part": "data/train-00000-of-00001.parquet"}


def test_a_sheet_is_chosen_by_name() -> None:
    reader = READERS["columns"]()
    assert reader.columns(DATA / "columns.xlsx", reader.Params(sheet="Notes")) == ["nothing here"]
    found = reader.columns(DATA / "columns.xlsx", reader.Params(sheet="Tickets"))
    assert found == ["text", "label", "amount", "day"]

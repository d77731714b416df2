from __future__ import annotations

import json
from pathlib import Path

import pytest

from vault.readers.base import ReaderError
from vault.readers.columns import Columns
from vault.readers.folder import holds_data, parts, split_of

from .conftest import read


@pytest.mark.parametrize(
    "name,split",
    [
        ("data/train-00000-of-00001.parquet", "train"),
        ("validation/part.jsonl", "validation"),
        ("dev.csv", "validation"),
        ("test_set.csv", "test"),
        ("constraint.csv", ""),
        ("latest.csv", ""),
        ("a.parquet", ""),
    ],
)
def test_the_split_is_read_from_the_name(name: str, split: str) -> None:
    assert split_of(name) == split


def test_scripts_cards_and_hidden_files_are_no_data() -> None:
    assert holds_data("data/train.parquet") and holds_data("A.CSV")
    for name in ("load.py", "README.md", ".cache/x.csv", "__MACOSX/._x.csv", "dataset_info.json", "x/.hidden.csv"):
        assert not holds_data(name)


def test_a_folder_is_read_file_by_file_and_problems_name_theirs(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "a.csv").write_text("text\none\n")
    (tmp_path / "b/c.jsonl").write_text('{"text": "two"}\n{"text"\n')
    (tmp_path / "load.py").write_text("raise SystemExit")
    rows, [problem] = read(Columns(), tmp_path, prompt="{text}")
    assert [(row.user_text, row.meta["source"]) for row in rows] == [
        ("one", {"line": 2, "part": "a.csv"}),
        ("two", {"line": 1, "part": "b/c.jsonl"}),
    ]
    assert (problem.file, problem.line) == ("b/c.jsonl", 2)


def test_a_saved_dataset_gives_its_splits_in_order_and_only_listed_files(tmp_path: Path) -> None:
    (tmp_path / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test", "../../etc"]}))
    for split in ("test", "train"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "data.csv").write_text(f"text\n{split}\n")
        (tmp_path / split / "left-over.csv").write_text("text\nold\n")
        (tmp_path / split / "state.json").write_text(json.dumps({"_data_files": [{"filename": "../x/data.csv"}]}))
    assert [part.name for part in parts(tmp_path)] == ["train/data.csv", "test/data.csv"]


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("text\nsecret\n")
    (tmp_path / "set").mkdir()
    (tmp_path / "set/a.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(ReaderError, match="holds no data file"):
        parts(tmp_path / "set")

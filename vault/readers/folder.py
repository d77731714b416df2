"""Folders of data files: a dataset as the hub serves it, one saved with ``save_to_disk``, or any folder of tables.

Only data is looked at; scripts, cards and descriptions in the folder are left alone and nothing in it is ever executed.
"""

from __future__ import annotations

import json
import re
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from vault.readers.base import ReaderError

FILES = 10_000
DATA_SUFFIXES = (".parquet", ".arrow", ".feather", ".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".xlsx")
NOT_DATA = {
    "dataset_info.json",
    "dataset_infos.json",
    "dataset_dict.json",
    "state.json",
    "croissant.json",
    "config.json",
}
SPLIT = re.compile(r"(?:^|[^a-z])(train|test|validation|valid|val|dev|eval)(?![a-z])")
SPLITS = {"valid": "validation", "val": "validation", "dev": "validation", "eval": "test"}


class Part(NamedTuple):
    """One file to read: where it lies, its name inside the folder (empty for a single file), the split it belongs to."""

    path: Path
    name: str = ""
    split: str = ""


def holds_data(name: str) -> bool:
    """Whether a file inside a folder or archive is one to read, by its name; what it is, its bytes decide later."""
    pure = PurePosixPath(name.replace("\\", "/").lower())
    hidden = any(piece.startswith((".", "__macosx")) and piece != ".." for piece in pure.parts)
    return not hidden and pure.name not in NOT_DATA and pure.name.endswith(DATA_SUFFIXES)


def split_of(name: str) -> str:
    """The split that a file's name (or its folder's) speaks of: train, validation, test, or nothing."""
    found = SPLIT.findall(name.lower())
    return SPLITS.get(found[-1], found[-1]) if found else ""


def parts(path: Path) -> list[Part]:
    """The files to read: the file itself, or a folder's data files in order. Raises :class:`ReaderError` for none at all."""
    if not path.is_dir():
        return [Part(path)]
    saved = _saved_splits(path)
    folders = [path / name for name in saved] if saved else [path]
    found = [part for folder in folders for part in _files(path, folder)]
    if not found:
        raise ReaderError(
            f"The folder {path.name} holds no data file.",
            action="Choose a folder with Parquet, Arrow, JSON, CSV or XLSX files.",
        )
    return found


def _saved_splits(path: Path) -> list[str]:
    """The splits of a folder that ``DatasetDict.save_to_disk`` wrote, in their order."""
    listed = _json(path / "dataset_dict.json").get("splits")
    names = listed if isinstance(listed, list) else []
    return [name for name in names if isinstance(name, str) and _inside(path, name).is_dir()]


def _files(root: Path, folder: Path) -> list[Part]:
    """Data files below ``folder``; those that a ``state.json`` lists, in its order, where there is one."""
    listed = _json(folder / "state.json").get("_data_files")
    wanted = [item.get("filename") for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    files = [_inside(folder, name) for name in wanted if isinstance(name, str)]
    files = [file for file in files if file.is_file() and not file.is_symlink()]
    if not files:
        files = sorted(
            file
            for file in folder.rglob("*")
            if not file.is_symlink() and file.is_file() and holds_data(file.relative_to(root).as_posix())
        )
    if len(files) > FILES:
        raise ReaderError(f"{root.name} holds more than {FILES:,} files.", action="Join them into fewer, larger files.")
    names = [file.relative_to(root).as_posix() for file in files]
    return [Part(file, name, split_of(name)) for file, name in zip(files, names, strict=True)]


def _inside(folder: Path, name: str) -> Path:
    """A file of this folder by its bare name: whatever else the name says is cut off."""
    return folder / (PurePosixPath(name.replace("\\", "/").replace("\0", "")).name or "-")


def _json(path: Path) -> dict[str, object]:
    """A small description file as an object; empty when it is missing, large or broken."""
    try:
        if not path.is_file() or path.is_symlink() or path.stat().st_size > 1 << 20:
            return {}
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}

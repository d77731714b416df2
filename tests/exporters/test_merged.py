"""A student written into its base model's weights, on a tiny real model."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pipelines.exporters import merged
from pipelines.recipes import predict
from pipelines.recipes.events import Events, RecipeError
from tests.recipes import tiny

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")

PAIRS = [("an apple", None), ("a carrot in the ground", None), ("a stone", None), ("iron", None)]


def answers(base: Path, adapter: Path | None, folder: Path) -> dict[str, Any]:
    """What is written to the rows by row id."""
    folder.mkdir()
    rows, out = tiny.write_rows(folder / "rows.jsonl", PAIRS), folder / "out.jsonl"
    config = {"base_model": str(base), "adapter": adapter and str(adapter), "rows": str(rows), "out": str(out)}
    told = predict.main(
        {**config, "mode": "generate", "max_new_tokens": 6, "precision": "float32", "threads": 1}, Events(io.StringIO())
    )
    assert set(told["energy"]) == {"joules", "counted", "why"}
    assert (told["energy"]["joules"] is None) == (told["energy"]["counted"] == [])
    return {line["id"]: line["text"] for line in map(json.loads, out.read_text("utf-8").splitlines())}


def test_the_merged_folder_answers_as_the_adapter_does(tiny_student: Path, adapter: Path, tmp_path: Path) -> None:
    out = tmp_path / "merged"
    config = {"base_model": str(tiny_student), "adapter": str(adapter), "out": str(out)}
    told = merged.main(config, Events(io.StringIO()))
    assert told == {"kind": "f16", "bytes": sum(f.stat().st_size for f in out.glob("*.safetensors"))}
    with_adapter = answers(tiny_student, adapter, tmp_path / "a")
    assert answers(out, None, tmp_path / "b") == with_adapter
    assert answers(tiny_student, None, tmp_path / "c") != with_adapter


def test_a_second_run_leaves_what_is_there(tiny_student: Path, adapter: Path, tmp_path: Path) -> None:
    config = {"base_model": str(tiny_student), "adapter": str(adapter), "out": str(tmp_path / "merged")}
    first = merged.main(config, Events(io.StringIO()))
    written = (tmp_path / "merged" / "config.json").stat().st_mtime_ns
    assert merged.main({**config, "adapter": "gone"}, Events(io.StringIO())) == first
    assert (tmp_path / "merged" / "config.json").stat().st_mtime_ns == written


def test_a_full_disk_is_said_before_anything_is_written(
    tiny_student: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage(NamedTuple):
        free: int

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10))
    config = {"base_model": str(tiny_student), "adapter": str(adapter), "out": str(tmp_path / "merged")}
    with pytest.raises(RecipeError, match="GB are free") as problem:
        merged.main(config, Events(io.StringIO()))
    assert problem.value.code == "disk_full"
    assert not [p for p in tmp_path.iterdir() if p.name.startswith("merged")]

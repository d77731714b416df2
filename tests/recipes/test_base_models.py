"""Base models: what is accepted, what is refused and why."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pipelines.recipes import base_models
from pipelines.recipes.events import RecipeError


def refused(ref: str, *, cache: Path, allowed: Path | None = None) -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        base_models.resolve(ref, cache_dir=cache, allowed_dirs=[allowed] if allowed else [])
    assert caught.value.action
    return caught.value


@pytest.mark.parametrize("ref", ["smollm2", "ftp:model", "folder:", ""])
def test_what_names_no_base_model_is_refused_with_the_forms_that_do(ref: str, tmp_path: Path) -> None:
    assert "hub:org/name@revision" in refused(ref, cache=tmp_path).action


def test_a_folder_is_used_in_place_and_known_by_its_files(tiny_model_dir: Path, tmp_path: Path) -> None:
    model = base_models.resolve(f"folder:{tiny_model_dir}", cache_dir=tmp_path, allowed_dirs=[tiny_model_dir.parent])
    assert model.path == tiny_model_dir.resolve()
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= set(model.files)
    copy = tmp_path / "copy"
    shutil.copytree(tiny_model_dir, copy)
    again = base_models.resolve(f"folder:{copy}", cache_dir=tmp_path, allowed_dirs=[tmp_path])
    assert again.revision == model.revision
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 1e-5}))
    changed = base_models.resolve(f"folder:{copy}", cache_dir=tmp_path, allowed_dirs=[tmp_path])
    assert changed.revision != model.revision


def test_a_folder_outside_the_allowed_ones_is_refused(tiny_model_dir: Path, tmp_path: Path) -> None:
    assert refused(f"folder:{tiny_model_dir}", cache=tmp_path, allowed=tmp_path).code == "not_allowed"
    link = tmp_path / "link"
    link.symlink_to(tiny_model_dir)
    assert refused(f"folder:{link}", cache=tmp_path, allowed=tmp_path).code == "not_allowed"


@pytest.mark.parametrize(
    ("missing", "code"),
    [
        (["config.json"], "bad_model"),
        (["model.safetensors"], "bad_model"),
        (["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"], "no_tokenizer"),
        (["chat_template.jinja"], "no_chat_template"),
    ],
)
def test_an_incomplete_folder_is_refused_by_what_it_lacks(
    missing: list[str], code: str, tiny_model_dir: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "model"
    shutil.copytree(tiny_model_dir, copy)
    for name in missing:
        (copy / name).unlink()
    assert refused(f"folder:{copy}", cache=tmp_path / "cache", allowed=tmp_path).code == code


def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path) -> None:
    fake = tmp_path / "model.gguf"
    fake.write_bytes(b"GGUF but not really")
    error = refused(f"gguf:{fake}", cache=tmp_path / "cache", allowed=tmp_path)
    assert "model.gguf" in str(error)
    assert list((tmp_path / "cache").iterdir()) == []


def test_an_unknown_embedded_model_names_those_there_are(tmp_path: Path) -> None:
    assert "smollm2-135m-instruct" in refused("embedded:gpt-7", cache=tmp_path).action


@pytest.mark.heavy
def test_the_embedded_model_becomes_a_folder_of_bf16_safetensors_once(tmp_path: Path) -> None:
    from safetensors import safe_open

    model = base_models.resolve("embedded:smollm2-135m-instruct", cache_dir=tmp_path)
    with safe_open(model.path / "model.safetensors", "pt") as weights:
        assert weights.get_tensor("model.norm.weight").dtype.itemsize == 2
    assert "quantization_config" not in json.loads((model.path / "config.json").read_text())
    stamp = model.path.stat().st_mtime_ns
    again = base_models.resolve("embedded:smollm2-135m-instruct", cache_dir=tmp_path)
    assert again == model
    assert model.path.stat().st_mtime_ns == stamp

"""Exporting for real: a tiny student with its adapter becomes files that llama.cpp opens."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pipelines.exporters import convert, gguf
from pipelines.exporters.gguf import GgufExporter
from pipelines.exporters.llama import Model
from pipelines.recipes.events import Events, RecipeError
from tests.exporters.conftest import export_config
from tests.recipes import tiny

NAMES = ["tiny-F16.gguf", "tiny-Q8_0.gguf", "tiny-Q4_K_M.gguf"]


def test_the_files_are_listed_from_the_most_to_the_least_exact(exported: Any) -> None:
    folder, record = exported
    assert [f["name"] for f in record["files"]] == NAMES
    sizes = [f["size"] for f in record["files"]]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes == [(folder / name).stat().st_size for name in NAMES]
    assert sorted(p.name for p in folder.iterdir()) == sorted([*NAMES, "Modelfile", "README.md", "export.json"])


def test_a_file_carries_its_own_tokenizer_and_chat_template(exported: Any, tiny_student: Path) -> None:
    folder, record = exported
    model = Model(folder / "tiny-Q8_0.gguf", gpu=False)
    template = (tiny_student / "chat_template.jinja").read_text("utf-8")
    assert model.chat_template == template
    assert model.metadata("general.name") == "tiny"
    assert model.metadata("tokenizer.ggml.pre") == "smollm"
    assert record["files"][1]["vocabulary"] == model.size == 49_152
    model.close()


def test_types_that_do_not_fit_the_width_are_told(exported: Any) -> None:
    _, record = exported
    notes = " ".join(record["files"][2]["notes"])
    assert "64 wide, not a multiple of 256, so llama.cpp stored them as" in notes
    assert "bits per weight" in notes


def test_the_texts_say_how_to_run_it(exported: Any) -> None:
    folder, _ = exported
    modelfile = (folder / "Modelfile").read_text("utf-8")
    assert modelfile.startswith("FROM ./tiny-F16.gguf\n")
    assert 'SYSTEM """Name the kind."""' in modelfile
    assert 'PARAMETER stop "<|im_end|>"' in modelfile
    assert "{{ range .Messages }}" in modelfile
    card = (folder / "README.md").read_text("utf-8")
    assert "> Name the kind." in card
    assert "- Teacher: recorded" in card
    assert "llama-server --model tiny-F16.gguf" in card


def test_a_second_run_makes_only_what_is_missing(
    tiny_student: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = export_config(tiny_student, adapter, tmp_path, "Q8_0", "Q4_0")
    made = []
    quantise = convert.quantise

    def killed_at_the_second(master: Path, out: Path, **options: Any) -> list[str]:
        if made:
            raise KeyboardInterrupt
        made.append(options["ftype"])
        return quantise(master, out, **options)

    monkeypatch.setattr(convert, "quantise", killed_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        GgufExporter().export(config, Events(io.StringIO()))
    first = Path(config["out"]) / "tiny-Q8_0.gguf"
    stamp = first.stat().st_mtime_ns

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("it was merged or converted again")

    monkeypatch.setattr(convert, "quantise", quantise)
    monkeypatch.setattr(convert, "convert", never)
    record = GgufExporter().export(config, Events(io.StringIO()))
    assert first.stat().st_mtime_ns == stamp
    assert [f["type"] for f in record["files"]] == ["Q8_0", "Q4_0"]
    assert not list((tmp_path / "work").glob("*.gguf"))


def test_what_another_adapter_left_is_not_gone_on_with(tiny_student: Path, adapter: Path, tmp_path: Path) -> None:
    config = export_config(tiny_student, adapter, tmp_path, "Q8_0")
    gguf.same_work(config)
    (tmp_path / "out" / "tiny-Q8_0.gguf").write_bytes(b"old")
    gguf.same_work(config)
    assert (tmp_path / "out" / "tiny-Q8_0.gguf").exists()
    other = tmp_path / "other"
    shutil.copytree(adapter, other)
    (other / "adapter_model.safetensors").write_bytes(b"something else")
    gguf.same_work({**config, "adapter": str(other)})
    assert not (tmp_path / "out" / "tiny-Q8_0.gguf").exists()


def test_a_full_disk_is_said_before_anything_is_written(
    tiny_student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage(NamedTuple):
        free: int

    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1_000_000))
    with pytest.raises(RecipeError, match=r"needs about .* GB and 0.0 GB are free"):
        GgufExporter().export(export_config(tiny_student, None, tmp_path, "Q8_0"), Events(io.StringIO()))
    assert not list((tmp_path / "work").glob("m*"))


def test_a_tokenizer_that_llama_cpp_does_not_know_is_refused_in_words(tmp_path: Path) -> None:
    base = tiny.save_model(tmp_path / "model")
    with pytest.raises(RecipeError, match="does not know this model's tokenizer"):
        GgufExporter().export(export_config(base, None, tmp_path, "Q8_0"), Events(io.StringIO()))


def test_a_file_that_is_not_gguf_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGUF" + b"\0" * 100)
    with pytest.raises(RecipeError, match=r"could not open x\.gguf"):
        Model(tmp_path / "x.gguf")


def test_every_choice_is_one_llama_cpp_knows() -> None:
    import llama_cpp

    choices = GgufExporter.Params.model_json_schema()["properties"]["quantisations"]["items"]["enum"]
    assert choices == list(convert.FTYPES)
    for name, number in convert.FTYPES.items():
        assert getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{name}") == number


def test_an_adapter_folder_without_weights_is_refused(tiny_student: Path, tmp_path: Path) -> None:
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "training.json").write_text(json.dumps({}))
    with pytest.raises(RecipeError, match="no weights"):
        GgufExporter().export(
            export_config(tiny_student, tmp_path / "adapter", tmp_path, "Q8_0"), Events(io.StringIO())
        )

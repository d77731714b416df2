"""What a model's folder holds and how it is run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evaluation.gguf import commands_for, files_of, preferred_file, quantisation_of, read_export


def make_folder(folder: Path, names: dict[str, int], export: dict[str, object] | None = None) -> Path:
    """A folder with a manifest of these sizes."""
    files = {name: {"size": size, "sha256": "ab" * 32} for name, size in names.items()}
    (folder / "manifest.json").write_text(json.dumps({"files": files}))
    if export is not None:
        (folder / "export.json").write_text(json.dumps(export))
    return folder


def test_weights_come_first_from_the_largest_with_what_was_measured(tmp_path: Path) -> None:
    export = {
        "files": [
            {
                "name": "m-Q4_K_M.gguf",
                "type": "Q4_K_M",
                "parity": {"same": 9, "rows": 10, "differences": [{"id": "r1"}]},
                "notes": ["fell back"],
            }
        ]
    }
    folder = make_folder(tmp_path, {"README.md": 5, "m-Q4_K_M.gguf": 90, "m-Q8_0.gguf": 140, "export.json": 9}, export)
    files = files_of(folder, read_export(folder))
    assert [f.name for f in files] == ["m-Q8_0.gguf", "m-Q4_K_M.gguf", "README.md"]
    assert files[1].parity == 0.9
    assert files[1].notes == ["fell back"]
    assert files[1].differences == [{"id": "r1"}]
    assert files[0].parity is None
    assert files[0].quantisation == "Q8_0"


def test_a_folder_without_export_facts_still_lists_its_files(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, {"m-Q8_0.gguf": 1})
    assert read_export(folder) == {}
    assert len(files_of(folder, {})) == 1


@pytest.mark.parametrize(
    ("name", "quantisation"),
    [
        ("a-Q8_0.gguf", "Q8_0"),
        ("a-b-q4_k_m.gguf", "Q4_K_M"),
        ("a-BF16.gguf", "BF16"),
        ("a.gguf", ""),
        ("IQ-notes.md", ""),
    ],
)
def test_the_type_is_read_off_the_name(name: str, quantisation: str) -> None:
    assert quantisation_of(name) == quantisation


def test_commands_name_the_preferred_file_and_a_safe_model_name(tmp_path: Path) -> None:
    files = files_of(make_folder(tmp_path, {"m-F16.gguf": 300, "m-Q8_0.gguf": 140, "Modelfile": 3}), {})
    assert preferred_file(files) is files[1]
    commands = {c.program: c.code for c in commands_for(files, name="My Student; rm -rf /")}
    assert commands["Ollama"].startswith("ollama create my-student-rm--rf -f Modelfile")
    assert "m-Q8_0.gguf" in commands["llama.cpp"]
    assert set(commands) == {"Ollama", "llama.cpp", "LM Studio", "Python"}


def test_ollama_is_told_the_file_that_the_modelfile_starts_from(tmp_path: Path) -> None:
    files = files_of(make_folder(tmp_path, {"m-F16.gguf": 300, "m-Q8_0.gguf": 140, "Modelfile": 3}), {})
    ollama = commands_for(files, name="m", modelfile_names="m-F16.gguf")[0]
    assert "Download m-F16.gguf and Modelfile" in ollama.text


def test_no_weights_no_commands_and_no_modelfile_no_ollama(tmp_path: Path) -> None:
    assert commands_for([], name="x") == []
    files = files_of(make_folder(tmp_path, {"m-Q8_0.gguf": 140}), {})
    assert "Ollama" not in {c.program for c in commands_for(files, name="x")}

"""What a GGUF artifact holds, and the commands that run it elsewhere. Pure: a folder in, plain data out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

EXPORT_FILE = "export.json"
MANIFEST = "manifest.json"
PREFERRED = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "F16", "BF16")
"""Which file the commands name when there are several: the smallest that is as good as unchanged comes first."""


@dataclass(frozen=True)
class ModelFile:
    """One file of the artifact. ``parity_same`` of ``parity_rows``: rows on which it gives the adapter's answer; None when not
    checked. ``differences``: the first rows on which it does not, as ``{"id", "question", "adapter", "file"}``. ``notes``: what
    llama.cpp said while quantising."""

    name: str
    size: int
    sha256: str
    quantisation: str = ""
    parity_same: int | None = None
    parity_rows: int | None = None
    rows_per_second: float | None = None
    notes: list[str] = field(default_factory=list)
    differences: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_model(self) -> bool:
        """Whether it is weights (and not the model card, say)."""
        return self.name.endswith(".gguf")

    @property
    def parity(self) -> float | None:
        """Share of rows answered as the adapter does."""
        return self.parity_same / self.parity_rows if self.parity_rows and self.parity_same is not None else None


@dataclass(frozen=True)
class RunCommand:
    """How to run the model in one program."""

    program: str
    text: str
    code: str


def read_export(folder: Path) -> dict[str, Any]:
    """What the exporter wrote of its files, or an empty dict."""
    path = folder / EXPORT_FILE
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def files_of(folder: Path, export: Mapping[str, Any]) -> list[ModelFile]:
    """Every file with its size and hash from the manifest, weights first, with what the exporter measured of each."""
    told = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
    measured = {str(item["name"]): item for item in export.get("files") or []}
    files = [_file(name, facts, measured.get(name, {})) for name, facts in told.items() if name != EXPORT_FILE]
    return sorted(files, key=lambda f: (not f.is_model, -f.size if f.is_model else 0, f.name))


def _file(name: str, facts: Mapping[str, Any], measured: Mapping[str, Any]) -> ModelFile:
    parity = measured.get("parity") or {}
    return ModelFile(
        name=name,
        size=int(facts["size"]),
        sha256=str(facts["sha256"]),
        quantisation=str(measured.get("type") or quantisation_of(name)),
        parity_same=parity.get("same"),
        parity_rows=parity.get("rows"),
        rows_per_second=measured.get("rows_per_second"),
        notes=[str(note) for note in measured.get("notes") or []],
        differences=list(parity.get("differences") or []),
    )


def quantisation_of(name: str) -> str:
    """``Q8_0`` of ``name-Q8_0.gguf``, or nothing."""
    found = re.search(r"-((?:IQ|Q|F|BF)\d+(?:_\w+)?)\.gguf$", name, re.IGNORECASE)
    return found.group(1).upper() if found else ""


def preferred_file(files: Sequence[ModelFile]) -> ModelFile | None:
    """The file that the commands name."""
    models = [f for f in files if f.is_model]
    by_type = {f.quantisation: f for f in models}
    return next((by_type[q] for q in PREFERRED if q in by_type), models[0] if models else None)


def commands_for(files: Sequence[ModelFile], *, name: str, modelfile_names: str = "") -> list[RunCommand]:
    """How to run the model in Ollama, llama.cpp, LM Studio and Python, in a folder that holds its files.

    ``modelfile_names``: the weights that the Modelfile starts from; blank when that is not known.
    """
    chosen = preferred_file(files)
    if chosen is None:
        return []
    slug = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-.") or "student"
    has_modelfile = any(f.name == "Modelfile" for f in files)
    commands = []
    if has_modelfile:
        commands.append(
            RunCommand(
                "Ollama",
                f"Download {modelfile_names or chosen.name} and Modelfile into one folder, then:",
                f"ollama create {slug} -f Modelfile\nollama run {slug}",
            )
        )
    commands += [
        RunCommand(
            "llama.cpp",
            "A server that speaks the OpenAI protocol on port 8080:",
            f"llama-server --model {chosen.name} --port 8080",
        ),
        RunCommand(
            "LM Studio",
            "Import the file, then choose it in the app:",
            f"lms import {chosen.name}",
        ),
        RunCommand(
            "Python",
            "With llama-cpp-python:",
            "from llama_cpp import Llama\n\n"
            f'model = Llama("{chosen.name}", n_ctx=0)\n'
            "answer = model.create_chat_completion(\n"
            '    [{"role": "user", "content": "…"}],\n'
            "    temperature=0,\n"
            ")\n"
            'print(answer["choices"][0]["message"]["content"])',
        ),
    ]
    return commands

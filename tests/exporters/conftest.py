"""One real export of a tiny student, shared by the exporter tests."""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path
from typing import Any

import pytest

from pipelines.exporters.gguf import GgufExporter
from pipelines.recipes.events import Events


def make_adapter(base: Path, folder: Path) -> Path:
    """A random adapter for a model folder, strong enough to change its answers."""
    import torch
    from transformers import AutoModelForCausalLM

    from pipelines.recipes import lora

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        wrapped = lora.attach(
            AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), rank=4, alpha=8, dropout=0, seed=3
        )
        for name, parameter in wrapped.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.3)
        wrapped.save_pretrained(folder)
    return folder


def export_config(base: Path, adapter: Path | None, root: Path, *quantisations: str) -> dict[str, Any]:
    """The exporter child's config."""
    return {
        "base_model": {"path": str(base), "ref": "folder:tiny", "revision": "r1"},
        "adapter": None if adapter is None else str(adapter),
        "out": str(root / "out"),
        "work": str(root / "work"),
        "name": "tiny",
        "quantisations": list(quantisations),
        "system": "Name the kind.",
        "card": {"Teacher": "recorded"},
        "threads": 1,
    }


@pytest.fixture(scope="session")
def adapter(tiny_student: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random adapter of the tiny student."""
    return make_adapter(tiny_student, tmp_path_factory.mktemp("adapter") / "adapter")


@pytest.fixture(scope="session")
def exported(
    tiny_student: Path, adapter: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """``(folder, export.json)`` of the tiny student with its adapter as F16, Q8_0 and Q4_K_M."""
    config = export_config(tiny_student, adapter, tmp_path_factory.mktemp("export"), "Q4_K_M", "F16", "Q8_0")
    record = GgufExporter().export(config, Events(io.StringIO()))
    folder = Path(config["out"])
    assert json.loads((folder / "export.json").read_text("utf-8")) == record
    return folder, record

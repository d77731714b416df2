"""A student small enough to go the whole way in seconds, and files to distil from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

LABELS = ("fruit", "metal", "bird")
THINGS = {
    "fruit": ("apple", "pear", "plum", "fig", "lime", "kiwi", "date", "grape", "peach", "mango"),
    "metal": ("iron", "tin", "zinc", "lead", "gold", "copper", "silver", "nickel", "cobalt", "chrome"),
    "bird": ("crow", "wren", "gull", "tern", "kite", "duck", "swan", "finch", "heron", "robin"),
}
"""What the files ask about: 30 things of three kinds, each asked in two ways."""


@pytest.fixture(scope="session")
def tiny_student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """See :func:`make_student`."""
    return make_student(tmp_path_factory.mktemp("students"))


def make_student(root: Path) -> Path:
    """A random two-layer Llama with the embedded model's tokenizer and chat template, as a folder of safetensors.

    Of the embedded model only the tokenizer is read: its weights would take half a minute of processor time.
    """
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from pipelines.recipes.base_models import embedded_file

    embedded = embedded_file("smollm2-135m-instruct")
    folder = root / "tiny"
    AutoTokenizer.from_pretrained(str(embedded.parent), gguf_file=embedded.name).save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=49_152,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=8_192,
        rms_norm_eps=1e-5,
        pad_token_id=2,
        tie_word_embeddings=True,
        rope_parameters={"rope_theta": 100_000.0, "rope_type": "default"},
    )
    torch.manual_seed(7)
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    return folder


def write_things(path: Path) -> Path:
    """A CSV of 60 questions with their kind."""
    lines = ["question,kind"]
    for kind, names in THINGS.items():
        for name in names:
            lines += [f"What is {name}?,{kind}", f"Tell me the kind of {name},{kind}"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def whole_path(student: Path, *, teacher: dict[str, Any], train: dict[str, Any]) -> dict[str, Any]:
    """A spec from the dataset ``things`` to a Q8_0 file, with these params of the teacher and of the training."""
    steps: list[tuple[str, str, dict[str, Any]]] = [
        ("data", "dataset", {"dataset": "things"}),
        ("teacher", "generate", teacher),
        ("unique", "dedupe_exact", {}),
        ("lengths", "filter_length", {}),
        ("labels", "allowed_labels", {}),
        ("split", "split", {"validation": 0.1, "test": 0.2}),
        ("student", "train", {"base_model": f"folder:{student}", "rows_per_step": 8, **train}),
        ("report", "evaluate", {"max_new_tokens": 4, "latency_rows": 1}),
        ("model", "export_gguf", {"quantisations": ["Q8_0"]}),
    ]
    edges = [
        ("data.rows", "teacher.rows"),
        ("teacher.rows", "unique.rows"),
        ("unique.rows", "lengths.rows"),
        ("lengths.rows", "labels.rows"),
        ("labels.rows", "split.rows"),
        ("split.train", "student.train"),
        ("split.validation", "student.validation"),
        ("split.test", "report.rows"),
        ("split.train", "report.train"),
        ("student.adapter", "report.student"),
        ("student.adapter", "model.student"),
        ("split.test", "model.rows"),
    ]
    return {
        "schema": 1,
        "nodes": [{"id": node, "step": step, "params": params} for node, step, params in steps],
        "edges": [{"from": source, "to": target} for source, target in edges],
    }

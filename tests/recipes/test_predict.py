"""The predictions child on a tiny real model."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from pipelines.recipes import lora, predict
from pipelines.recipes.events import Events, RecipeError
from tests.recipes import tiny

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")

PAIRS = [("an apple", "fruit"), ("a carrot in the ground", "vegetable"), ("a stone", "mineral"), ("iron", "mineral")]
LABELS = ["fruit", "vegetable", "animal", "mineral"]


def config(base: Path, tmp_path: Path, **changes: Any) -> dict[str, Any]:
    rows = tiny.write_rows(tmp_path / "rows.jsonl", PAIRS)
    values = {"base_model": str(base), "adapter": None, "rows": str(rows), "out": str(tmp_path / "out.jsonl")}
    return {**values, "mode": "generate", "max_new_tokens": 6, "precision": "float32", "threads": 1, **changes}


def run(values: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    result = predict.main(values, Events(io.StringIO()))
    return result, [json.loads(line) for line in Path(values["out"]).read_text("utf-8").splitlines()]


def test_answers_are_those_of_the_models_own_generate(tiny_model_dir: Path, tmp_path: Path, chat: Any) -> None:
    result, lines = run(config(tiny_model_dir, tmp_path))
    assert result["rows"] == len(lines) == 4
    assert result["shared_prefix_tokens"] > 5
    assert result["processor_seconds"] > 0
    model = AutoModelForCausalLM.from_pretrained(tiny_model_dir, dtype=torch.float32)
    for line, (text, _) in zip(sorted(lines, key=lambda x: x["id"]), PAIRS, strict=True):
        prompt = [{"role": "system", "content": "Classify the message."}, {"role": "user", "content": text}]
        ids = torch.tensor(chat.encode_prompts([prompt]))
        limits = {"max_new_tokens": 6, "do_sample": False, "pad_token_id": 0, "eos_token_id": list(chat.stop_ids)}
        out = model.generate(ids, attention_mask=torch.ones_like(ids), **limits)[0, ids.shape[1] :]
        assert line["text"] == chat.tokenizer.decode(out, skip_special_tokens=True)
        assert line["error"] is None


def test_labels_come_with_a_confidence_and_some_rows_with_a_latency(tiny_model_dir: Path, tmp_path: Path) -> None:
    _, lines = run(config(tiny_model_dir, tmp_path, mode="both", labels=LABELS, latency_rows=2))
    assert {line["label"] for line in lines} <= set(LABELS)
    assert all(1 / len(LABELS) <= line["confidence"] <= 1 for line in lines)
    assert all(line["text"] is not None for line in lines)
    assert sum(line["latency_ms"] is not None for line in lines) == 2


def test_a_second_run_answers_only_what_is_missing(tiny_model_dir: Path, tmp_path: Path) -> None:
    values = config(tiny_model_dir, tmp_path)
    _, lines = run(values)
    kept = json.dumps({**lines[0], "text": "kept as it was"})
    Path(values["out"]).write_text(kept + '\n{"id": "r', encoding="utf-8")
    result, again = run(values)
    assert result["answered_now"] == 3
    assert again[0]["text"] == "kept as it was"
    assert sorted(line["id"] for line in again) == ["r0", "r1", "r2", "r3"]


def test_a_prompt_longer_than_the_context_gets_an_error_line(tiny_model_dir: Path, tmp_path: Path) -> None:
    values = config(tiny_model_dir, tmp_path)
    tiny.write_rows(Path(values["rows"]), [("an apple", None), ("stone " * 600, None)])
    result, lines = run(values)
    bad = next(line for line in lines if line["id"] == "r1")
    assert "at most 512" in bad["error"]
    assert bad["text"] is None
    assert result["errors"] == 1


def test_no_row_at_all_that_fits_is_the_users_error(tiny_model_dir: Path, tmp_path: Path) -> None:
    values = config(tiny_model_dir, tmp_path)
    tiny.write_rows(Path(values["rows"]), [("stone " * 600, None)])
    with pytest.raises(RecipeError, match="None of the 1 rows"):
        run(values)


def test_an_adapter_changes_the_answers_as_peft_says(tiny_model_dir: Path, tmp_path: Path) -> None:
    base = AutoModelForCausalLM.from_pretrained(tiny_model_dir, dtype=torch.float32)
    wrapped = lora.attach(base, rank=4, alpha=64, dropout=0.0, seed=1)
    for name, parameter in wrapped.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.2)
    wrapped.save_pretrained(tmp_path / "adapter")
    ids = torch.arange(5, 25)[None]
    expected = wrapped(input_ids=ids).logits
    merged = predict.load_model(tiny_model_dir, tmp_path / "adapter", precision="float32")
    torch.testing.assert_close(merged(input_ids=ids).logits, expected, atol=1e-3, rtol=1e-3)
    plain = predict.load_model(tiny_model_dir, None, precision="float32")
    assert not torch.allclose(plain(input_ids=ids).logits, expected, atol=1e-2)


def test_an_adapter_of_another_model_is_refused(tiny_model_dir: Path, tmp_path: Path) -> None:
    other = tiny.make_model(hidden_size=32, head_dim=8)
    lora.attach(other, rank=2, alpha=2, dropout=0.0, seed=0).save_pretrained(tmp_path / "adapter")
    with pytest.raises(RecipeError, match="does not fit"):
        predict.load_model(tiny_model_dir, tmp_path / "adapter", precision="float32")


def test_as_a_child_it_speaks_events(tiny_model_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config(tiny_model_dir, tmp_path)), encoding="utf-8")
    command = [sys.executable, "-m", "pipelines.recipes.predict", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert events[-1]["event"] == "result"
    assert events[-1]["rows"] == 4

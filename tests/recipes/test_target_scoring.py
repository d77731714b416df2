"""The likelihood of given answers is the loss of a plain forward."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from pipelines.recipes import predict, target_scoring
from pipelines.recipes.events import Events
from tests.recipes import tiny

PAIRS = [
    ("an apple", "fruit"),
    ("a carrot in the ground", "a long vegetable answer " * 3),
    ("a stone", None),
    ("iron", "mineral"),
]


def config(base: Path, tmp_path: Path, **changes: Any) -> dict[str, Any]:
    rows = tiny.write_rows(tmp_path / "rows.jsonl", PAIRS)
    values = {"base_model": str(base), "adapter": None, "rows": str(rows), "out": str(tmp_path / "out.jsonl")}
    return {
        **values,
        "mode": "generate",
        "max_new_tokens": 4,
        "precision": "float32",
        "threads": 1,
        "score_targets": True,
        **changes,
    }


def run(values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    predict.main(values, Events(io.StringIO()))
    return {line["id"]: line for line in map(json.loads, Path(values["out"]).read_text("utf-8").splitlines())}


@pytest.mark.parametrize(
    "changes", [{}, {"latency_rows": 2}, {"batch_tokens": 64}, {"mode": "both", "labels": ["a", "b"]}]
)
def test_it_is_the_loss_of_transformers(
    tiny_model_dir: Path, tmp_path: Path, chat: Any, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    monkeypatch.setattr(target_scoring, "MOST_TOKENS", 5)
    lines = run(config(tiny_model_dir, tmp_path, **changes))
    model = AutoModelForCausalLM.from_pretrained(tiny_model_dir, dtype=torch.float32)
    for number, (text, answer) in enumerate(PAIRS):
        line = lines[f"r{number}"]
        assert line["text"] is not None
        if answer is None:
            assert (line["nll"], line["nll_tokens"]) == (None, 0)
            continue
        prompt = [{"role": "system", "content": "Classify the message."}, {"role": "user", "content": text}]
        encoded = chat.encode([(prompt, {"role": "assistant", "content": answer})])[0]
        ids = torch.tensor([[*encoded.prompt, *encoded.completion]])
        labels = ids.clone()
        labels[:, : len(encoded.prompt)] = -100
        loss = model(input_ids=ids, labels=labels).loss.item()
        assert line["nll_tokens"] == len(encoded.completion)
        assert line["nll"] / line["nll_tokens"] == pytest.approx(loss, rel=1e-4)


def test_answers_are_the_same_with_it_and_without(tiny_model_dir: Path, tmp_path: Path) -> None:
    plain = run(config(tiny_model_dir, tmp_path, score_targets=False))
    Path(tmp_path / "out.jsonl").unlink()
    scored = run(config(tiny_model_dir, tmp_path))
    assert {k: v["text"] for k, v in plain.items()} == {k: v["text"] for k, v in scored.items()}
    assert all(line["nll"] is None for line in plain.values())


def test_an_answer_that_does_not_fit_has_no_likelihood(tiny_model_dir: Path, tmp_path: Path) -> None:
    values = config(tiny_model_dir, tmp_path)
    tiny.write_rows(Path(values["rows"]), [("an apple", "fruit"), ("a stone", "mineral " * 600)])
    lines = run(values)
    assert lines["r0"]["nll"] is not None
    assert lines["r1"]["nll"] is None
    assert lines["r1"]["error"] is None


def test_chains_are_cut_and_go_on_in_a_later_forward() -> None:
    groups = target_scoring._groups([(0, 300), (1, 0), (2, 10), (3, 250)])
    assert groups == [[(0, 0, 256)], [(0, 256, 300), (2, 0, 10), (3, 0, 202)], [(3, 202, 250)]]

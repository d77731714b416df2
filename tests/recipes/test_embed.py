"""The child that compares texts, on a tiny random BERT."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertConfig, BertModel

from pipelines.recipes import embed
from pipelines.recipes.events import Events, RecipeError
from tests.recipes import tiny

PAIRS = [["an apple", "an apple"], ["an apple", "a stone in the ground"], ["", "iron"], ["iron " * 200, "iron"]]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT of 64 positions with the tiny tokenizer, as safetensors."""
    folder = tmp_path_factory.mktemp("models") / "encoder"
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=320,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    tiny.make_tokenizer().save_pretrained(folder)
    return folder


def run(encoder: Path, tmp_path: Path, **changes: Any) -> tuple[dict[str, Any], list[float | None]]:
    pairs, out = tmp_path / "pairs.jsonl", tmp_path / "out.jsonl"
    pairs.write_text("".join(json.dumps(pair) + "\n" for pair in PAIRS), encoding="utf-8")
    config = {"ref": f"folder:{encoder}", "allowed_dirs": [str(encoder.parent)], "pairs": str(pairs), "out": str(out)}
    told = embed.main({**config, "threads": 1, **changes}, Events(io.StringIO()))
    return told, [json.loads(line) for line in out.read_text("utf-8").splitlines()]


def test_it_is_the_cosine_of_the_means(encoder: Path, tmp_path: Path) -> None:
    told, found = run(encoder, tmp_path)
    model, tokenizer = BertModel.from_pretrained(encoder).eval(), tiny.make_tokenizer()

    def mean(text: str) -> torch.Tensor:
        ids = torch.tensor([tokenizer(text)["input_ids"][:64]])
        with torch.inference_mode():
            return model(input_ids=ids).last_hidden_state[0].mean(0)

    assert found[0] == pytest.approx(1.0)
    assert found[1] == pytest.approx(
        torch.cosine_similarity(mean("an apple"), mean(PAIRS[1][1]), dim=0).item(), abs=1e-5
    )
    assert found[2] is None
    assert found[3] == pytest.approx(torch.cosine_similarity(mean("iron " * 200), mean("iron"), dim=0).item(), abs=1e-5)
    assert (told["pairs"], told["texts"], told["cut"], told["model"]) == (4, 5, 1, "encoder")
    assert len(told["revision"]) == 64


def test_batches_change_nothing(encoder: Path, tmp_path: Path) -> None:
    assert run(encoder, tmp_path)[1] == pytest.approx(run(encoder, tmp_path, batch_tokens=8)[1], abs=1e-5)


def test_only_the_operators_folders_are_read(encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="outside the folders"):
        run(encoder, tmp_path, allowed_dirs=[str(tmp_path)])
    with pytest.raises(RecipeError, match="no folder on this machine"):
        run(encoder, tmp_path, ref="hub:org/name")


def test_pickled_weights_are_refused(encoder: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    for file in encoder.iterdir():
        if file.suffix != ".safetensors":
            (bad / file.name).write_bytes(file.read_bytes())
    (bad / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(RecipeError, match="pickled"):
        run(bad, tmp_path, allowed_dirs=[str(tmp_path)])

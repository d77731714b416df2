"""A file through llama.cpp against the adapter through torch: the same prompts, scores and answers."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.exporters import gguf_predict
from pipelines.exporters.llama import FileDecoder, Model
from pipelines.recipes import predict
from pipelines.recipes.events import Events, RecipeError
from pipelines.recipes.generation import generate
from tests.recipes import tiny

LABELS = ["fruit", "metal", "bird", "a bird of prey", "a bird of passage"]
WORDS = ["an apple", "iron ore", "the wren in the hedge", "Zürich 12 €", "gold", "a heron", "two kiwis", "tin"]


def run(child: Any, out: Path, **config: Any) -> list[dict[str, Any]]:
    rows = tiny.write_rows(out.with_suffix(".rows"), [(word, None) for word in WORDS])
    common = {"rows": str(rows), "out": str(out), "mode": "both", "labels": LABELS, "max_new_tokens": 5, "threads": 1}
    child.main({**common, "batch_tokens": 512, **config}, Events(io.StringIO()))
    return sorted((json.loads(line) for line in out.read_text("utf-8").splitlines()), key=lambda x: x["id"])


@pytest.fixture(scope="module")
def both(exported: Any, tiny_student: Path, adapter: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """``(torch's lines, llama.cpp's lines)`` of the F16 file, in fp32 on torch's side."""
    root = tmp_path_factory.mktemp("both")
    torch_side = {"base_model": str(tiny_student), "adapter": str(adapter), "precision": "float32"}
    ours = run(predict, root / "torch.jsonl", **torch_side)
    theirs = run(gguf_predict, root / "llama.jsonl", gguf=str(exported[0] / "tiny-F16.gguf"))
    return ours, theirs


def test_prompts_are_the_same_tokens(both: Any) -> None:
    ours, theirs = both
    assert [line["prompt_tokens"] for line in ours] == [line["prompt_tokens"] for line in theirs]


def test_labels_and_confidences_agree(both: Any) -> None:
    ours, theirs = both
    assert [line["label"] for line in ours] == [line["label"] for line in theirs]
    for a, b in zip(ours, theirs, strict=True):
        assert a["confidence"] == pytest.approx(b["confidence"], abs=0.01)


def test_greedy_answers_agree(both: Any) -> None:
    ours, theirs = both
    same = sum(a["text"] == b["text"] for a, b in zip(ours, theirs, strict=True))
    assert same >= len(ours) - 1, [(a["text"], b["text"]) for a, b in zip(ours, theirs, strict=True)]
    assert len({line["text"] for line in ours}) > 1, "every row got the same answer, so nothing was compared"


def test_the_files_tokenizer_is_the_models(exported: Any, tiny_student: Path) -> None:
    theirs = gguf_predict.FileSpeller(Model(exported[0] / "tiny-Q8_0.gguf"))
    ours = predict.ChatSpeller(tiny_student)
    chats = [[{"role": "user", "content": text}] for text in (*WORDS, "a\n\nb\t<|im_end|>", "")]
    assert theirs.encode_prompts(chats) == ours.encode_prompts(chats)
    assert theirs.encode_labels(LABELS, chats[0]) == ours.encode_labels(LABELS, chats[0])
    assert set(ours.stop_ids) <= set(theirs.stop_ids)
    ids = ours.encode_labels(["Zürich, 12 € – naïve"], chats[0])[0][:-1]
    assert theirs.decode(ids) == ours.decode(ids) == "Zürich, 12 € – naïve"


def test_rows_together_answer_as_rows_alone(exported: Any) -> None:
    model = Model(exported[0] / "tiny-F16.gguf")
    prefix, prompts = [1, 5, 9, 12], [[20, 21], [30], [40, 41, 42]]
    together = FileDecoder(model, prefix, room=256, threads=1)
    alone = []
    for prompt in prompts:
        one = FileDecoder(model, [], room=256, threads=1)
        alone += generate(one, one.start([prefix + prompt]), [6], stop_ids=[2])
        one.close()
    assert generate(together, together.start(prompts), [6, 6, 6], stop_ids=[2]) == alone
    assert generate(together, together.start(prompts[::-1]), [6, 6, 6], stop_ids=[2]) == alone[::-1]
    together.close()


def test_a_batch_that_outgrows_the_cache_is_answered_in_halves(exported: Any, tmp_path: Path) -> None:
    file = str(exported[0] / "tiny-F16.gguf")
    roomy = run(gguf_predict, tmp_path / "roomy.jsonl", gguf=file, mode="generate", max_new_tokens=300)
    narrow = run(
        gguf_predict, tmp_path / "narrow.jsonl", gguf=file, mode="generate", max_new_tokens=300, batch_tokens=130
    )
    assert [line["error"] for line in narrow] == [None] * len(WORDS)
    assert [line["completion_tokens"] for line in narrow] == [line["completion_tokens"] for line in roomy]


def test_a_second_run_answers_only_what_is_missing(exported: Any, tmp_path: Path) -> None:
    file = str(exported[0] / "tiny-Q8_0.gguf")
    lines = run(gguf_predict, tmp_path / "out.jsonl", gguf=file)
    kept = {**lines[3], "text": "kept as it was"}
    (tmp_path / "out.jsonl").write_text(json.dumps(kept) + "\n", encoding="utf-8")
    again = run(gguf_predict, tmp_path / "out.jsonl", gguf=file)
    assert again[3]["text"] == "kept as it was"
    assert [line["id"] for line in again] == [line["id"] for line in lines]


def test_a_file_that_is_not_there_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"no file missing\.gguf"):
        run(gguf_predict, tmp_path / "out.jsonl", gguf=str(tmp_path / "missing.gguf"))

"""The training recipe on a tiny model: it learns, resumes, reports, and refuses with the next action."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerControl, TrainerState

from pipelines.recipes import train as recipe
from pipelines.recipes import trainer
from pipelines.recipes.batches import SharingShuffle
from pipelines.recipes.events import Events, RecipeError
from pipelines.recipes.prefix_tree import Sequence
from tests.recipes import tiny

pytestmark = pytest.mark.filterwarnings(
    "ignore:.is_gradient_checkpointing. is deprecated:FutureWarning",
    "ignore:.*use_reentrant.*:UserWarning",
)
ANSWERS = {"pear": "fruit", "horse": "animal", "granite": "mineral", "leek": "vegetable"}
PAIRS = [(word, label) for word, label in ANSWERS.items() for _ in range(8)]


def config(folder: Path, model: Path, *, name: str = "run", validation: bool = False, **params: Any) -> dict[str, Any]:
    """A config with a small, quick training; ``params`` override."""
    rows = tiny.write_rows(folder / "train.jsonl", PAIRS)
    held = tiny.write_rows(folder / "validation.jsonl", PAIRS[:3]) if validation else None
    defaults = {"rows_per_step": 8, "rank": 4, "alpha": 8, "learning_rate": 0.01, "epochs": 3, "threads": 1}
    return {
        "base_model": {
            "path": str(model),
            "ref": "folder:tiny",
            "revision": "abc",
            "files": {"model.safetensors": "0"},
        },
        "train": str(rows),
        "validation": str(held) if held else None,
        "out": str(folder / name / "adapter"),
        "work": str(folder / name / "work"),
        "prompt_view": {"mode": "drop", "text": ""},
        "labels": sorted(set(ANSWERS.values())),
        "params": {**defaults, **params},
    }


def run(values: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """``(result, events)`` of a training in this process."""
    stream = io.StringIO()
    result = recipe.main(values, Events(stream))
    return result, [json.loads(line) for line in stream.getvalue().splitlines()]


def points(events: list[dict[str, Any]], name: str) -> list[float]:
    return [e["value"] for e in events if e["event"] == "metric" and e["name"] == name]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter_model.safetensors")


def test_it_learns_and_leaves_an_adapter_with_its_record(tiny_model_dir: Path, tmp_path: Path) -> None:
    result, events = run(config(tmp_path, tiny_model_dir, validation=True, precision="float32", epochs=6))
    losses = points(events, "loss")
    assert len(losses) == result["steps"] == 24
    assert losses[-1] < losses[0] * 0.75
    assert len(points(events, "eval_loss")) == 6
    assert points(events, "eval_loss")[-1] == pytest.approx(result["eval_loss"])
    assert points(events, "learning_rate")[-1] < max(points(events, "learning_rate"))
    assert all(rate > 0 for rate in points(events, "rows_per_second"))
    done = [e for e in events if e["event"] == "progress"][-1]
    assert (done["done"], done["total"], done["unit"]) == (192, 192, "rows")
    out = Path(result["out"])
    record = json.loads((out / "training.json").read_text())
    assert record["base_model"] == {"ref": "folder:tiny", "revision": "abc", "files": {"model.safetensors": "0"}}
    assert record["prompt_view"] == {"mode": "drop", "text": ""}
    assert record["packing"] == "prefix_tree"
    assert record["rows"] == 32
    assert record["peak_memory_bytes"] > 1 << 20
    assert all(w.dtype == torch.float32 for w in weights(out).values())
    text = "".join(p.read_text() for p in out.glob("*.json"))
    assert str(tmp_path) not in text
    assert str(tiny_model_dir) not in text


def test_packed_training_ends_where_padded_training_ends(tiny_model_dir: Path, tmp_path: Path) -> None:
    found = []
    for packing, budget in (("prefix_tree", 3072), ("prefix_tree", 64), ("off", 3072)):
        values = config(tmp_path, tiny_model_dir, name=f"{packing}{budget}", packing=packing, tokens_per_pass=budget)
        values["params"] |= {"precision": "float32", "epochs": 1, "weight_decay": 0.0}
        result, events = run(values)
        found.append((points(events, "loss"), weights(Path(result["out"]))))
    for losses, adapter in found[1:]:
        assert losses == pytest.approx(found[0][0], abs=1e-3)
        for name, tensor in adapter.items():
            torch.testing.assert_close(tensor, found[0][1][name], atol=5e-3, rtol=0)


def test_the_same_seed_gives_the_same_adapter_and_another_seed_another(tiny_model_dir: Path, tmp_path: Path) -> None:
    first, again, other = (
        weights(Path(run(config(tmp_path, tiny_model_dir, name=name, seed=seed, epochs=1))[0]["out"]))
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_killed_at_any_moment_it_goes_on_from_its_checkpoint_to_the_same_end(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    whole, _ = run(config(tmp_path, tiny_model_dir, name="whole", save_every=4, epochs=10))
    values = config(tmp_path, tiny_model_dir, name="killed", save_every=4, epochs=10)
    (tmp_path / "config.json").write_text(json.dumps(values))
    child = subprocess.Popen(
        [sys.executable, "-m", "pipelines.recipes.train", str(tmp_path / "config.json")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    work = Path(values["work"])
    deadline = time.monotonic() + 240
    while not list(work.glob("checkpoint-*/trainer_state.json")):
        assert child.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    torn = work / "checkpoint-9999"
    torn.mkdir()
    result, events = run(values)
    assert any("Going on from step" in e.get("message", "") for e in events)
    assert result["resumed"]
    assert result["loss"] == pytest.approx(whole["loss"], abs=1e-4)
    assert result["steps"] == whole["steps"]
    assert not torn.exists()
    expected = weights(Path(whole["out"]))
    for name, tensor in weights(Path(result["out"])).items():
        torch.testing.assert_close(tensor, expected[name], atol=1e-5, rtol=1e-4)


def test_checkpoints_of_another_training_are_not_gone_on_with(tiny_model_dir: Path, tmp_path: Path) -> None:
    run(config(tmp_path, tiny_model_dir, epochs=1, save_every=2))
    result, _ = run(config(tmp_path, tiny_model_dir, epochs=1, save_every=2, learning_rate=0.02))
    assert not result["resumed"]


def test_rows_over_the_limit_are_left_out_and_counted_never_cut(tiny_model_dir: Path, tmp_path: Path) -> None:
    values = config(tmp_path, tiny_model_dir, max_tokens=60, max_steps=1)
    tiny.write_rows(tmp_path / "train.jsonl", [*PAIRS, ("word " * 200, "fruit"), ("pear", None)])
    result, events = run(values)
    assert (result["rows"], result["rows_too_long"], result["rows_without_answer"]) == (32, 1, 1)
    assert any("1 of 34 rows are longer than 60 tokens" in e.get("message", "") for e in events)


@pytest.mark.parametrize(
    ("pairs", "limit", "message"),
    [
        ([("word " * 50, "fruit")], 40, "longer than 40 tokens"),
        ([("pear", None)], 400, "No training row has an answer"),
        ([], 400, "No training row has an answer"),
    ],
)
def test_nothing_to_learn_is_an_error_with_the_next_action(
    pairs: list[tuple[str, str | None]], limit: int, message: str, tiny_model_dir: Path, tmp_path: Path
) -> None:
    values = config(tmp_path, tiny_model_dir, max_tokens=limit)
    tiny.write_rows(tmp_path / "train.jsonl", pairs)
    with pytest.raises(RecipeError, match=message) as caught:
        run(values)
    assert caught.value.action


@pytest.mark.parametrize(
    ("missing", "code"), [("tokenizer*.json", "no_tokenizer"), ("chat_template*", "no_chat_template")]
)
def test_a_student_without_tokenizer_or_chat_template_is_refused(
    missing: str, code: str, tiny_model_dir: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "model"
    shutil.copytree(tiny_model_dir, copy)
    for path in copy.glob(missing):
        path.unlink()
    with pytest.raises(RecipeError) as caught:
        run(config(tmp_path, copy))
    assert caught.value.code == code
    assert caught.value.action


def test_running_out_of_memory_names_the_setting_to_lower(
    tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = 1 << 62

    def too_much(*args: Any, **kwargs: Any) -> None:
        torch.empty(limit, dtype=torch.uint8)

    monkeypatch.setattr(recipe, "load_base", too_much)
    with pytest.raises(RecipeError, match=r"3,072 tokens per pass") as caught:
        run(config(tmp_path, tiny_model_dir))
    assert caught.value.code == "out_of_memory"
    assert "Lower “Tokens per pass” (to 1,536)" in caught.value.action


def test_a_training_that_diverges_says_to_lower_the_learning_rate(tiny_model_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="diverged") as caught:
        run(config(tmp_path, tiny_model_dir, learning_rate=1e38, epochs=10))
    assert "learning rate" in caught.value.action


def test_qlora_trains_a_four_bit_base_and_validation_does_not_disturb_it(tiny_model_dir: Path, tmp_path: Path) -> None:
    plain, validated = (
        run(config(tmp_path, tiny_model_dir, name=str(on), method="qlora", validation=on, validate_every=2, epochs=6))
        for on in (False, True)
    )
    losses = points(plain[1], "loss")
    assert losses[-1] < losses[0] * 0.75
    assert points(validated[1], "loss") == pytest.approx(losses, abs=1e-3)
    assert len(points(validated[1], "eval_loss")) == 12
    assert plain[0]["packing"] == "prefix_tree"


def test_gradient_checkpointing_changes_nothing_but_memory(tiny_model_dir: Path, tmp_path: Path) -> None:
    kept, again = (
        run(config(tmp_path, tiny_model_dir, name=str(on), epochs=1, precision="float32", gradient_checkpointing=on))[0]
        for on in (False, True)
    )
    assert kept["loss"] == pytest.approx(again["loss"], abs=1e-5)


def test_answers_to_one_prompt_are_learnt_together_in_a_seeded_order() -> None:
    rows = [Sequence([prompt, 1, answer], first=2) for answer in range(3) for prompt in range(20)]
    shuffle = SharingShuffle(rows, seed=5)
    first = list(shuffle)
    assert sorted(first) == list(range(60))
    assert all(len({rows[i].ids[0] for i in first[at : at + 3]}) == 1 for at in range(0, 60, 3))
    shuffle.set_epoch(1)
    assert list(shuffle) != first
    again = SharingShuffle(rows, seed=5)
    again.set_epoch(1)
    assert list(again) == list(shuffle)


def test_a_checkpoint_is_asked_for_when_the_last_one_is_too_long_ago(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = trainer.Clock(tmp_path / "seconds", resumed=False)
    reporter = trainer.Reporter(Events(io.StringIO()), rows=100, rows_per_step=10, clock=clock)
    state, control = TrainerState(), TrainerControl()
    reporter.on_step_end(None, state, control)
    assert not control.should_save
    monkeypatch.setattr(trainer, "SAVE_SECONDS", -1)
    reporter.on_step_end(None, state, control)
    assert control.should_save

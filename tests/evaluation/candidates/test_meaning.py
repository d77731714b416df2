"""The evaluation asks the encoder's process once for every distinct pair."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pytest_django.fixtures import Settings

from evaluation.candidates.meaning import EMBED, learn_meanings
from evaluation.metrics.similarity import Similarity
from evaluation.steps.evaluate import Evaluate
from tests.evaluation.conftest import make_candidate, make_rows


class Context:
    """Answers as the encoder's process does: half the share of letters that two texts have in common."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.configs: list[dict[str, Any]] = []
        self.pairs: list[list[str]] = []

    def log(self, message: str) -> None:
        """Nothing to write it to."""

    def run_child(
        self, module: str, config: Mapping[str, Any], on_event: Callable[[dict[str, Any]], None] | None = None
    ) -> dict[str, Any]:
        """Write a cosine for every pair."""
        assert module == EMBED
        self.configs.append(dict(config))
        self.pairs = [json.loads(line) for line in Path(config["pairs"]).read_text().splitlines()]
        Path(config["out"]).write_text("".join(f"{0.5 if a != b else 1.0}\n" for a, b in self.pairs))
        return {"model": "encoder", "revision": "abc", "texts": 3, "cut": 0}


def test_every_distinct_pair_is_asked_once(tmp_path: Path, settings: Settings) -> None:
    settings.MODEL_DIRS = [tmp_path]
    rows = make_rows([("fine", "good"), ("fine", "good"), ("fine", None)])
    candidates = [make_candidate("student", ["good", "good", "bad"]), make_candidate("base", ["good", None, "bad"])]
    metric = Similarity(Similarity.Params(model="folder:/models/encoder"))
    ctx = Context(tmp_path)
    facts = learn_meanings(ctx, {"similarity": metric}, rows, candidates, Evaluate.Params())  # type: ignore[arg-type]
    assert sorted(ctx.pairs) == [["bad", "fine"], ["good", "good"]]
    assert ctx.configs[0]["ref"] == "folder:/models/encoder"
    assert ctx.configs[0]["allowed_dirs"] == [str(tmp_path)]
    assert facts == {"Encoder": "encoder abc"}
    assert metric.known == {("good", "good"): 1.0, ("bad", "fine"): 0.5}


def test_without_a_model_nobody_is_asked(tmp_path: Path) -> None:
    ctx = Context(tmp_path)
    assert learn_meanings(ctx, {"similarity": Similarity()}, [], [], Evaluate.Params()) == {}  # type: ignore[arg-type]
    assert ctx.configs == []


def test_another_encoder_under_the_same_name_is_another_evaluation(tmp_path: Path, settings: Settings) -> None:
    settings.MODEL_DIRS = [tmp_path]
    folder = tmp_path / "encoder"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    params = Evaluate.Params(
        metrics=["accuracy", "similarity"], metric_settings=f'similarity: {{model: "folder:{folder}"}}'
    )
    first = Evaluate().resolve(params, workspace_id=None)
    (folder / "config.json").write_text('{"changed": true}')
    assert Evaluate().resolve(params, workspace_id=None) != first
    assert Evaluate().resolve(Evaluate.Params(), workspace_id=None) == {}

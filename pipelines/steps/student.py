"""What the steps after training know of a student: how it was trained, and the base model it belongs to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pipelines.steps.base import Context, InputArtifact
from studio.lib.errors import StepError

BASE_MODELS = "pipelines.recipes.base_models"


def base_model_config(ref: str) -> dict[str, Any]:
    """The config of the child that makes a base model ready (``pipelines.recipes.base_models``)."""
    from django.conf import settings

    return {
        "ref": ref,
        "cache_dir": str(settings.DATA_ROOT / "models"),
        "allowed_dirs": [str(folder) for folder in settings.MODEL_DIRS],
    }


def read_training(student: InputArtifact) -> dict[str, Any]:
    """What the train step wrote beside the adapter."""
    path = student.path / "training.json"
    if not path.is_file():
        raise StepError(
            "The student's folder has no training.json, so its base model is unknown.",
            action="Wire the output of a train step into 'student'.",
        )
    return dict(json.loads(path.read_text(encoding="utf-8")))


def prompt_view_of(student: InputArtifact, training: Mapping[str, Any]) -> dict[str, Any]:
    """How the student's prompts differ from the rows'; see ``pipelines.recipes.chat.apply_view``."""
    return dict(student.meta.get("prompt_view") or training.get("prompt_view") or {"mode": "keep", "text": ""})


def prepare_base(ctx: Context, training: Mapping[str, Any]) -> dict[str, Any]:
    """The base model that the student was trained on (``path``, ``ref``, ``revision``…), made ready by a child.

    Raises ``StepError`` when the same reference now names other weights.
    """
    told = training["base_model"]
    found: dict[str, Any] = ctx.run_child(BASE_MODELS, base_model_config(_pinned(str(told["ref"]), told["revision"])))
    if found["revision"] != told["revision"]:
        raise StepError(
            f"The base model {told['ref']} has changed since the student was trained (revision {found['revision'][:12]}, "
            f"trained on {str(told['revision'])[:12]}).",
            action="Put the earlier model back (name its revision in the train step), or train again on the present one.",
        )
    return found


def _pinned(ref: str, revision: str) -> str:
    """The reference with the exact revision, for models that move on under their name (``hub:org/name``)."""
    return f"{ref.partition('@')[0]}@{revision}" if ref.startswith("hub:") else ref

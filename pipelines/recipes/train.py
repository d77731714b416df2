"""LoRA and QLoRA by one recipe: ``python -m pipelines.recipes.train CONFIG.json``.

CONFIG: ``{"base_model": {"path", "ref", "revision", "files"}, "train": rows.jsonl, "validation": rows.jsonl or null,
"out": adapter folder, "work": folder for checkpoints, "prompt_view": {...} or null, "labels": [...] or null,
"params": {fields of TrainParams}}``. Killed at any moment and started again, it goes on from its last checkpoint.

The adapter folder holds the PEFT adapter and ``training.json``: base model and its hashes, parameters, prompt view, losses,
steps, seconds, rows used and left out, peak memory.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import resource
import shutil
import sys
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from pipelines.recipes.events import Events, RecipeError, is_out_of_memory, run_main
from pipelines.recipes.precision import choose, name_of


@dataclass(frozen=True)
class TrainParams:
    """Every number that decides the result. See ``pipelines.steps.train`` for what each means to a user."""

    method: str = "lora"
    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.0
    epochs: float = 1.0
    learning_rate: float = 8e-4
    warmup: float = 0.03
    weight_decay: float = 0.0
    rows_per_step: int = 32
    max_tokens: int = 2048
    packing: str = "prefix_tree"
    tokens_per_pass: int = 3072
    gradient_checkpointing: bool = False
    precision: str = "auto"
    save_every: int = 50
    validate_every: int = 0
    validation_rows: int = 500
    max_steps: int = 0
    seed: int = 0
    threads: int | None = None

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> TrainParams:
        """Parameters from a config; unknown names are a :class:`RecipeError`."""
        unknown = set(values) - {f.name for f in fields(cls)}
        if unknown:
            raise RecipeError(f"Unknown training parameters: {', '.join(sorted(unknown))}.", code="bad_config")
        return cls(**values)


def main(config: dict[str, Any], events: Events) -> dict[str, Any]:
    """Train and write the adapter; returns ``{"out", "steps", "seconds", "losses"...}``."""
    params = TrainParams.from_json(config.get("params") or {})
    try:
        return _train(config, params, events)
    except (MemoryError, RuntimeError) as problem:
        if not is_out_of_memory(problem):
            raise
        raise RecipeError(
            f"Training ran out of memory with {params.tokens_per_pass:,} tokens per pass and rows of up to "
            f"{params.max_tokens:,} tokens.",
            action=f"Lower “Tokens per pass” (to {max(256, params.tokens_per_pass // 2):,}), then turn on “Gradient "
            "checkpointing”, then lower “Longest row”, or choose QLoRA or a smaller base model.",
            code="out_of_memory",
        ) from problem


def _train(config: dict[str, Any], params: TrainParams, events: Events) -> dict[str, Any]:
    import torch
    from transformers import set_seed

    from pipelines.recipes.trainer import Clock, Reporter, TreeTrainer

    work = Path(config["work"])
    checkpoint = last_checkpoint(work, identity(config))
    clock = Clock(work / "seconds", resumed=checkpoint is not None)
    if params.threads:
        torch.set_num_threads(params.threads)
    set_seed(params.seed)
    path = Path(config["base_model"]["path"])
    events.progress(0, None, unit="rows", note="Reading the rows")
    train, validation = encode(config, params, path, events)
    student = prepare_student(path, params, events)
    rows = len(train.sequences)
    reporter = Reporter(events, rows=rows, rows_per_step=params.rows_per_step, clock=clock)
    trainer = TreeTrainer(
        model=student.model,
        args=training_arguments(params, work, rows=rows, validate=bool(validation)),
        train=train.sequences,
        eval_dataset=validation or None,
        callbacks=[reporter],
        budget=params.tokens_per_pass,
        share=student.share,
    )
    reporter.trainer = trainer
    if checkpoint:
        events.log(f"Going on from step {checkpoint.name.rpartition('-')[2]}.")
    outcome = trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    told = {
        "packing": "prefix_tree" if student.share else "padded",
        "precision": name_of(student.model.get_base_model().dtype),
        "packing_note": student.why_not,
        "rows": rows,
        "rows_too_long": train.too_long,
        "rows_without_answer": train.no_answer,
        "validation_rows": len(validation),
        "steps": outcome.global_step,
        "loss": reporter.recent_loss(),
        "eval_loss": next((h["eval_loss"] for h in reversed(reporter.history) if "eval_loss" in h), None),
        "seconds": round(clock.seconds(), 1),
        "peak_memory_bytes": peak_memory(),
        "resumed": bool(checkpoint),
    }
    write_adapter(student.model, Path(config["out"]), {**inputs_of(config, params), **told, "losses": reporter.history})
    return {"out": config["out"], **told}


def inputs_of(config: dict[str, Any], params: TrainParams) -> dict[str, Any]:
    """What ``training.json`` says of where the adapter comes from."""
    return {
        "base_model": {k: config["base_model"].get(k) for k in ("ref", "revision", "files")},
        "params": asdict(params),
        "prompt_view": config.get("prompt_view"),
        "labels": config.get("labels"),
    }


class Student(NamedTuple):
    """The base model with its adapter; whether it shares prefixes, and if not although it was asked to, why."""

    model: Any
    share: bool
    why_not: str | None


def prepare_student(path: Path, params: TrainParams, events: Events) -> Student:
    """Load the base model, try whether it can share prefixes, attach the adapter."""
    from pipelines.recipes import lora, tree_attention

    model = load_base(path, params)
    events.log(f"The weights are computed in {name_of(model.dtype)}.")
    wanted = params.packing == "prefix_tree"
    why = tree_attention.why_not(model) if wanted else None
    if why:
        events.log(f"This model cannot share prefixes ({why}); its rows are padded instead, which is slower.")
    wrapped = lora.attach(model, rank=params.rank, alpha=params.alpha, dropout=params.dropout, seed=params.seed)
    lora.accelerate_layers(wrapped)
    if params.gradient_checkpointing:
        checkpoint_activations(wrapped.get_base_model())
    return Student(wrapped, share=wanted and why is None, why_not=why)


def encode(config: dict[str, Any], params: TrainParams, path: Path, events: Events) -> tuple[Any, list[Any]]:
    """``(Encoding of the training rows, validation sequences)``; what is left out is logged with its count."""
    from pipelines.recipes import batches

    chat = load_chat(path)
    options: dict[str, Any] = {"view": config.get("prompt_view"), "max_tokens": params.max_tokens}
    train = batches.encode_rows(Path(config["train"]), chat, **options)
    batches.require_rows(train, what="training", max_tokens=params.max_tokens)
    if train.too_long:
        events.log(
            f"{train.too_long:,} of {train.rows:,} rows are longer than {params.max_tokens:,} tokens and were left out "
            f"(the longest has {train.longest:,})."
        )
    if train.no_answer:
        events.log(f"{train.no_answer:,} rows have no answer and were left out.")
    validation: list[Any] = []
    if config.get("validation"):
        validation = batches.encode_rows(Path(config["validation"]), chat, **options).sequences
        if len(validation) > params.validation_rows:
            events.log(
                f"The validation loss is measured on the first {params.validation_rows:,} of {len(validation):,} rows."
            )
            validation = validation[: params.validation_rows]
    return train, validation


def load_chat(path: Path) -> Any:
    """The tokenizer of a base model folder as a :class:`~pipelines.recipes.chat.Chat`. Raises :class:`RecipeError`."""
    from transformers import AutoTokenizer, GenerationConfig

    from pipelines.recipes.base_models import check_folder
    from pipelines.recipes.chat import Chat

    check_folder(path)
    try:
        tokenizer = AutoTokenizer.from_pretrained(path)
    except (OSError, ValueError, KeyError) as problem:
        raise RecipeError(
            f"The tokenizer in {path.name} could not be read: {str(problem).splitlines()[0][:300]}",
            action="Save it again with tokenizer.save_pretrained().",
            code="no_tokenizer",
        ) from problem
    eos: Any = None
    if (path / "generation_config.json").exists():
        eos = GenerationConfig.from_pretrained(path).eos_token_id
    return Chat(tokenizer, eos_ids=eos if isinstance(eos, list) else [] if eos is None else [eos])


def load_base(path: Path, params: TrainParams) -> Any:
    """The frozen base model: in ``precision`` (see :mod:`pipelines.recipes.precision`) for LoRA, in NF4 with double quantisation for QLoRA."""
    import torch
    from transformers import AutoModelForCausalLM

    dtype = choose(params.precision)
    options: dict[str, Any] = {"dtype": dtype, "use_safetensors": True}
    if params.method == "qlora":
        options |= {
            "quantization_config": four_bit(dtype),
            "device_map": {"": 0 if torch.cuda.is_available() else "cpu"},
        }
    elif params.method != "lora":
        raise RecipeError(f"Unknown method {params.method!r}.", action="Use lora or qlora.", code="bad_config")
    try:
        model = AutoModelForCausalLM.from_pretrained(path, **options)
    except (OSError, ValueError, KeyError) as problem:
        raise RecipeError(
            f"The model in {path.name} could not be loaded: {str(problem).splitlines()[0][:300]}",
            action="Check that the folder holds a causal language model that this release of Transformers knows.",
            code="bad_model",
        ) from problem
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            # In evaluation, bitsandbytes repacks a CPU layer's weights for a kernel without gradients, and keeps them so:
            # one validation would silently end the learning of every layer below.
            module.support_avx512bf16_for_cpu = False
    return model


def checkpoint_activations(model: Any) -> None:
    """Keep each layer's input only and compute the rest again in the backward pass. The method's name changed in 5.x."""
    kwargs = {"use_reentrant": False}
    if hasattr(model, "activation_checkpointing_enable"):
        model.activation_checkpointing_enable(activation_checkpointing_kwargs=kwargs)
    else:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=kwargs)


def four_bit(dtype: Any) -> Any:
    """NF4 with double quantisation, computing in ``dtype``. Raises :class:`RecipeError` without bitsandbytes."""
    from importlib.util import find_spec

    if find_spec("bitsandbytes") is None:
        raise RecipeError(
            "QLoRA needs bitsandbytes, which is not installed here.",
            action="Run: pip install bitsandbytes, or choose LoRA.",
            code="missing_package",
        )
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )


def training_arguments(params: TrainParams, work: Path, *, rows: int, validate: bool) -> Any:
    """The Trainer's arguments: AdamW, cosine schedule after a linear warm-up, gradients clipped to norm 1."""
    import torch
    from transformers import TrainingArguments

    per_epoch = math.ceil(rows / params.rows_per_step)
    steps = params.max_steps or max(1, math.ceil(per_epoch * params.epochs))
    return TrainingArguments(
        output_dir=str(work),
        per_device_train_batch_size=params.rows_per_step,
        max_steps=steps,
        learning_rate=params.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=math.ceil(steps * params.warmup),
        weight_decay=params.weight_decay,
        max_grad_norm=1.0,
        optim="adamw_torch",
        logging_steps=max(1, steps // 500),
        logging_first_step=True,
        save_strategy="steps",
        save_steps=params.save_every,
        save_total_limit=2,
        eval_strategy="steps" if validate else "no",
        eval_steps=params.validate_every or per_epoch,
        remove_unused_columns=False,
        disable_tqdm=True,
        report_to="none",
        use_cpu=not torch.cuda.is_available(),
        seed=params.seed,
        dataloader_pin_memory=False,
    )


def identity(config: dict[str, Any]) -> str:
    """What a checkpoint must have been made from to be gone on with: base, rows, view and parameters."""
    parts: dict[str, Any] = {"base": config["base_model"].get("revision"), "view": config.get("prompt_view")}
    parts["params"] = {k: v for k, v in (config.get("params") or {}).items() if k not in ("threads", "save_every")}
    with Path(config["train"]).open("rb") as source:
        parts["rows"] = hashlib.file_digest(source, "sha256").hexdigest()
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def last_checkpoint(work: Path, mark: str) -> Path | None:
    """The newest complete checkpoint in ``work`` made by a training with this identity.

    Checkpoints of another training are removed. The Trainer writes its state last, so a checkpoint without a readable
    state was cut short and is skipped.
    """
    work.mkdir(parents=True, exist_ok=True)
    note = work / "identity"
    if not note.exists() or note.read_text() != mark:
        for old in work.glob("checkpoint-*"):
            shutil.rmtree(old)
        note.write_text(mark)
        return None
    found = sorted(work.glob("checkpoint-*"), key=lambda p: int(p.name.rpartition("-")[2]), reverse=True)
    for checkpoint in found:
        try:
            json.loads((checkpoint / "trainer_state.json").read_text("utf-8"))
        except (OSError, ValueError):
            shutil.rmtree(checkpoint)
        else:
            return checkpoint
    return None


def write_adapter(model: Any, out: Path, record: dict[str, Any]) -> None:
    """Write the adapter and ``training.json``; ``out`` appears complete or not at all. No path of this machine in it."""
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    for config in model.peft_config.values():
        config.base_model_name_or_path = record["base_model"]["ref"]
    model.save_pretrained(partial, save_embedding_layers=False)
    (partial / "README.md").unlink(missing_ok=True)
    (partial / "training.json").write_text(json.dumps(record, indent=1, ensure_ascii=False), "utf-8")
    shutil.rmtree(out, ignore_errors=True)
    partial.rename(out)


def peak_memory() -> int:
    """Most memory this process has held, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    run_main(main)

"""Answers of a base model, with or without an adapter: ``python -m pipelines.recipes.predict CONFIG.json``.

CONFIG: ``{"base_model": folder, "adapter": folder | null, "rows": jsonl, "out": jsonl, "labels": [...] | null,
"mode": "generate" | "labels" | "both", "max_new_tokens": n, "prompt_view": {...} | null, "examples": [{"prompt",
"completion"}...], "batch_tokens": n, "latency_rows": n, "threads": n | null, "precision": "auto" | "bfloat16" | "float32"}``.
The output lines are described in :mod:`pipelines.recipes.answering`; a second run goes on where the first was killed.

The beginning that all prompts share is read once. Latency is that of one row alone with this beginning already read, as
llama-server and vLLM keep it. ``precision`` auto is what the model was saved in on a GPU, and on the CPU what it is quick in.

The adapter is added to the weights in fp32 and the sum rounded once to ``precision``. Exported files come from the same
fp32 sum (``pipelines.exporters.merge``), and a merged model is faster: no extra products for each layer.
"""

from __future__ import annotations

import os
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pipelines.recipes.events import Events, RecipeError, run_main
from pipelines.recipes.precision import choose, name_of


def main(config: dict[str, Any], events: Events) -> dict[str, Any]:
    """Answer the rows; returns the numbers of :func:`pipelines.recipes.answering.run_job`, the device and the precision."""
    import torch

    from pipelines.recipes import answering, energy, tree_attention
    from pipelines.recipes.answer_tasks import Job
    from pipelines.recipes.tree_decoder import RowDecoder, TreeDecoder

    job = Job.from_config(config)
    if config.get("threads"):
        torch.set_num_threads(int(config["threads"]))
    path = Path(config["base_model"])
    events.progress(0, None, unit="rows", note="Loading the model")
    speller = ChatSpeller(path)
    adapter = Path(config["adapter"]) if config.get("adapter") else None
    model = load_model(path, adapter, precision=config.get("precision") or "auto")
    with ExitStack() as stack:
        why = tree_attention.why_not(model)
        if why:
            events.log(f"This model cannot share prefixes ({why}); its rows are answered one by one, which is slower.")
        else:
            stack.enter_context(tree_attention.tree_attention(model))
        stack.enter_context(torch.inference_mode())
        result = answering.run_job(
            job,
            events,
            speller,
            context=context_length(model, speller.tokenizer),
            open_decoder=lambda prefix: (RowDecoder if why else TreeDecoder)(model, prefix),
            energy=energy.open_meter(gpu=model.device.type == "cuda"),
        )
    return {**result, "device": str(model.device), "precision": name_of(model.dtype)}


class ChatSpeller:
    """A base model folder's tokenizer and chat template as :class:`pipelines.recipes.decoding.Speller`."""

    def __init__(self, path: Path) -> None:
        from pipelines.recipes.train import load_chat

        self.chat = load_chat(path)
        self.tokenizer = self.chat.tokenizer
        self.stop_ids = self.chat.stop_ids
        self.encode_prompts = self.chat.encode_prompts
        self.encode_labels = self.chat.encode_labels
        self.encode_answers = self.chat.encode_answers

    def decode(self, ids: Any) -> str:
        """Text of answer tokens, without special tokens."""
        return self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def load_model(path: Path, adapter: Path | None, *, precision: str) -> Any:
    """The base model, with the adapter merged in when there is one, ready to answer on the best device."""
    import torch
    from transformers import AutoModelForCausalLM

    device = "cuda" if torch.cuda.is_available() else "cpu"
    wanted: Any = "auto" if precision == "auto" and device == "cuda" else choose(precision)
    load = {"use_safetensors": True, "attn_implementation": "sdpa"}
    try:
        if adapter is None:
            model = AutoModelForCausalLM.from_pretrained(path, dtype=wanted, **load)
        else:
            saved = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, **load)
            target = torch.bfloat16 if wanted == "auto" else wanted
            model = merge_adapter(saved, adapter).to(target)
    except (OSError, ValueError, KeyError) as problem:
        raise RecipeError(
            f"The model in {path.name} could not be loaded: {str(problem).strip().splitlines()[0][:300]}",
            action="Check that the folder holds a causal language model that this release of Transformers knows.",
            code="bad_model",
        ) from problem
    return model.to(device).eval()


def merge_adapter(model: Any, adapter: Path) -> Any:
    """``model`` (fp32) with a PEFT adapter added to its weights. Raises :class:`RecipeError` when they do not fit."""
    from peft import PeftModel

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # PEFT asks Transformers for a name that is being retired
            return PeftModel.from_pretrained(model, str(adapter)).merge_and_unload(safe_merge=True)
    except (ValueError, RuntimeError, OSError, KeyError) as problem:
        raise RecipeError(
            f"The adapter does not fit this base model: {str(problem).strip().splitlines()[0][:300]}",
            action="Use the base model that the adapter was trained on; training.json names it.",
            code="bad_adapter",
        ) from problem


def context_length(model: Any, tokenizer: Any) -> int:
    """Most tokens of prompt and answer together."""
    known = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return min(n for n in (known or tokenizer.model_max_length, tokenizer.model_max_length, 1 << 20) if n)


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    run_main(main)

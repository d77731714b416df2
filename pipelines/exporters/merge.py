"""An adapter added to its base model's weights, as a plain model folder for the converter."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipelines.recipes.events import RecipeError

TOKENIZER_FILES = ("tokenizer*", "*.model", "vocab.json", "merges.txt", "special_tokens_map.json", "added_tokens.json")
TEMPLATE_FILES = ("chat_template*", "additional_chat_templates", "generation_config.json")
LARGEST_F16 = 65_504.0


class Merged(NamedTuple):
    """``kind``: ``"f16"`` or ``"bf16"``, what the weights were rounded to. ``balanced``: see ``balance``."""

    kind: str
    balanced: bool


def merge(base: Path, adapter: Path | None, out: Path, *, rows: Sequence[Sequence[int]] = ()) -> Merged:
    """Write ``base`` with ``adapter`` merged in to the folder ``out`` (which appears complete or not at all).

    The sum is made in fp32 and rounded once: to fp16, which keeps three more bits of each weight than bf16, or to bf16 when
    a weight is beyond fp16's range. With token ``rows``, channels are evened out first. Memory: the model in fp32.
    """
    import torch
    from transformers import AutoModelForCausalLM

    from pipelines.exporters.balance import balance
    from pipelines.recipes.predict import merge_adapter

    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, use_safetensors=True)
    if adapter is not None:
        model = merge_adapter(model, adapter)
    balanced = balance(model.eval(), rows)
    largest = max(float(p.detach().abs().max()) for p in model.parameters())
    if largest != largest or largest == float("inf"):
        raise RecipeError(
            "The merged model has weights that are not numbers.",
            action="The training diverged: train again with a lower learning rate.",
            code="bad_adapter",
        )
    kind = "f16" if largest < LARGEST_F16 else "bf16"
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    model.to(torch.float16 if kind == "f16" else torch.bfloat16).save_pretrained(partial)
    for pattern in (*TOKENIZER_FILES, *TEMPLATE_FILES):
        for source in base.glob(pattern):
            if source.is_dir():
                shutil.copytree(source, partial / source.name, dirs_exist_ok=True)
            else:
                shutil.copyfile(source, partial / source.name)
    shutil.rmtree(out, ignore_errors=True)
    partial.rename(out)
    return Merged(kind, balanced)

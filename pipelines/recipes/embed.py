"""How near texts lie to each other: the cosine of mean-pooled last hidden states of a local encoder.

As a child: ``python -m pipelines.recipes.embed CONFIG.json`` with ``{"ref", "allowed_dirs", "pairs", "out", "batch_tokens",
"max_tokens", "threads"}``. ``pairs`` is a file of JSON lines ``[text, text]``; ``out`` gets one cosine a line, in their order, ``null``
where a text has no token. Each distinct text is read once. Code that comes with a model is never run and pickled weights are never
read. The result: ``{"model", "revision", "pairs", "texts", "cut"}``; ``cut`` texts were longer than the model reads.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipelines.recipes.base_models import digest_of, hash_files, local_folder
from pipelines.recipes.events import Events, RecipeError, run_main

MOST_TOKENS = 512


def main(config: dict[str, Any], events: Events) -> dict[str, Any]:
    """Write the cosine of every pair."""
    import torch

    if config.get("threads"):
        torch.set_num_threads(int(config["threads"]))
    path = local_folder(config["ref"], allowed_dirs=[Path(d) for d in config.get("allowed_dirs") or []])
    pairs = [json.loads(line) for line in Path(config["pairs"]).read_text("utf-8").splitlines()]
    texts = list(dict.fromkeys(text for pair in pairs for text in pair))
    events.progress(0, len(texts), unit="texts", note="Loading the model of meaning")
    encoder = Encoder(path, batch_tokens=int(config.get("batch_tokens") or 8192))
    place = {text: i for i, text in enumerate(texts)}
    vectors: list[Any] = [None] * len(texts)
    done = 0
    for batch, found in encoder.embed(texts):
        for position, vector in zip(batch, found, strict=True):
            vectors[position] = vector
        done += len(batch)
        events.progress(done, len(texts), unit="texts", note="Reading texts")
    with Path(config["out"]).open("w", encoding="utf-8") as out:
        for a, b in pairs:
            first, second = vectors[place[a]], vectors[place[b]]
            known = first is not None and second is not None
            # Rounding can put the cosine of equal vectors a hair above 1.
            out.write(json.dumps(max(-1.0, min(1.0, float(first @ second))) if known else None) + "\n")
    return {
        "model": path.name,
        "revision": digest_of(hash_files(path)),
        "pairs": len(pairs),
        "texts": len(texts),
        "cut": encoder.cut,
    }


class Encoder:
    """A model folder that turns texts into unit vectors."""

    def __init__(self, path: Path, *, batch_tokens: int) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer

        safe: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(path, **safe)
            self.model = AutoModel.from_pretrained(path, use_safetensors=True, dtype=torch.float32, **safe).eval()
        except (OSError, ValueError, KeyError) as problem:
            raise RecipeError(
                f"The model in {path.name} could not be loaded: {str(problem).strip().splitlines()[0][:300]}",
                action="Check that the folder holds an encoder that this release of Transformers knows.",
                code="bad_model",
            ) from problem
        self.model.to("cuda" if torch.cuda.is_available() else "cpu")
        config = self.model.config
        limits = (getattr(config, "max_position_embeddings", None), self.tokenizer.model_max_length, MOST_TOKENS)
        self.most = min(int(n) for n in limits if n)
        # RoBERTa and its kin count positions from behind the padding token.
        if getattr(config, "model_type", "") in ("roberta", "xlm-roberta", "camembert"):
            self.most -= int(config.pad_token_id or 0) + 1
        self.batch_tokens = batch_tokens
        self.cut = 0

    def embed(self, texts: Sequence[str]) -> Iterator[tuple[list[int], list[Any]]]:
        """``(positions, unit vectors)`` batch by batch, texts of similar lengths together; None for a text without a token."""
        import torch

        whole = self.tokenizer(list(texts), add_special_tokens=True, return_attention_mask=False)["input_ids"]
        self.cut = sum(len(ids) > self.most for ids in whole)
        ids = self.tokenizer(
            list(texts), add_special_tokens=True, return_attention_mask=False, truncation=True, max_length=self.most
        )["input_ids"]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        pad = self.tokenizer.pad_token_id or 0
        at = 0
        while at < len(order):
            end = at + 1
            while end < len(order) and (end - at + 1) * len(ids[order[end]]) <= self.batch_tokens:
                end += 1
            batch = order[at:end]
            at = end
            width = max(1, max(len(ids[i]) for i in batch))
            tokens = torch.tensor([[*ids[i], *[pad] * (width - len(ids[i]))] for i in batch], device=self.model.device)
            lengths = torch.tensor([len(ids[i]) for i in batch], device=self.model.device)
            mask = torch.arange(width, device=self.model.device)[None] < lengths[:, None]
            with torch.inference_mode():
                hidden = self.model(input_ids=tokens, attention_mask=mask.long()).last_hidden_state.float()
            mean = (hidden * mask[..., None]).sum(1) / lengths.clamp(min=1)[:, None]
            unit = torch.nn.functional.normalize(mean, dim=-1).cpu()
            yield batch, [unit[n] if len(ids[i]) else None for n, i in enumerate(batch)]


if __name__ == "__main__":
    run_main(main)

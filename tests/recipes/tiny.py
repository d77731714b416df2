"""A model of a few hundred kilobytes with a real tokenizer and chat template, made in seconds: no download, no fake."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CORPUS = ["system user assistant classify the message answer with its label only", "fruit vegetable animal mineral"] * 4


def make_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer trained on a few words, with a ChatML template."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|im_start|>", eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    fast.chat_template = CHATML
    return fast


def make_model(**changes: Any) -> LlamaForCausalLM:
    """A random Llama with grouped-query attention in fp32."""
    torch.manual_seed(0)
    values = {
        "vocab_size": 320,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 512,
        "initializer_range": 0.2,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
    }
    return LlamaForCausalLM(LlamaConfig(**{**values, **changes}))


def save_model(folder: Path) -> Path:
    """Model and tokenizer in ``folder`` (bf16 safetensors), as ``base_models.resolve`` gives them."""
    make_model().to(torch.bfloat16).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder


def write_rows(path: Path, pairs: Iterable[tuple[str, str | None]], *, system: str = "Classify the message.") -> Path:
    """Rows as the Studio writes them for its children."""
    with path.open("w", encoding="utf-8") as out:
        for number, (text, answer) in enumerate(pairs):
            row = {
                "id": f"r{number}",
                "prompt": [{"role": "system", "content": system}, {"role": "user", "content": text}],
                "completion": None if answer is None else {"role": "assistant", "content": answer},
            }
            out.write(json.dumps(row) + "\n")
    return path

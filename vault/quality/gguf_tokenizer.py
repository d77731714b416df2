"""The tokenizer, chat template and context length that a GGUF file carries, read without torch and without its weights.

Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little endian.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO

MAGIC = b"GGUF"
TEXT, ARRAY = 8, 9
NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""Value type → ``struct`` format of one number."""
LONGEST = 1 << 26
"""Bytes of one text or items of one array above which the file is taken to be damaged."""
CONTROL, DEFINED = 3, 4
"""Token types that stand for themselves wherever they occur in a text."""


class UnreadableTokenizer(ValueError):
    """The file is no GGUF, is damaged, or its kind of tokenizer is not known here."""


def read_metadata(path: Path) -> dict[str, Any]:
    """Every key and value at the head of a GGUF file. Raises :class:`UnreadableTokenizer`."""
    with path.open("rb") as source:
        try:
            if source.read(4) != MAGIC:
                raise UnreadableTokenizer(f"{path.name} is no GGUF file.")
            version, _, count = _take(source, "<IQQ")
            if version not in (2, 3) or count > LONGEST:
                raise UnreadableTokenizer(f"{path.name} is a GGUF file of an unknown version.")
            return dict(_pair(source) for _ in range(count))
        except (struct.error, UnicodeDecodeError, KeyError) as problem:
            raise UnreadableTokenizer(f"{path.name} is damaged.") from problem


def _take(source: BinaryIO, layout: str) -> tuple[Any, ...]:
    return struct.unpack(layout, source.read(struct.calcsize(layout)))


def _pair(source: BinaryIO) -> tuple[str, Any]:
    key = _text(source)
    (kind,) = _take(source, "<I")
    return key, _value(source, kind)


def _text(source: BinaryIO) -> str:
    (size,) = _take(source, "<Q")
    if size > LONGEST:
        raise struct.error
    return source.read(size).decode("utf-8")


def _value(source: BinaryIO, kind: int) -> Any:
    if kind == TEXT:
        return _text(source)
    if kind == ARRAY:
        inner, count = _take(source, "<IQ")
        if count > LONGEST:
            raise struct.error
        if inner in NUMBERS:
            return list(_take(source, f"<{count}{NUMBERS[inner]}"))
        return [_value(source, inner) for _ in range(count)]
    return _take(source, f"<{NUMBERS[kind]}")[0]


def make_tokenizer(metadata: dict[str, Any]) -> Any:
    """A ``tokenizers.Tokenizer`` for byte-level BPE (the ``gpt2`` kind), as Transformers makes it from the same file."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    if metadata.get("tokenizer.ggml.model") != "gpt2":
        raise UnreadableTokenizer(f"Tokenizers of the kind {metadata.get('tokenizer.ggml.model')!r} are not read here.")
    tokens: list[str] = metadata["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ", 1)) for merge in metadata["tokenizer.ggml.merges"]]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    kinds = metadata.get("tokenizer.ggml.token_type") or []
    special = [token for token, kind in zip(tokens, kinds, strict=False) if kind in (CONTROL, DEFINED)]
    made.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in special])
    return made


def context_of(metadata: dict[str, Any]) -> int | None:
    """Most tokens of prompt and answer together, as the file says."""
    length = metadata.get(f"{metadata.get('general.architecture')}.context_length")
    return int(length) if length else None

"""How many tokens a conversation is for a student: its own tokenizer and chat template, without torch.

What a template writes around the messages depends on their roles only, so it is rendered once for each sequence of roles
and its tokens are added to those of the texts. The sum differs from the rendered whole by a token where a merge would cross
a border between text and template, which the special tokens of chat templates prevent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from vault.quality import gguf_tokenizer
from vault.quality.gguf_tokenizer import UnreadableTokenizer

Turn = tuple[str, str]
"""Role and text of one message."""
PROBE = "zqj1xv"
PLAIN_TURN = 4
"""Tokens counted around a message when the model has no template, or one that refuses these roles."""
REMEMBERED = 4_096
"""Repeated texts (system prompts) whose number of tokens is kept."""


@dataclass
class TokenCounter:
    """Counts tokens of conversations. ``context``: most tokens of prompt and answer together, None where no file says."""

    tokenizer: Any
    template: str = ""
    context: int | None = None
    specials: Mapping[str, str] = field(default_factory=dict)
    _shapes: dict[tuple[str, ...], int] = field(default_factory=dict)
    _systems: dict[str, int] = field(default_factory=dict)

    def count(self, conversations: Sequence[Sequence[Turn]]) -> list[int]:
        """Tokens of each conversation with all that the chat template writes around its messages."""
        texts: list[str] = []
        owners: list[int] = []
        totals = [0] * len(conversations)
        for place, turns in enumerate(conversations):
            totals[place] = self._around(tuple(role for role, _ in turns))
            for role, text in turns:
                if role == "system":
                    totals[place] += self._system(text)
                elif text:
                    texts.append(text)
                    owners.append(place)
        for place, length in zip(owners, self._lengths(texts), strict=True):
            totals[place] += length
        return totals

    def _lengths(self, texts: list[str]) -> list[int]:
        # A lone surrogate is no text to the tokenizer.
        clean = [text.encode("utf-8", "replace").decode() for text in texts]
        return [len(found) for found in self.tokenizer.encode_batch_fast(clean, add_special_tokens=False)]

    def _system(self, text: str) -> int:
        if text not in self._systems:
            if len(self._systems) >= REMEMBERED:
                self._systems.clear()
            self._systems[text] = self._lengths([text])[0]
        return self._systems[text]

    def _around(self, roles: tuple[str, ...]) -> int:
        if roles not in self._shapes:
            if len(self._shapes) >= REMEMBERED:
                self._shapes.clear()
            self._shapes[roles] = self._measure(roles)
        return self._shapes[roles]

    def _measure(self, roles: tuple[str, ...]) -> int:
        messages = [{"role": role, "content": PROBE} for role in roles]
        text = render(self.template, messages, self.specials) if self.template else None
        if text is None:
            return PLAIN_TURN * len(roles)
        whole, probe = self._lengths([text, PROBE])
        return max(whole - probe * len(roles), 0)


def render(template: str, messages: list[dict[str, str]], specials: Mapping[str, str]) -> str | None:
    """A chat template's text of these messages, rendered in a sandbox; None when the template refuses them or is broken."""
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(reason: str) -> None:
        raise TemplateError(reason)

    room = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", "jinja2.ext.do"]
    )
    room.globals["raise_exception"] = refuse
    room.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    room.filters["tojson"] = lambda value, **_: json.dumps(value, ensure_ascii=False)
    try:
        return room.from_string(template).render(messages=messages, add_generation_prompt=False, **specials)
    except (TemplateError, TypeError, ValueError, KeyError, AttributeError, OverflowError, RecursionError):
        return None


def load(path: Path) -> TokenCounter:
    """The counter of a model: a folder with ``tokenizer.json``, or a GGUF file. Raises :class:`UnreadableTokenizer`."""
    return _from_gguf(path) if path.is_file() else _from_folder(path)


def _from_gguf(path: Path) -> TokenCounter:
    metadata = gguf_tokenizer.read_metadata(path)
    try:
        tokenizer = gguf_tokenizer.make_tokenizer(metadata)
        tokens = metadata["tokenizer.ggml.tokens"]
        specials = {
            f"{name}_token": tokens[metadata[f"tokenizer.ggml.{name}_token_id"]]
            for name in ("bos", "eos")
            if f"tokenizer.ggml.{name}_token_id" in metadata
        }
    except (KeyError, IndexError, TypeError) as problem:
        raise UnreadableTokenizer(f"{path.name} has no complete tokenizer.") from problem
    template = str(metadata.get("tokenizer.chat_template") or "")
    return TokenCounter(tokenizer, template, gguf_tokenizer.context_of(metadata), specials)


def _from_folder(path: Path) -> TokenCounter:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
    except Exception as problem:  # The library raises bare Exceptions, for missing and for broken files alike.
        raise UnreadableTokenizer(f"{path.name} has no tokenizer.json that can be read.") from problem
    tokenizer.no_truncation()
    tokenizer.no_padding()
    settings, config = _json(path / "tokenizer_config.json"), _json(path / "config.json")
    specials = {name: _token(settings.get(name)) for name in ("bos_token", "eos_token", "pad_token", "unk_token")}
    return TokenCounter(
        tokenizer,
        _template(path, settings),
        context_of(config, settings),
        {name: text for name, text in specials.items() if text},
    )


def context_of(config: Mapping[str, Any], settings: Mapping[str, Any]) -> int | None:
    """Most tokens of prompt and answer together by ``config.json`` and ``tokenizer_config.json``; None when neither says."""
    inner = config.get("text_config")
    told = [config.get("max_position_embeddings"), (inner or {}).get("max_position_embeddings") if inner else None]
    told.append(settings.get("model_max_length"))
    # Transformers writes 10^30 for "no limit".
    known = [int(value) for value in told if isinstance(value, int | float) and 0 < value < 1 << 31]
    return min(known) if known else None


def _template(path: Path, settings: Mapping[str, Any]) -> str:
    file = path / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8", errors="replace")
    told = settings.get("chat_template")
    if isinstance(told, list):
        named = {item.get("name"): item.get("template") for item in told if isinstance(item, dict)}
        told = named.get("default") or next(iter(named.values()), "")
    return str(told or "")


def _token(value: Any) -> str:
    return str(value.get("content") or "") if isinstance(value, dict) else str(value or "")


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}

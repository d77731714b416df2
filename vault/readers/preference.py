"""Preferences: a prompt with a better and a worse answer. The better one is the completion; the worse one is kept in meta.

Shapes: OpenAI's direct preference optimization guide (``input``, ``preferred_output``, ``non_preferred_output``) and TRL's
"preference" type, with the prompt given or, when both answers begin with it, implied.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any, ClassVar

from studio.lib.params import param
from vault.readers.base import BadRow, Reader, RowError, TextParams
from vault.readers.messages import base_meta, parse_messages, require_prompt, tag_list, text_value, with_system
from vault.readers.prompt_completion import parse_answer, parse_prompt
from vault.readers.records import rows_from
from vault.rows import Message, Row, prompt_id


class Preference(Reader):
    """A prompt, the answer people preferred and the one they did not, as OpenAI and TRL write them."""

    label: ClassVar[str] = "Preferences"
    description: ClassVar[str] = (
        'OpenAI\'s {"input": …, "preferred_output": …, "non_preferred_output": …} or TRL\'s '
        '{"prompt": …, "chosen": …, "rejected": …}. The preferred answer is the one to learn.'
    )

    class Params(TextParams):
        """How to take the prompts."""

        system_prompt: str = param(
            "", label="System prompt", help="Put before prompts that have none of their own.", widget="textarea"
        )

    def sniff(self, first: dict[str, Any] | None) -> bool:
        """True for a record with a pair of answers."""
        if first is None:
            return False
        return {"chosen", "rejected"} <= set(first) or {"preferred_output", "non_preferred_output"} <= set(first)

    def rows(self, path: Path, params: Params) -> Iterator[Row | RowError]:
        """See :meth:`Reader.rows`. ``meta["non_preferred"]`` is the other answer, an assistant message."""

        def make(value: dict[str, Any], line: int) -> list[Row]:
            if "preferred_output" in value or "input" in value:
                prompt, better, worse = _openai(value)
                meta = base_meta(value["input"], line)
            else:
                prompt, better, worse = _trl(value)
                meta = base_meta(value, line)
            prompt = with_system(prompt, params.system_prompt)
            require_prompt(prompt, column="prompt")
            if worse is not None:
                meta["non_preferred"] = worse
            row_id = text_value(value.get("id")).strip() or prompt_id(prompt)
            return [Row(id=row_id, prompt=prompt, completion=better, tags=tag_list(value.get("tags")), meta=meta)]

        return rows_from(path, encoding=params.encoding, make=make)


def _openai(value: dict[str, Any]) -> tuple[list[Message], Message | None, Message | None]:
    asked = value.get("input")
    if not isinstance(asked, dict):
        raise BadRow("'input' is not an object with messages.", column="input")
    prompt = parse_messages(asked.get("messages"), column="input.messages")
    between, better = parse_answer(value.get("preferred_output"), column="preferred_output")
    _, worse = parse_answer(value.get("non_preferred_output"), column="non_preferred_output")
    if better is None:
        raise BadRow("There is no preferred answer.", column="preferred_output")
    return [*prompt, *between], better, worse


def _trl(value: dict[str, Any]) -> tuple[list[Message], Message | None, Message | None]:
    chosen, rejected = value.get("chosen"), value.get("rejected")
    if value.get("prompt") is None and isinstance(chosen, str) and isinstance(rejected, str):
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(chosen, rejected, strict=False)))
        while same and not chosen[same - 1].isspace():
            same -= 1  # The prompt ends between words, whatever letters the answers share.
        prompt: list[Message] = [{"role": "user", "content": chosen[:same].rstrip()}]
        chosen, rejected = chosen[same:], rejected[same:]
    else:
        prompt = [] if value.get("prompt") is None else parse_prompt(value["prompt"])
    before, better = parse_answer(chosen, column="chosen")
    _, worse = parse_answer(rejected, column="rejected")
    if better is None:
        raise BadRow("There is no preferred answer.", column="chosen")
    # A list that begins with the prompt, given a second time, adds nothing to it.
    between = before[len(prompt) :] if before[: len(prompt)] == prompt else before
    return [*prompt, *between], better, worse

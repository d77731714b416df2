"""Prompt and completion: texts or message lists, as TRL and the Studio's own export write them.

Shapes: TRL's dataset types "prompt-completion", "prompt-only" and "unpaired preference", standard and conversational.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from studio.lib.canonical import canonical_json
from studio.lib.params import param
from vault.readers.base import BadRow, Reader, RowError, TextParams
from vault.readers.messages import (
    answer,
    base_meta,
    from_text,
    last_answer,
    parse_message,
    parse_messages,
    require_prompt,
    tag_list,
    text_value,
    with_system,
)
from vault.readers.records import rows_from
from vault.rows import Message, Row, SoftAnswer, prompt_id


class PromptCompletion(Reader):
    """One ``prompt`` with its ``completion`` (and ``reference``) a record; each a text or chat messages."""

    label: ClassVar[str] = "Prompt and completion"
    description: ClassVar[str] = (
        '{"prompt": …, "completion": …}: texts or message lists, as TRL and the Studio write them.'
    )

    class Params(TextParams):
        """How to take the prompts."""

        system_prompt: str = param(
            "", label="System prompt", help="Put before prompts that have none of their own.", widget="textarea"
        )

    def sniff(self, first: dict[str, Any] | None) -> bool:
        """True for a record with ``prompt`` and an answer, or with a prompt made of messages."""
        if first is None or not isinstance(first.get("prompt"), str | list):
            return False
        return isinstance(first["prompt"], list) or bool({"completion", "reference"} & set(first))

    def rows(self, path: Path, params: Params) -> Iterator[Row | RowError]:
        """See :meth:`Reader.rows`."""

        def make(value: dict[str, Any], line: int) -> list[Row]:
            between, completion = parse_answer(value.get("completion"), column="completion")
            prompt = with_system([*parse_prompt(value.get("prompt")), *between], params.system_prompt)
            require_prompt(prompt, column="prompt")
            meta = {**_meta(value.get("meta")), **base_meta(value, line)}
            if value.get("label") is False and completion is not None:
                # An unpaired preference: this answer is the one that nobody should learn.
                meta["non_preferred"] = completion
                completion = None
            return [
                Row(
                    id=text_value(value.get("id")).strip() or prompt_id(prompt),
                    prompt=prompt,
                    completion=completion,
                    reference=parse_answer(value.get("reference"), column="reference")[1],
                    soft=_soft(value.get("soft")),
                    tags=tag_list(value.get("tags")),
                    meta=meta,
                )
            ]

        return rows_from(path, encoding=params.encoding, make=make)


def parse_prompt(value: Any, *, column: str = "prompt") -> list[Message]:
    """A prompt given as text or as messages."""
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    if value is None:
        raise BadRow("There is no prompt.", column=column)
    return parse_messages(value, column=column)


def parse_answer(value: Any, *, column: str) -> tuple[list[Message], Message | None]:
    """An answer given as text, as one message or as messages that end with the answer; what comes before it is prompt."""
    if value is None:
        return [], None
    if isinstance(value, str):
        return [], answer({"role": "assistant", "content": value})
    if isinstance(value, list | dict) and not value:
        return [], None
    if isinstance(value, dict) and "role" in value:
        messages = [parse_message(value, column=column)]
    else:
        messages = parse_messages(value, column=column)
    return messages[:-1], answer(last_answer(messages, column=column))


def _soft(value: Any) -> list[SoftAnswer] | None:
    if value is None:
        return None
    shape = "'soft' is not a list of {text, probability} with probabilities from 0 to 1."
    if not isinstance(value, list):
        raise BadRow(shape, column="soft")
    found: list[SoftAnswer] = []
    for item in value:
        text, chance = (item.get("text"), item.get("probability")) if isinstance(item, dict) else (None, None)
        if not isinstance(text, str) or isinstance(chance, bool) or not isinstance(chance, int | float):
            raise BadRow(shape, column="soft")
        if not 0 <= chance <= 1:
            raise BadRow(shape, column="soft")
        found.append({"text": text, "probability": float(chance)})
    return found


def _meta(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if isinstance(value, str):
        value = from_text(value)  # Tables have no column type for it.
    if not isinstance(value, dict):
        raise BadRow("'meta' is not an object.", column="meta")
    try:
        canonical_json(value)
    except (ValueError, TypeError):
        raise BadRow("'meta' holds bytes, or a number that is infinite.", column="meta") from None
    return value

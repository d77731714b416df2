"""Prompt/completion JSONL: texts or message lists, as TRL and the Studio's own export write them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from studio.lib.canonical import canonical_json
from studio.lib.params import param
from vault.readers import jsonl
from vault.readers.base import BadRow, Reader, RowError, TextParams
from vault.readers.messages import (
    answer,
    parse_message,
    parse_messages,
    require_prompt,
    tag_list,
    text_value,
    with_system,
)
from vault.rows import Message, Row, SoftAnswer, prompt_id


class PromptCompletion(Reader):
    """One ``prompt`` with its ``completion`` (and ``reference``) a line; each a text or chat messages."""

    label: ClassVar[str] = "Prompt and completion"
    description: ClassVar[str] = 'JSON lines with {"prompt": …, "completion": …}: texts or message lists.'

    class Params(TextParams):
        """How to take the prompts."""

        system_prompt: str = param(
            "", label="System prompt", help="Put before prompts that have none of their own.", widget="textarea"
        )

    def sniff(self, head: bytes, name: str) -> bool:
        """True when the first line is an object with ``prompt`` and an answer, or a prompt made of messages."""
        first = jsonl.first_object(head)
        if first is None or not isinstance(first.get("prompt"), str | list):
            return False
        return isinstance(first["prompt"], list) or bool({"completion", "reference"} & set(first))

    def rows(self, path: Path, params: Params) -> Iterator[Row | RowError]:
        """See :meth:`Reader.rows`."""

        def make(value: dict[str, Any], line: int) -> Row:
            prompt = with_system(_prompt(value.get("prompt")), params.system_prompt)
            require_prompt(prompt, column="prompt")
            return Row(
                id=text_value(value.get("id")).strip() or prompt_id(prompt),
                prompt=prompt,
                completion=_answer(value.get("completion"), column="completion"),
                reference=_answer(value.get("reference"), column="reference"),
                soft=_soft(value.get("soft")),
                tags=tag_list(value.get("tags")),
                meta={**_meta(value.get("meta")), "source": {"line": line}},
            )

        return jsonl.rows_from(path, encoding=params.encoding, make=make)


def _prompt(value: Any) -> list[Message]:
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    if value is None:
        raise BadRow("There is no prompt.", column="prompt")
    return parse_messages(value, column="prompt")


def _answer(value: Any, *, column: str) -> Message | None:
    """An answer given as text, as one message or as a list of one message."""
    if value is None:
        return None
    if isinstance(value, str):
        return answer({"role": "assistant", "content": value})
    if isinstance(value, list):
        if len(value) != 1:
            raise BadRow(f"'{column}' holds {len(value)} messages; one answer is one assistant message.", column=column)
        value = value[0]
    message = parse_message(value, column=column)
    if message["role"] != "assistant":
        raise BadRow(f"'{column}' is a {message['role']} message, not an assistant's.", column=column)
    return answer(message)


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
    if not isinstance(value, dict):
        raise BadRow("'meta' is not an object.", column="meta")
    try:
        canonical_json(value)
    except ValueError:
        raise BadRow("'meta' holds a number that is infinite.", column="meta") from None
    return value

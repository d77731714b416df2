"""OpenAI chat files: ``{"messages": [...]}`` a record, as used for fine-tuning and by most chat datasets.

Shape and the meaning of ``weight``: OpenAI's guide to supervised fine-tuning (an assistant message with weight 0 is not
trained on) and TRL's "language modeling, conversational" type.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

from studio.lib.params import param
from vault.readers.base import BadRow, Reader, RowError, TextParams
from vault.readers.messages import (
    answer,
    base_meta,
    message_list,
    parse_message,
    require_prompt,
    tag_list,
    text_value,
    with_system,
)
from vault.readers.records import rows_from
from vault.rows import Message, Row, prompt_id


class OpenAIChat(Reader):
    """One conversation a record. The last assistant message is the answer, or each one that the file gives weight 1."""

    label: ClassVar[str] = "OpenAI chat"
    description: ClassVar[str] = (
        'Chats: {"messages": [{"role": …, "content": …}, …]}, with tools, tool calls and weights where there are any.'
    )

    class Params(TextParams):
        """How to take the conversations."""

        answer: Literal["completion", "reference", "ignore"] = param(
            "completion",
            label="The last assistant message is",
            help="completion: the teacher's answer, to be learnt. reference: a gold answer, to be measured against. "
            "ignore: only the prompt is kept.",
        )
        turns: Literal["weighted", "last", "all"] = param(
            "weighted",
            label="Answers to learn",
            help="weighted: the last one, or in conversations with weights each one whose weight is not 0. last: only the "
            "last. all: every assistant message whose weight is not 0. Each answer becomes a row, with everything said "
            "before it as its prompt.",
        )
        system_prompt: str = param(
            "",
            label="System prompt",
            help="Put before conversations that have none of their own.",
            widget="textarea",
        )

    def sniff(self, first: dict[str, Any] | None) -> bool:
        """True for a record with a list of messages."""
        return first is not None and isinstance(first.get("messages"), list)

    def rows(self, path: Path, params: Params) -> Iterator[Row | RowError]:
        """See :meth:`Reader.rows`."""

        def make(value: dict[str, Any], line: int) -> list[Row]:
            return chat_rows(value, line, params)

        return rows_from(path, encoding=params.encoding, make=make)


def chat_rows(value: dict[str, Any], line: int, params: OpenAIChat.Params) -> list[Row]:
    """One row for each answer of a conversation that is to be learnt, or one with the prompt alone when there is none."""
    raw = message_list(value.get("messages"), "messages")
    messages = [parse_message(item, column=f"messages[{index}]") for index, item in enumerate(raw)]
    chosen, cut = _answers(raw, messages, params.turns)
    given = text_value(value.get("id")).strip()
    rows = []
    places: list[int | None] = [*chosen] or [None]
    for place in places:
        prompt = with_system(messages[: cut if place is None else place], params.system_prompt)
        last = None if place is None else answer(messages[place])
        if place is None or len(chosen) == 1 or place == chosen[-1]:
            require_prompt(prompt, column="messages")
        elif not any(m["role"] == "user" for m in prompt):
            continue  # A greeting before anybody asked: it is part of the later prompts only.
        meta = base_meta(value, line)
        if len(chosen) > 1:
            meta["conversation"] = {"id": given or prompt_id(messages), "turn": place}
        rows.append(
            Row(
                id=(f"{given}-turn{place}" if len(chosen) > 1 else given) if given else prompt_id(prompt),
                prompt=prompt,
                completion=last if params.answer == "completion" else None,
                reference=last if params.answer == "reference" else None,
                tags=tag_list(value.get("tags")),
                meta=meta,
            )
        )
    return rows


def _answers(raw: list[Any], messages: list[Message], turns: str) -> tuple[list[int], int]:
    """Where the answers to learn stand, and, when there are none, how many messages make the prompt."""
    said = [index for index, message in enumerate(messages) if message["role"] == "assistant"]
    weights = {index: _weight(raw[index], index) for index in said}
    weighted = any(weight is not None for weight in weights.values())
    cut = len(messages) - 1 if messages[-1]["role"] == "assistant" else len(messages)
    if turns == "all" or (turns == "weighted" and weighted):
        return [index for index in said if weights[index] != 0], cut
    last = messages[-1]["role"] == "assistant" and weights[len(messages) - 1] != 0
    return ([len(messages) - 1] if last else []), cut


def _weight(message: Any, index: int) -> float | None:
    """The weight of an assistant message: 0, 1, or None when it has none."""
    weight = message.get("weight")
    if weight is None or (weight in (0, 1) and not isinstance(weight, str)):
        return None if weight is None else float(weight)
    raise BadRow(f"The weight is {str(weight)[:40]!r}; it may be 0 or 1.", column=f"messages[{index}]")

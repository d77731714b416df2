"""Alpaca instructions: ``instruction``, perhaps ``input``, and ``output``; also ``system`` and ``history``.

Shape: the Stanford Alpaca data, and LLaMA-Factory's additions to it (earlier turns as pairs in ``history``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

from studio.lib.params import param
from vault.readers.base import BadRow, Reader, RowError, TextParams
from vault.readers.messages import answer, base_meta, require_prompt, tag_list, text_value, with_system
from vault.readers.records import rows_from
from vault.rows import Message, Row, assistant, prompt_id


class Alpaca(Reader):
    """One instruction a record. Instruction and input, a blank line between them, make the user's message."""

    label: ClassVar[str] = "Alpaca"
    description: ClassVar[str] = (
        '{"instruction": …, "input": …, "output": …}, with system and history where there are any.'
    )

    class Params(TextParams):
        """How to take the instructions."""

        answer: Literal["completion", "reference"] = param(
            "completion",
            label="The output is",
            help="completion: the teacher's answer, to be learnt. reference: a gold answer, to be measured against.",
        )
        system_prompt: str = param(
            "", label="System prompt", help="Put before rows that have none of their own.", widget="textarea"
        )

    def sniff(self, first: dict[str, Any] | None) -> bool:
        """True for a record with an instruction and an output."""
        return (
            first is not None
            and {"instruction", "output"} <= set(first)
            and not isinstance(first["output"], list | dict)
        )

    def rows(self, path: Path, params: Params) -> Iterator[Row | RowError]:
        """See :meth:`Reader.rows`."""

        def make(value: dict[str, Any], line: int) -> list[Row]:
            prompt = with_system(_prompt(value), params.system_prompt)
            require_prompt(prompt, column="instruction")
            said = answer(assistant(text_value(value.get("output"))))
            return [
                Row(
                    id=text_value(value.get("id")).strip() or prompt_id(prompt),
                    prompt=prompt,
                    completion=said if params.answer == "completion" else None,
                    reference=said if params.answer == "reference" else None,
                    tags=tag_list(value.get("tags")),
                    meta=base_meta(value, line),
                )
            ]

        return rows_from(path, encoding=params.encoding, make=make)


def _prompt(value: dict[str, Any]) -> list[Message]:
    asked = [text_value(value.get(name)) for name in ("instruction", "input")]
    user: Message = {"role": "user", "content": "\n\n".join(text for text in asked if text.strip())}
    history = value.get("history") or []
    if not isinstance(history, list) or not all(isinstance(turn, list) and len(turn) == 2 for turn in history):
        raise BadRow("'history' is not a list of pairs [question, answer].", column="history")
    earlier: list[Message] = []
    for question, reply in history:
        earlier += [{"role": "user", "content": text_value(question)}, assistant(text_value(reply))]
    return with_system([*earlier, user], text_value(value.get("system")))

"""OpenAI chat JSONL: ``{"messages": [...]}`` a line, as used for fine-tuning and by most chat datasets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

from studio.lib.params import param
from vault.readers import jsonl
from vault.readers.base import Reader, RowError, TextParams
from vault.readers.messages import answer, parse_messages, require_prompt, tag_list, text_value, with_system
from vault.rows import Message, Row, prompt_id


class OpenAIChat(Reader):
    """One conversation a line. The last assistant message is the answer, everything before it the prompt."""

    label: ClassVar[str] = "OpenAI chat"
    description: ClassVar[str] = 'JSON lines with {"messages": [{"role": …, "content": …}, …]}.'

    class Params(TextParams):
        """How to take the conversations."""

        answer: Literal["completion", "reference", "ignore"] = param(
            "completion",
            label="The last assistant message is",
            help="completion: the teacher's answer, to be learnt. reference: a gold answer, to be measured against. "
            "ignore: only the prompt is kept.",
        )
        system_prompt: str = param(
            "",
            label="System prompt",
            help="Put before conversations that have none of their own.",
            widget="textarea",
        )

    def sniff(self, head: bytes, name: str) -> bool:
        """True when the first line is an object with a list of messages."""
        first = jsonl.first_object(head)
        return first is not None and isinstance(first.get("messages"), list)

    def rows(self, path: Path, params: Params) -> Iterator[Row | RowError]:
        """See :meth:`Reader.rows`."""

        def make(value: dict[str, Any], line: int) -> Row:
            messages = parse_messages(value.get("messages"), column="messages")
            last: Message | None = None
            if messages[-1]["role"] == "assistant":
                *messages, last = messages
            require_prompt(messages, column="messages")
            prompt = with_system(messages, params.system_prompt)
            last = answer(last)
            meta: dict[str, Any] = {"source": {"line": line}}
            if isinstance(value.get("tools"), list) and value["tools"]:
                meta["tools"] = value["tools"]
            return Row(
                id=text_value(value.get("id")).strip() or prompt_id(prompt),
                prompt=prompt,
                completion=last if params.answer == "completion" else None,
                reference=last if params.answer == "reference" else None,
                tags=tag_list(value.get("tags")),
                meta=meta,
            )

        return jsonl.rows_from(path, encoding=params.encoding, make=make)

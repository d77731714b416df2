"""Stored completions and request logs of OpenAI's API: what was asked together with the ``chat.completion`` that came back.

The list of stored completions has the answers only; the messages come from a second call (``…/messages``). An export
holds both in one object. Understood, beside the completion's own fields: ``messages`` or ``input``; a pair ``request`` and
``response`` or ``input`` and ``output``; the Batch API's ``response.body``; the Responses API's ``output`` items.
Shapes: OpenAI's API reference (chat completions, list; batch output; responses).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from studio.lib.params import param
from vault.readers.base import BadRow, Reader, RowError, TextParams
from vault.readers.messages import (
    answer,
    base_meta,
    message_list,
    parse_message,
    parse_messages,
    require_prompt,
    storable,
    tag_list,
    text_value,
    with_system,
    without_nulls,
)
from vault.readers.openai_facts import moment, usage_of
from vault.readers.records import rows_from
from vault.rows import Message, Row, prompt_id

KEPT = ("model", "metadata", "service_tier", "request_id", "response_format")
EXPORT = "Export them together with their messages; the guide “Move in from OpenAI” has the few lines that do it."


class OpenAICompletions(Reader):
    """One request with its answer a record. Several choices of one completion become several rows."""

    label: ClassVar[str] = "OpenAI stored completions"
    description: ClassVar[str] = (
        'Completions with their messages: {"messages": […], "choices": [{"message": …}], "model": …}; also request logs '
        "and responses."
    )

    class Params(TextParams):
        """How to take the completions."""

        system_prompt: str = param(
            "", label="System prompt", help="Put before requests that have none of their own.", widget="textarea"
        )

    def sniff(self, first: dict[str, Any] | None) -> bool:
        """True for a record that is a completion or a response, or a pair of request and response."""
        if first is None:
            return False
        reply = _reply(first)
        return isinstance(reply.get("choices"), list) or reply.get("object") in ("chat.completion", "response")

    def rows(self, path: Path, params: Params) -> Iterator[Row | RowError]:
        """See :meth:`Reader.rows`. ``meta`` keeps model, usage, time, metadata and why the answer ended."""

        def make(value: dict[str, Any], line: int) -> list[Row]:
            return _rows(value, line, params)

        return rows_from(path, encoding=params.encoding, make=make)


def _reply(value: dict[str, Any]) -> dict[str, Any]:
    """The completion inside a record, which may be the record itself."""
    for name in ("response", "output", "completion"):
        inner = value.get(name)
        if isinstance(inner, dict):
            body = inner.get("body")
            return body if isinstance(body, dict) else inner
    return value


def _request(value: dict[str, Any]) -> dict[str, Any]:
    """What was asked: an object with messages (or input), tools and the like."""
    for name in ("request", "input", "body"):
        inner = value.get(name)
        if isinstance(inner, dict):
            body = inner.get("body")
            return body if isinstance(body, dict) else inner
    return value


def _rows(value: dict[str, Any], line: int, params: OpenAICompletions.Params) -> list[Row]:
    reply, request = _reply(value), _request(value)
    prompt = with_system(_prompt(request), params.system_prompt)
    require_prompt(prompt, column="messages")
    answers = list(_answers(reply))
    if not answers:
        raise BadRow("The completion holds no answer.", column="choices")
    row_id = text_value(reply.get("id") or value.get("id") or value.get("custom_id")).strip() or prompt_id(prompt)
    rows = []
    for number, (message, reason) in enumerate(answers, start=1):
        meta = base_meta(request if "tools" in request else value, line) | _facts(value, reply)
        if reason:
            meta["finish_reason"] = reason
        rows.append(
            Row(
                id=row_id if len(answers) == 1 else f"{row_id}-choice{number}",
                prompt=prompt,
                completion=answer(message),
                tags=tag_list(value.get("tags") if isinstance(value.get("tags"), list) else None),
                meta=meta,
            )
        )
    return rows


def _facts(value: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a completion beside its text. The teacher is OpenAI, whose terms go with the rows."""
    facts: dict[str, Any] = {"teacher": "openai"}
    for name in KEPT:
        found = without_nulls(reply.get(name) if reply.get(name) is not None else value.get(name))
        if found not in (None, {}, []):
            facts[name] = storable(found, column=name)
    facts |= {"usage": used} if (used := usage_of(reply.get("usage"))) else {}
    facts |= {"at": at} if (at := moment(reply.get("created", reply.get("created_at")))) else {}
    return facts


def _prompt(request: dict[str, Any]) -> list[Message]:
    asked = request.get("messages")
    if asked is None:
        asked = request.get("input") if "input" in request else request.get("input_messages")
    if isinstance(asked, dict) and isinstance(asked.get("data"), list):
        asked = [_stored(message) for message in asked["data"]]
    found: list[Message] = []
    if isinstance(request.get("instructions"), str) and request["instructions"].strip():
        found.append({"role": "system", "content": request["instructions"]})
    if isinstance(asked, str) and asked.strip() and not asked.lstrip().startswith("["):
        return [*found, {"role": "user", "content": asked}]
    if asked in (None, "", []):
        raise BadRow(f"The completion came without the messages it answers. {EXPORT}", column="messages")
    items = [_stored(item) for item in message_list(asked, "messages")]
    return [*found, *parse_messages(items, column="messages")]


def _stored(message: Any) -> Any:
    """A message of the list of stored messages: parts, where it had any, stand in ``content_parts``."""
    if isinstance(message, dict) and message.get("content") is None and message.get("content_parts"):
        return {**message, "content": message["content_parts"]}
    return message


def _answers(reply: dict[str, Any]) -> Iterator[tuple[Message, str]]:
    """``(assistant message, why it ended)`` of each choice, or of a response's output."""
    choices = reply.get("choices")
    if isinstance(choices, list):
        for index, choice in enumerate(choices):
            if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
                raise BadRow("A choice holds no message.", column=f"choices[{index}]")
            message = parse_message({"role": "assistant", **choice["message"]}, column=f"choices[{index}]")
            yield message, text_value(choice.get("finish_reason"))
        return
    said, calls = [], []
    items = reply.get("output")
    for index, item in enumerate(items if isinstance(items, list) else []):
        if isinstance(item, dict) and item.get("type") == "message":
            said.append(parse_message({**item, "role": "assistant"}, column=f"output[{index}]").get("content") or "")
        elif isinstance(item, dict) and item.get("type") == "function_call":
            function = {"name": text_value(item.get("name")), "arguments": text_value(item.get("arguments"))}
            calls.append({"id": text_value(item.get("call_id")), "type": "function", "function": function})
    if said or calls:
        made: Message = {"role": "assistant", "content": "".join(said) if said else None}
        if calls:
            made["tool_calls"] = calls
        yield made, text_value(reply.get("status"))

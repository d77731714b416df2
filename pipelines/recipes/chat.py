"""From chat messages to token ids, by the student's own chat template: prompt ids and the completion ids to learn.

Nothing here knows a model by name. Where an answer ends is read off the template by rendering a probe conversation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.recipes.events import RecipeError

Messages = list[dict[str, Any]]
PROBE = "zqj1xv"
ENCODE_BATCH = 512


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids of one row. ``completion`` ends with the end-of-turn token and is what is supervised."""

    prompt: list[int]
    completion: list[int]


def apply_view(prompt: Sequence[Mapping[str, Any]], view: Mapping[str, Any] | None) -> Messages:
    """The messages the student sees. ``view`` is ``{"mode": "keep" | "drop" | "replace", "text": str}`` or None (keep).

    ``drop`` removes the system messages, ``replace`` puts one with ``text`` in their place, at the start.
    """
    messages = [dict(message) for message in prompt]
    mode = (view or {}).get("mode", "keep")
    if mode == "keep":
        return messages
    rest = [m for m in messages if m.get("role") not in ("system", "developer")]
    if mode == "drop":
        return rest
    if mode == "replace":
        return [{"role": "system", "content": (view or {}).get("text") or ""}, *rest]
    raise RecipeError(f"Unknown system prompt mode {mode!r}.", action="Use keep, drop or replace.", code="bad_config")


class Chat:
    """A tokenizer with its chat template, ready to encode rows.

    ``stop_ids``: every token at which generation should stop (the tokenizer's, the generation config's, the template's).
    Raises :class:`RecipeError` (code ``no_chat_template``) when the tokenizer has no chat template.
    """

    def __init__(self, tokenizer: Any, *, eos_ids: Iterable[int] = ()) -> None:
        if not getattr(tokenizer, "chat_template", None):
            raise RecipeError(
                "The base model's tokenizer has no chat template.",
                action="Choose an instruction-tuned model, or put a chat_template.jinja file into the model's folder.",
                code="no_chat_template",
            )
        self.tokenizer = tokenizer
        known = set(eos_ids)
        if tokenizer.eos_token_id is not None:
            known.add(tokenizer.eos_token_id)
        self.end_id = self._find_end(known)
        self.stop_ids = sorted(known | {self.end_id})

    def _find_end(self, known: set[int]) -> int:
        """The token that ends an assistant turn: the first special or end token the template writes after the answer."""
        messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": PROBE}]
        text = self._render(messages, generate=False)
        tail = text[text.rindex(PROBE) + len(PROBE) :] if PROBE in text else ""
        special = known | set(self.tokenizer.all_special_ids) | set(self.tokenizer.added_tokens_decoder)
        for token in self._ids([tail])[0] if tail else []:
            if token in special:
                return token
        if self.tokenizer.eos_token_id is None:
            raise RecipeError(
                "The tokenizer names no end token and its chat template writes none after an answer.",
                action="Set eos_token in the model's tokenizer_config.json.",
                code="bad_model",
            )
        return self.tokenizer.eos_token_id

    def _render(self, messages: Messages, *, generate: bool) -> str:
        from jinja2 import TemplateError

        filled = [{**m, "content": m.get("content") or ""} for m in messages]
        try:
            return self.tokenizer.apply_chat_template(filled, tokenize=False, add_generation_prompt=generate)
        except TemplateError as problem:
            roles = ", ".join(str(m.get("role")) for m in messages)
            raise RecipeError(
                f"The base model's chat template refuses a conversation with the roles {roles}: {problem}",
                action="If it names the system role, set the system prompt to 'drop'; otherwise choose another base model.",
                code="bad_template",
            ) from problem

    def _ids(self, texts: list[str]) -> list[list[int]]:
        return (
            self.tokenizer(texts, add_special_tokens=False, return_attention_mask=False)["input_ids"] if texts else []
        )

    def prompt_text(self, messages: Messages) -> str:
        """The text after which the model writes its answer."""
        return self._render(messages, generate=True)

    def encode_prompts(self, prompts: Sequence[Messages]) -> list[list[int]]:
        """Token ids of each prompt, up to where the answer begins."""
        out: list[list[int]] = []
        for start in range(0, len(prompts), ENCODE_BATCH):
            out += self._ids([self.prompt_text(p) for p in prompts[start : start + ENCODE_BATCH]])
        return out

    def encode(self, rows: Sequence[tuple[Messages, Mapping[str, Any]]]) -> list[Encoded]:
        """Token ids of ``(prompt messages, assistant message)`` pairs.

        The prompt's ids are exactly those seen at inference. The completion's come from the whole conversation, so that
        its first token is split as the model would write it; where the two disagree at the border it is encoded alone.
        """
        out: list[Encoded] = []
        for start in range(0, len(rows), ENCODE_BATCH):
            batch = rows[start : start + ENCODE_BATCH]
            heads = [self.prompt_text(messages) for messages, _ in batch]
            wholes = [
                self._whole(head, messages, answer) for head, (messages, answer) in zip(heads, batch, strict=True)
            ]
            for head, head_ids, whole, ids in zip(heads, self._ids(heads), wholes, self._ids(wholes), strict=True):
                n = len(head_ids)
                tail = ids[n:] if ids[:n] == head_ids else self._ids([whole[len(head) :]])[0]
                out.append(Encoded(prompt=head_ids, completion=self._close(tail)))
        return out

    def encode_labels(self, labels: Sequence[str], messages: Messages) -> list[list[int]]:
        """Completion ids of each label as an answer to ``messages`` (for scoring a closed set)."""
        return [e.completion for e in self.encode([(messages, {"role": "assistant", "content": x}) for x in labels])]

    def encode_answers(self, pairs: Sequence[tuple[Messages, Mapping[str, Any]]]) -> list[list[int]]:
        """Completion ids of each assistant message as an answer to its messages."""
        return [e.completion for e in self.encode(pairs)]

    def _whole(self, head: str, messages: Messages, answer: Mapping[str, Any]) -> str:
        whole = self._render([*messages, {**answer, "role": "assistant"}], generate=False)
        if whole.startswith(head):
            return whole
        # Templates that rewrite earlier turns, or open the answer differently: answer straight after the prompt.
        return head + (answer.get("content") or "")

    def _close(self, ids: list[int]) -> list[int]:
        """``ids`` up to and with the end-of-turn token; what templates write after it is never generated."""
        for index in range(len(ids) - 1, -1, -1):
            if ids[index] == self.end_id:
                return ids[: index + 1]
        return [*ids, self.end_id]

"""Chat rows as token ids: what is supervised, and where an answer ends."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.recipes.chat import Chat, apply_view
from pipelines.recipes.events import RecipeError
from tests.recipes import tiny

PROMPT: list[dict[str, Any]] = [
    {"role": "system", "content": "Classify."},
    {"role": "user", "content": "a pear"},
]
ANSWER = {"role": "assistant", "content": "fruit"}


@pytest.mark.parametrize(
    ("view", "roles", "first"),
    [
        (None, ["system", "user"], "Classify."),
        ({"mode": "keep", "text": ""}, ["system", "user"], "Classify."),
        ({"mode": "drop", "text": ""}, ["user"], "a pear"),
        ({"mode": "replace", "text": "Short."}, ["system", "user"], "Short."),
    ],
)
def test_a_view_keeps_drops_or_replaces_the_system_prompt(view: Any, roles: list[str], first: str) -> None:
    seen = apply_view(PROMPT, view)
    assert [m["role"] for m in seen] == roles
    assert seen[0]["content"] == first
    assert PROMPT[0]["content"] == "Classify."


def test_an_unknown_view_is_an_error() -> None:
    with pytest.raises(RecipeError, match="shorten"):
        apply_view(PROMPT, {"mode": "shorten"})


def test_the_answer_and_its_end_token_are_supervised_and_nothing_after_it(chat: Chat, tokenizer: Any) -> None:
    (encoded,) = chat.encode([(PROMPT, ANSWER)])
    assert tokenizer.decode(encoded.prompt).endswith("<|im_start|>assistant\n")
    assert tokenizer.decode(encoded.completion) == "fruit<|im_end|>"
    assert chat.encode_prompts([PROMPT]) == [encoded.prompt]


def test_labels_are_encoded_as_answers(chat: Chat, tokenizer: Any) -> None:
    ids = chat.encode_labels(["fruit", "animal"], PROMPT)
    assert [tokenizer.decode(x) for x in ids] == ["fruit<|im_end|>", "animal<|im_end|>"]


def test_an_answer_that_begins_with_a_line_break_does_not_change_its_prompt(chat: Chat, tokenizer: Any) -> None:
    (encoded,) = chat.encode([(PROMPT, {"role": "assistant", "content": "\n\nfruit"})])
    assert encoded.prompt == chat.encode_prompts([PROMPT])[0]
    assert tokenizer.decode(encoded.completion) == "\n\nfruit<|im_end|>"


def test_the_end_of_turn_is_read_off_the_template_not_the_tokenizer() -> None:
    tokenizer = tiny.make_tokenizer()
    tokenizer.eos_token = "<|endoftext|>"
    chat = Chat(tokenizer)
    assert chat.end_id == tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert set(chat.stop_ids) == {chat.end_id, tokenizer.eos_token_id}


def test_a_template_without_an_end_of_turn_gets_the_tokenizers_end_token() -> None:
    tokenizer = tiny.make_tokenizer()
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant: {% endif %}"
    )
    (encoded,) = Chat(tokenizer).encode([(PROMPT, ANSWER)])
    assert encoded.completion[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(encoded.completion).startswith("fruit")


def test_a_template_that_opens_the_answer_differently_still_follows_the_prompt() -> None:
    tokenizer = tiny.make_tokenizer()
    tokenizer.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\nthink {% endif %}"
    )
    (encoded,) = Chat(tokenizer).encode([(PROMPT, ANSWER)])
    assert tokenizer.decode(encoded.prompt + encoded.completion).endswith("assistant\nthink fruit<|im_end|>")


def test_a_tokenizer_without_a_chat_template_is_refused_with_the_next_action() -> None:
    tokenizer = tiny.make_tokenizer()
    tokenizer.chat_template = None
    with pytest.raises(RecipeError, match="no chat template") as caught:
        Chat(tokenizer)
    assert "chat_template.jinja" in caught.value.action


def test_a_template_that_refuses_the_system_role_says_what_to_do() -> None:
    tokenizer = tiny.make_tokenizer()
    tokenizer.chat_template = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
        + tiny.CHATML
    )
    with pytest.raises(RecipeError, match="System role not supported") as caught:
        Chat(tokenizer).encode([(PROMPT, ANSWER)])
    assert "drop" in caught.value.action

"""Model card and Modelfile."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment

from pipelines.exporters import card
from tests.recipes.tiny import CHATML

DEFAULT_SYSTEM = (
    "{% for m in messages %}{% if loop.first and m['role'] != 'system' %}<|im_start|>system\nBe kind.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
INST = (
    "<s>{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]"
    "{% elif m['role'] == 'assistant' %} {{ m['content'] }}</s>{% else %}<<SYS>>{{ m['content'] }}<</SYS>>{% endif %}{% endfor %}"
)
LAST_ONLY = "{{ messages[-1]['content'] }}{% if add_generation_prompt %}>{% endif %}"


def render(template: str) -> card.Render:
    compiled = Environment(autoescape=False).from_string(template)
    return lambda messages, generate: compiled.render(messages=messages, add_generation_prompt=generate)


def test_a_default_system_prompt_stands_where_none_is_given() -> None:
    turns = card.take_apart(render(DEFAULT_SYSTEM), bos="<|im_start|>")
    assert turns is not None
    text = card.ollama_template(turns, adds_bos=False)
    assert text.startswith("{{ if not .System }}<|im_start|>system\nBe kind.{{ end }}{{ range .Messages }}")
    assert text.endswith("{{ end }}{{ end }}")


def test_plain_turns_have_no_opening() -> None:
    turns = card.take_apart(render(CHATML), bos="<|im_start|>")
    assert turns is not None
    assert turns.bos == turns.opening == ""
    assert turns.system == ("<|im_start|>system\n", "<|im_end|>\n")
    assert turns.user[1] == "<|im_end|>\n<|im_start|>assistant\n"


def test_the_begin_token_is_left_to_llama_cpp_when_it_adds_it() -> None:
    turns = card.take_apart(render(INST), bos="<s>")
    assert turns is not None
    assert turns.bos == "<s>"
    assert card.ollama_template(turns, adds_bos=False).startswith("<s>")
    assert "<s>" not in card.ollama_template(turns, adds_bos=True)


def test_a_template_that_is_not_a_row_of_turns_is_left_to_ollama() -> None:
    assert card.take_apart(render(LAST_ONLY), bos="") is None

    def refuses(messages: list[card.Message], generate: bool) -> str:
        raise ValueError("System role not supported")

    assert card.take_apart(refuses, bos="") is None
    assert "TEMPLATE" not in card.modelfile("a.gguf", template=None, system=None, stops=["</s>"])


def test_quotes_in_a_system_prompt_do_not_end_it() -> None:
    text = card.modelfile("a.gguf", template=None, system='say """x"""', stops=[])
    assert text.count('"""') == 2


def record(**changes: Any) -> dict[str, Any]:
    file = {"name": "m-Q8_0.gguf", "size": 145_000_000, "notes": ["8.5 bits."], "parity": {"same": 99, "rows": 100}}
    base = {"ref": "hub:a/b", "revision": "c0ffee"}
    return {"name": "m", "base_model": base, "files": [file], "card": {"Teacher": "gpt", "Empty": None}, **changes}


def test_the_card_names_base_checks_and_commands() -> None:
    text = card.model_card(record(parity="passed"))
    assert "- Base model revision: c0ffee" in text
    assert "on 99 of 100 held-out rows (99.0%)" in text
    assert "below what was asked" not in text
    assert "- Empty" not in text
    assert "## Licence" in text


def test_the_card_does_not_hide_a_failed_check() -> None:
    assert "below what was asked for" in card.model_card(record(parity="failed"))
    unchecked = {**record()["files"][0], "parity": None}
    assert "not replayed" in card.model_card(record(files=[unchecked]))

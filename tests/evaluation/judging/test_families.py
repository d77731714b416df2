"""Whose family a model is of, by its name."""

from __future__ import annotations

import pytest

from evaluation.judging.families import families_of, kin, models_of, same_model


@pytest.mark.parametrize(
    ("name", "families"),
    [
        ("gpt-4o-mini-2024-07-18", {"GPT"}),
        ("o3-mini", {"GPT"}),
        ("anthropic/claude-3-5-haiku", {"Claude"}),
        ("hub:Qwen/Qwen2.5-0.5B-Instruct", {"Qwen"}),
        ("DeepSeek-R1-Distill-Qwen-7B", {"DeepSeek", "Qwen"}),
        ("embedded:smollm2-135m", {"SmolLM"}),
        ("microsoft/phi-4", {"Phi"}),
        ("llama3.1:8b", {"Llama"}),
        ("our-own-model", set()),
        ("philosopher-2", set()),
        ("foo1", set()),
    ],
)
def test_the_family_is_read_off_the_name(name: str, families: set[str]) -> None:
    assert families_of(name) == families


def test_one_model_is_known_with_its_date_and_not_confused_with_its_little_sister() -> None:
    assert same_model("gpt-4o", "openai/gpt-4o-2024-08-06")
    assert same_model("house-model:latest", "house-model")
    assert not same_model("gpt-4o", "gpt-4o-mini")
    assert not same_model("", "gpt-4o")
    assert kin("house-model", ["house-model-20250101"]) == "the same model"
    assert kin("gpt-4o", ["gpt-4o-mini"]) == "GPT"
    assert kin("gpt-4o", ["claude-3"]) == ""


def test_the_models_of_candidates_come_from_the_report() -> None:
    report = {
        "facts": {"Base model": "hub:Qwen/Qwen2.5-0.5B"},
        "teacher_models": [{"model": "gpt-4o", "fingerprint": "", "rows": 3}],
        "candidates": [
            {"name": "teacher", "kind": "teacher"},
            {"name": "student", "kind": "student"},
            {
                "name": "outside",
                "kind": "outside",
                "source": {"model": "haiku", "models": [{"model": "claude-3-haiku", "fingerprint": "", "rows": 3}]},
            },
        ],
    }
    assert models_of(report) == {
        "teacher": ["gpt-4o"],
        "student": ["hub:Qwen/Qwen2.5-0.5B"],
        "outside": ["haiku", "claude-3-haiku"],
    }

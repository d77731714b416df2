"""Which model family a name belongs to: judges tend to prefer answers of their own. Pure.

Source of the effect: Panickssery, Bowman and Feng (2024), "LLM Evaluators Recognize and Favor Their Own Generations".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

FAMILIES: tuple[tuple[str, str], ...] = (
    ("GPT", r"gpt|davinci|(?<![a-z0-9])o[1-9](?![a-z0-9])"),
    ("Claude", r"claude"),
    ("Gemini", r"gemini|gemma"),
    ("Llama", r"llama|vicuna"),
    ("Qwen", r"qwen|qwq"),
    ("Mistral", r"mistral|mixtral|ministral|codestral|magistral|devstral|pixtral"),
    ("DeepSeek", r"deepseek"),
    ("Phi", r"(?<![a-z])phi-?[0-9]"),
    ("SmolLM", r"smollm"),
    ("Command", r"(?<![a-z])command-|c4ai|(?<![a-z])aya-"),
    ("Grok", r"grok"),
    ("GLM", r"glm"),
    ("Kimi", r"kimi|moonshot"),
    ("Nova", r"(?<![a-z])nova-(?:micro|lite|pro|premier)"),
    ("Yi", r"(?<![a-z])yi-"),
    ("Falcon", r"falcon"),
    ("OLMo", r"olmo"),
    ("Granite", r"granite"),
    ("Nemotron", r"nemotron"),
)
"""Family → what its models' names hold, in lower case. A name may be of two families: one distilled into the other."""

DATED = re.compile(r"(?:[-@:](?:[0-9]{4,}|[0-9]{2}|latest|v[0-9]+))*")
"""What a provider adds to a model's name without making it another model."""


def families_of(model: str) -> frozenset[str]:
    """The families that a model's name tells of; none for a name that tells nothing. Never a guess from the provider."""
    name = model.lower()
    return frozenset(family for family, pattern in FAMILIES if re.search(pattern, name))


def same_model(a: str, b: str) -> bool:
    """Whether two names are of one model, one of them perhaps with its date or folder. ``gpt-4o`` is not ``gpt-4o-mini``."""
    first, second = sorted((a.lower().rpartition("/")[2], b.lower().rpartition("/")[2]), key=len)
    return bool(first) and second.startswith(first) and DATED.fullmatch(second, len(first)) is not None


def models_of(report: Mapping[str, Any]) -> dict[str, list[str]]:
    """Candidate → the names of the models behind its answers, as far as the report tells."""
    base = str(report["facts"].get("Base model") or "")
    teachers = [str(entry["model"]) for entry in report.get("teacher_models") or []]
    found: dict[str, list[str]] = {}
    for candidate in report["candidates"]:
        source = candidate.get("source")
        if source:
            # A model asked over a network: the name it was asked by, and those its provider gave.
            given = [source.get("model"), *(entry["model"] for entry in source.get("models") or [])]
            found[candidate["name"]] = list(dict.fromkeys(str(name) for name in given if name))
        elif candidate["kind"] == "teacher":
            found[candidate["name"]] = teachers
        else:
            found[candidate["name"]] = [base] if base else []
    return found


def kin(judge: str, models: list[str]) -> str:
    """What joins a judge and the models behind a candidate: the family's name, "the same model", or nothing."""
    if any(same_model(judge, model) for model in models):
        return "the same model"
    shared = families_of(judge) & frozenset(family for model in models for family in families_of(model))
    return min(shared) if shared else ""

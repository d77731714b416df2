from __future__ import annotations

import time
from typing import Any

import pytest

from studio.lib.errors import StudioError
from vault.editing import matching
from vault.editing.matching import Replacement


def replace(text: str, find: str, replacement: str = "", **options: Any) -> str:
    return Replacement.from_params({"find": find, "replacement": replacement, **options}).apply(text)


@pytest.mark.parametrize(
    "text,find,replacement,options,made",
    [
        ("a.b a.b", "a.b", "x", {}, "x x"),
        ("axb", "a.b", "x", {}, "axb"),
        ("axb", "a.b", "x", {"regex": True}, "x"),
        ("Card CARD", "card", "Karte", {"ignore_case": True}, "Karte Karte"),
        ("Card", "card", "Karte", {}, "Card"),
        ("plain", "plain", r"\1\n", {}, r"\1\n"),
        ("21 May", r"(\d+) (\w+)", r"\2 \1 é☃", {"regex": True}, "May 21 é☃"),
        ("ab", r"(?P<first>a)(z)?", r"<\g<first>\2>", {"regex": True}, "<a>b"),
        ("a", "a", r"x\n\t\\y", {"regex": True}, "x\n\t\\y"),
        ("مرحبا 👋", "👋", "🙂", {}, "مرحبا 🙂"),
        ("aa", "", "", {"find": "a"}, ""),
    ],
)
def test_texts_are_replaced(text: str, find: str, replacement: str, options: dict[str, Any], made: str) -> None:
    assert replace(text, options.pop("find", find), replacement, **options) == made


@pytest.mark.parametrize("find,replacement", [("(a", ""), ("", ""), ("a", r"\1"), ("(a)", r"\g<zzz>"), ("(?=a)b", "")])
def test_what_can_not_be_used_is_said_with_what_to_do(find: str, replacement: str) -> None:
    with pytest.raises(StudioError) as refused:
        replace("a", find, replacement, regex=True)
    assert refused.value.action


def test_a_pattern_that_would_backtrack_for_years_is_over_at_once() -> None:
    began = time.monotonic()
    assert replace("x" * 50_000, "(x+x+)+y", "", regex=True) == "x" * 50_000
    assert time.monotonic() - began < 2


def test_a_text_never_grows_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "LONGEST", 1000)
    with pytest.raises(StudioError, match="grow beyond"):
        replace("a" * 900, "a", "b" * 100)

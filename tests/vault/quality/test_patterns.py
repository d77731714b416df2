"""User patterns: RE2, with errors a person can act on."""

from __future__ import annotations

import time

import pytest

from vault.quality.patterns import LONGEST, compile_pattern, search


def test_a_pattern_that_would_hang_a_backtracking_engine_takes_milliseconds() -> None:
    started = time.perf_counter()
    for evil in (r"^(a+)+$", r"(a|aa)+$", r"(.*a){20}$", r"^(\w+\s?)*$"):
        assert search(compile_pattern(evil), "a" * 20_000 + "!\n") is None
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(", "missing"),
        ("(?=a)", "Look-ahead"),
        (r"(a)\1", "back to a group"),
        ("x" * (LONGEST + 1), "at most 5,000"),
        ("((a{1000}){1000}){1000}", "can't be used"),
    ],
)
def test_what_cannot_be_used_is_said_in_words(pattern: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        compile_pattern(pattern)


def test_case_and_text_that_is_no_unicode() -> None:
    assert search(compile_pattern("straße", ignore_case=True), "STRASSE Straße").group(0) == "Straße"
    assert search(compile_pattern("a"), "\ud800 a").group(0) == "a"

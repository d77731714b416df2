"""Answers that stop in the middle, and answers that only end without a full stop."""

from __future__ import annotations

import pytest

from vault.quality.truncation import CUT, WHOLE, is_truncated

SENTENCE = "The bank sends a letter with the new number to the address that it has on file. "


@pytest.mark.parametrize(
    "answer",
    [
        "```python\nprint('hello')",
        '{"amount": 12, "items": [{"name": "te',
        "[1, 2, 3",
        '{"a": "open string',
        SENTENCE * 3 + "Then the customer has to sign the",
        SENTENCE * 3 + "There are three of them: apples,",
        SENTENCE * 5 + "After that the clerk looks at the passport and compares it with the photograph in the sys",
        "- one\n- two\n" + SENTENCE * 2 + "It depends on (",
    ],
)
def test_an_answer_that_stops_in_the_middle_is_found(answer: str) -> None:
    assert is_truncated(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "card_arrival",
        "Yes",
        "a title without a full stop",
        "```python\nprint(1)\n```",
        '{"amount": 12}',
        "[1, 2, 3]",
        '{"a": 1} and a remark',
        "{broken: json}",
        SENTENCE * 4,
        SENTENCE * 4 + "\n\n- first point\n- second point",
        SENTENCE * 4 + "\n\n## Summary",
        SENTENCE * 4 + "\n\nBest regards\nThe team",
        SENTENCE * 4 + "See https://example.com/a/b",
        SENTENCE * 4 + "Yes! 🎉",
        "i just noticed that my card was charged twice for one coffee. can you please cancel one of them for me thanks",
    ],
)
def test_a_whole_answer_stays(answer: str) -> None:
    assert not is_truncated(answer)


def test_the_providers_word_wins_over_the_look_of_the_text() -> None:
    assert all(is_truncated("A whole sentence.", reason) for reason in CUT)
    assert not any(is_truncated("```\nopen", reason) for reason in WHOLE)
    assert is_truncated("```\nopen", "other"), "a word that says nothing leaves it to the text"

"""What an answer is judged by: rubrics to start from, and the name that a rubric and its scale go by. Pure."""

from __future__ import annotations

from typing import Literal

from pipelines.steps.judge import RUBRIC
from pipelines.steps.verdicts import Scale
from studio.lib.canonical import fingerprint

Preset = Literal["general", "faithful", "helpful", "same meaning"]

PRESETS: dict[Preset, str] = {
    "general": RUBRIC,
    "faithful": """Does the answer say only what the conversation and the reference bear out?
- Every statement follows from what is in the conversation or the reference; nothing is made up or guessed.
- Names, numbers, dates and conditions are taken over exactly.
- What can't be known from there is said to be unknown.""",
    "helpful": """Would the person who asked be helped by this answer?
- It does what was asked, wholly, and in the tone and form that was asked for.
- It is clear, well ordered and no longer than it needs to be.
- Nothing in it is wrong, rude, unsafe or beside the point.""",
    "same meaning": """Does the answer say the same as the reference?
- Words, order and style may differ; what it states, decides or recommends may not.
- What the reference says and the answer leaves out counts against it, and so does what the answer adds.""",
}
"""Name in the form → the rubric."""


def rubric_of(preset: Preset, own: str) -> str:
    """The rubric in words: one's own where there is one."""
    return own.strip() or PRESETS[preset]


def rubric_id(rubric: str, scale: Scale, *, with_reference: bool) -> str:
    """Sixteen hex digits that are equal for one rubric on one scale, the reference seen or not: what human and model grades
    must share to be compared."""
    return fingerprint([rubric.strip(), scale, with_reference])[:16]


def normal(score: float, scale: Scale) -> float:
    """A score as 0..1: 1 of 5 is 0, 3 is one half, 5 is 1; fail is 0 and pass is 1."""
    return (score - 1) / 4 if scale == "1 to 5" else float(score)


def levels(scale: Scale) -> list[int]:
    """Every score of a scale, from the worst."""
    return [1, 2, 3, 4, 5] if scale == "1 to 5" else [0, 1]


def said(score: int, scale: Scale) -> str:
    """A score in words: ``4 of 5``, ``pass``."""
    return f"{score} of 5" if scale == "1 to 5" else ("pass" if score else "fail")

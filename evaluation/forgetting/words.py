"""What was forgotten, in words; for a terminal and for Markdown too. Pure: the document in, text out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evaluation.statistics import Estimate
from evaluation.wording import p_value, percent, point_range, points


def differences_of(task: Mapping[str, Any]) -> dict[str, str]:
    """One task's difference, its interval and its p-value in words; blank where there is none."""
    d = task["difference"]
    return {
        "difference_text": points(d["value"], signed=True) if d else "",
        "interval": point_range(Estimate(**d)).removeprefix("95 % interval ") if d else "",
        "p_text": p_value(task["p_holm"]) if task["p_holm"] is not None else "",
    }


def word_of(task: Mapping[str, Any], *, margin: float) -> str:
    """What was found, in a few words."""
    words = {"forgot": "forgot", "better": "does better", "kept": f"kept within {points(margin)}"}
    return words.get(task["finding"], "no change shown")


def remark_of(task: Mapping[str, Any]) -> str:
    """What the figures do not exclude, where nothing was shown; otherwise blank."""
    d = task["difference"]
    if task["finding"] != "unclear":
        return ""
    if d is None:
        return "nothing was asked"
    return f"a loss of {points(-d['low'])} is not excluded" if d["low"] < 0 else ""


def how_asked(facts: Mapping[str, Any]) -> str:
    """How the questions were put, in a sentence."""
    rows = (
        f"at most {facts['rows']:,} questions of each (a sample by seed {facts['seed']})"
        if facts["rows"]
        else "all questions"
    )
    shots = int(facts["shots"] or 0)
    shown = f"{shots} worked {'example' if shots == 1 else 'examples'} before each" if shots else "no worked examples"
    way = "in a chat" if facts["chat"] else "as texts to be continued"
    return f"Asked by lm-eval {facts['lm_eval']} {way}, {shown}; {rows}. Both models got the same questions."


def forgotten_lines(document: Mapping[str, Any] | None) -> list[str]:
    """The document as sentences; none without one."""
    if not document:
        return []
    lines = [str(document["sentence"])]
    for task in document["tasks"]:
        remark = remark_of(task)
        if task["base"] is None:
            lines.append(f"{task['label']}: {remark}")
            continue
        told = differences_of(task)
        lines.append(
            f"{task['label']}: base model {percent(task['base']['value'])}, student {percent(task['student']['value'])}, "
            f"{told['difference_text']} over {task['n']:,} questions ({told['interval']}, corrected {told['p_text']}): "
            f"{word_of(task, margin=document['margin'])}{'; ' + remark if remark else ''}"
        )
    return [*lines, how_asked(document["facts"]), *document["notes"]]

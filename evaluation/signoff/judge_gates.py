"""Gates on what a judge said of the student, and on how far that judge can be believed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evaluation.judging.golden import with_people
from evaluation.judging.health import ENOUGH, PEOPLE_AT_LEAST
from evaluation.judging.record import mean_words
from evaluation.models import Scorecard
from evaluation.report.scorecards import read_report
from evaluation.signoff.gate import Gate
from evaluation.signoff.policy import Policy
from evaluation.wording import percent
from studio.lib.errors import StudioError

NO_JUDGE = "No judge graded this report. Put a step “Judge the answers” behind it and sign the report that it makes."


def check(card: Scorecard, policy: Policy) -> list[Gate]:
    """The gates on the report's last judge that the rules ask for; closed where there is no judge."""
    try:
        report = with_people(card, read_report(card.report))
    except StudioError as error:
        return [Gate("judge", "The judge", False, f"{error} {error.action}".strip())]
    judges = report.get("judges") or []
    judge = judges[-1] if judges else None
    kinds = {str(c["name"]): str(c["kind"]) for c in report["candidates"]}
    found = []
    if policy.judge_grade is not None:
        found.append(_grade(judge, policy.judge_grade, by_interval=policy.by_interval))
    if policy.judge_wins is not None:
        found.append(_wins(judge, policy.judge_wins, kinds, by_interval=policy.by_interval))
    if policy.judge_health:
        found.append(_health(judge))
    return found


def _grade(judge: Mapping[str, Any] | None, least: float, *, by_interval: bool) -> Gate:
    scale = judge["scale"] if judge else "1 to 5"
    label = f"Judge's mean grade at least {mean_words({'value': least}, scale)}"
    if judge is None:
        return Gate("judge_grade", label, False, NO_JUDGE)
    mine = next((c for c in judge["candidates"] if c["kind"] == "student" and c["mean"]), None)
    if mine is None:
        return Gate("judge_grade", label, False, f"{judge['model']} gave the student no grade.")
    value = mine["mean"]["low"] if by_interval else mine["mean"]["value"]
    who = "lower end of the interval" if by_interval else "student"
    said = f"{who} {mean_words({'value': value}, scale)} by {judge['model']}, {mine['graded']:,} answers"
    return Gate("judge_grade", label, value >= least, said)


def _wins(judge: Mapping[str, Any] | None, least: float, kinds: Mapping[str, str], *, by_interval: bool) -> Gate:
    label = f"Judge prefers it to the teacher, ties half, at least {percent(least)}"
    if judge is None:
        return Gate("judge_wins", label, False, NO_JUDGE)
    wanted = ("student", "teacher")
    pair = next((p for p in judge["pairs"] if (kinds.get(p["a"]), kinds.get(p["b"])) == wanted and p["score"]), None)
    if pair is None:
        return Gate("judge_wins", label, False, f"{judge['model']} did not compare the student with the teacher.")
    value = pair["score"]["low"] if by_interval else pair["score"]["value"]
    who = "lower end of the interval" if by_interval else "student"
    return Gate(
        "judge_wins", label, value >= least, f"{who} {percent(value)} by {judge['model']}, {pair['rows']:,} pairs"
    )


def _health(judge: Mapping[str, Any] | None) -> Gate:
    label = "The judge agrees with people"
    if judge is None:
        return Gate("judge_health", label, False, NO_JUDGE)
    golden = judge.get("golden")
    if not golden or not golden["n"]:
        return Gate(
            "judge_health", label, True, "Nobody graded answers by this rubric, so there is nothing to hold it against."
        )
    kappa = (golden.get("kappa") or {}).get("value")
    if golden["n"] < ENOUGH or kappa is None:
        return Gate(
            "judge_health", label, False, f"{golden['n']:,} answers graded by people; {ENOUGH} tell how far it agrees."
        )
    text = f"Kappa {kappa:.2f} over {golden['n']:,} answers; {PEOPLE_AT_LEAST:.2f} is needed."
    return Gate("judge_health", label, kappa >= PEOPLE_AT_LEAST, text.replace("-", "−"))

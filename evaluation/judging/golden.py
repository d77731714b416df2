"""The golden set in the database: what people graded, what is next for a person, and how far a report's judge agrees with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from evaluation.judging.blind_pairs import people_on_pairs
from evaluation.judging.cases import item_key, read_cases
from evaluation.judging.health import warnings
from evaluation.judging.people import HumanGrade, agreement
from evaluation.judging.rubrics import levels
from evaluation.judging.verdict_file import file_of, scores_of, verdicts_of
from evaluation.models import GoldenGrade, GoldenItem, GoldenSet, Scorecard
from studio.lib.errors import StudioError
from vault import store
from vault.rows import Row

MOST_ASKED = 500
"""Golden answers, newest first, that a judge is asked about beside the rows of its report."""
LONGEST_NOTE = 500
MOST_APART = 20


class Next(NamedTuple):
    """An answer that waits for a person's grade; nothing in it says whose it is or what the judge said."""

    key: str
    case: Row
    answer: str
    place: int
    """Among the drawn answers, from 1."""


def set_of(workspace_id: Any, judge: Mapping[str, Any]) -> GoldenSet | None:
    """The golden set of a judge's rubric, once somebody has graded by it."""
    return GoldenSet.objects.filter(workspace_id=workspace_id, rubric_id=judge["rubric_id"]).first()


def items_for(workspace_id: Any, rubric_id: str) -> list[dict[str, Any]]:
    """The graded golden answers of a rubric as plain values, oldest first, at most the newest ``MOST_ASKED``."""
    found = GoldenItem.objects.filter(set__workspace_id=workspace_id, set__rubric_id=rubric_id)
    graded = found.filter(grades__score__isnull=False).distinct().order_by("-pk")
    newest = [dict(item) for item in graded.values("key", "prompt", "answer", "reference")[:MOST_ASKED]]
    return newest[::-1]


def grades_of(workspace_id: Any, rubric_id: str) -> list[HumanGrade]:
    """Every grade by a rubric; skipped ones are none."""
    found = GoldenGrade.objects.filter(
        item__set__workspace_id=workspace_id, item__set__rubric_id=rubric_id, score__isnull=False
    ).order_by("pk")
    return [
        HumanGrade(key, user or f"left {name}", score)
        for key, user, name, score in found.values_list("item__key", "user_id", "name", "score")
        if score is not None
    ]


def agreement_of(workspace_id: Any, judge: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """How far a report's judge agrees with the golden set as it stands now; see :func:`people.agreement`."""
    human = grades_of(workspace_id, judge["rubric_id"])
    keys = sorted({grade.item for grade in human})
    root = settings.DATA_ROOT / "artifacts"
    given = scores_of(file_of(folder, judge["number"]), keys, root=root) if keys else {}
    return agreement(human, given, scale=judge["scale"])


def with_people(card: Scorecard, report: dict[str, Any]) -> dict[str, Any]:
    """The report with every judge's agreement with people as it stands now, and what follows from it. Changes ``report``."""
    for judge in report.get("judges") or []:
        if judge["candidates"]:
            judge["golden"] = agreement_of(card.workspace_id, judge, store.path(card.report))
        judge["blind"] = people_on_pairs(card, judge, store.path(card.report))
        judge["warnings"] = warnings(judge)
    return report


def next_for(card: Scorecard, judge: Mapping[str, Any], user: Any) -> Next | None:
    """The first drawn answer that this person has neither graded nor skipped; everybody gets them in the same order."""
    done = set(
        GoldenGrade.objects.filter(
            user=user, item__set__workspace_id=card.workspace_id, item__set__rubric_id=judge["rubric_id"]
        ).values_list("item__key", flat=True)
    )
    for place, (rid, candidate, key) in enumerate(judge["drawn"], start=1):
        if key not in done:
            return find_answer(card, rid, candidate, key, place=place)
    return None


def find_answer(card: Scorecard, rid: int, candidate: str, key: str, *, place: int) -> Next:
    """A drawn answer with its row. Raises ``StudioError`` when the report's files do not hold it."""
    case = next(read_cases(store.path(card.report), [candidate], [rid]), None)
    answer = case.meta["answers"].get(candidate) if case is not None else None
    if case is None or answer is None or item_key(case.prompt, answer, case.reference_text) != key:
        raise StudioError("This answer is not in the report any more.", action="Open the calibration page again.")
    return Next(key, case, answer, place)


def grade(card: Scorecard, judge: Mapping[str, Any], key: str, *, score: str, note: str, user: User) -> GoldenGrade:
    """Record a person's grade (or ``skip``) of a drawn answer; a second one replaces the first.

    Raises ``StudioError`` for a grade that the scale has not, and for an answer that was not drawn.
    """
    value = _score(score, judge)
    drawn = {entry[2]: (n, entry) for n, entry in enumerate(judge["drawn"], start=1)}
    if key not in drawn:
        raise StudioError("This answer is not one of those drawn for grading.", action="Grade the one that is shown.")
    place, (rid, candidate, _) = drawn[key]
    found = find_answer(card, rid, candidate, key, place=place)
    with transaction.atomic():
        group, _ = GoldenSet.objects.get_or_create(
            workspace_id=card.workspace_id,
            rubric_id=judge["rubric_id"],
            defaults={
                "rubric": judge["rubric"],
                "scale": judge["scale"],
                "with_reference": judge["with_reference"],
            },
        )
        item, _ = GoldenItem.objects.get_or_create(
            set=group,
            key=key,
            defaults={
                "prompt": found.case.prompt,
                "answer": found.answer,
                "reference": found.case.reference_text,
            },
        )
        made, _ = GoldenGrade.objects.update_or_create(
            item=item,
            user=user,
            defaults={
                "name": user.get_username(),
                "score": value,
                "note": note.strip()[:LONGEST_NOTE],
                "graded_at": timezone.now(),
            },
        )
    return made


def _score(text: str, judge: Mapping[str, Any]) -> int | None:
    if text == "skip":
        return None
    known = levels(judge["scale"])
    if text not in [str(level) for level in known]:
        raise StudioError(
            f"“{text[:20]}” is not a grade of the scale “{judge['scale']}”.",
            action=f"Choose one from {known[0]} to {known[-1]}, or skip the answer.",
        )
    return int(text)


def last_of(card: Scorecard, judge: Mapping[str, Any], user: Any) -> GoldenGrade | None:
    """What this person graded last by the judge's rubric."""
    found = GoldenGrade.objects.filter(
        user=user, item__set__workspace_id=card.workspace_id, item__set__rubric_id=judge["rubric_id"]
    )
    return found.select_related("item").first()


def take_back(card: Scorecard, judge: Mapping[str, Any], pk: int, *, user: User) -> None:
    """The person's grade is gone and the answer waits again. Raises ``StudioError`` when it is not theirs or gone already."""
    mine = GoldenGrade.objects.filter(
        pk=pk, user=user, item__set__workspace_id=card.workspace_id, item__set__rubric_id=judge["rubric_id"]
    )
    if not mine.delete()[0]:
        raise StudioError("This grade was taken back already.", action="Go on with the next answer.")


def done_by(card: Scorecard, judge: Mapping[str, Any], user: Any) -> int:
    """How many of the drawn answers this person has graded or skipped."""
    keys = [entry[2] for entry in judge["drawn"]]
    return GoldenGrade.objects.filter(
        user=user,
        item__key__in=keys,
        item__set__workspace_id=card.workspace_id,
        item__set__rubric_id=judge["rubric_id"],
    ).count()


def people_of(workspace_id: Any, judge: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Everybody who graded a drawn answer: ``name`` and ``done`` (skipped ones too), who did most first."""
    found = GoldenGrade.objects.filter(
        item__key__in=[entry[2] for entry in judge["drawn"]],
        item__set__workspace_id=workspace_id,
        item__set__rubric_id=judge["rubric_id"],
    ).order_by()
    counted = found.values("user_id", "name").annotate(done=Count("pk")).order_by("-done", "name")
    return [dict(person) for person in counted]


def furthest_apart(workspace_id: Any, judge: Mapping[str, Any], folder: Path) -> list[dict[str, Any]]:
    """The answers on which the mean of people and the judge differ most, the furthest first; equal ones are not among them."""
    items = {
        item.key: item
        for item in GoldenItem.objects.filter(
            set__workspace_id=workspace_id, set__rubric_id=judge["rubric_id"], grades__score__isnull=False
        )
        .distinct()
        .prefetch_related("grades")
    }
    given = verdicts_of(file_of(folder, judge["number"]), sorted(items), root=settings.DATA_ROOT / "artifacts")
    lines = []
    for key, verdict in given.items():
        grades = [grade for grade in items[key].grades.all() if grade.score is not None]
        people = fmean(grade.score for grade in grades if grade.score is not None)
        if people != verdict["score"]:
            lines.append(
                {
                    "gap": abs(people - verdict["score"]),
                    "rid": verdict["rid"],
                    "question": Row(id=key, prompt=items[key].prompt, completion=None).user_text,
                    "answer": items[key].answer,
                    "people": f"{people:.2f}".rstrip("0").rstrip("."),
                    "judge": verdict["score"],
                    "reason": verdict["reason"],
                    "notes": "; ".join(f"{grade.name}: {grade.note}" for grade in grades if grade.note),
                }
            )
    return sorted(lines, key=lambda line: -line["gap"])[:MOST_APART]

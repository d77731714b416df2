"""What a reader must know of the models that were asked over a network: who really answered, and whether it is the teacher."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.figures.scoring import Judged
from evaluation.metrics.base import same_answer
from evaluation.wording import percent

VERSION = re.compile(r"[-@:](\d{4}-?\d{2}-?\d{2}|\d{3,4}|latest)$")
"""What providers put behind a model's name to say which of its versions answered."""


def family(model: str) -> str:
    """A model's name without its version: ``gpt-5.4-mini-2026-03-01`` is ``gpt-5.4-mini``."""
    return VERSION.sub("", model.strip().lower())


def is_teacher(source: Mapping[str, Any], teacher: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a candidate is the model that gave the recorded answers, by the names that both go by."""
    recorded = {family(str(entry["model"])) for entry in teacher}
    mine = {family(str(source.get("model") or "")), *(family(str(entry["model"])) for entry in source["models"])}
    return bool(recorded & (mine - {""}))


def outside_notes(judged: Sequence[Judged], teacher: Sequence[Mapping[str, Any]]) -> list[str]:
    """For each such candidate: a name behind which several models or builds answered, and the teacher against its recorded self.

    ``teacher``: who gave the recorded answers, as ``report_notes.teacher_models`` says it.
    """
    notes = []
    for j in judged:
        source = j.candidate.source
        if source is None:
            continue
        notes += changed(j.candidate.label, source["models"])
        if is_teacher(source, teacher):
            notes += asked_again(j, source, teacher)
    return notes


def changed(label: str, models: Sequence[Mapping[str, Any]]) -> list[str]:
    """A note when more than one model, or more than one build of one, answered to the name."""
    count, shown = named(models)
    if count > 1:
        return [
            f"{count} models answered for {label}: {shown}. Its provider changed what stands behind the name; the figures "
            "are those of the mixture."
        ]
    builds = sum(bool(entry["fingerprint"]) for entry in models)
    if builds > 1:
        return [f"The provider gave {builds} different fingerprints for {label}: it was changed or moved meanwhile."]
    return []


def named(models: Sequence[Mapping[str, Any]]) -> tuple[int, str]:
    """How many models answered, and the five that answered most with their rows: ``“a” (90 rows), “b” (1 row)``."""
    rows: Counter[str] = Counter()
    for entry in models:
        rows[str(entry["model"])] += int(entry["rows"])
    shown = ", ".join(f"“{name}” ({n:,} {'row' if n == 1 else 'rows'})" for name, n in rows.most_common(5))
    return len(rows), shown + (f" and {len(rows) - 5} more" if len(rows) > 5 else "")


def asked_again(judged: Judged, source: Mapping[str, Any], teacher: Sequence[Mapping[str, Any]]) -> list[str]:
    """How often the teacher, asked now, says what it said then; and when that tells nothing."""
    label, both = judged.candidate.label, [item for item in judged.items if item.teacher is not None]
    if not both:
        return []
    same = sum(same_answer(item.answer, item.teacher or "") for item in both)
    said = (
        f"{label} is the teacher, asked again: it gives its recorded answer on {same:,} of {len(both):,} "
        f"{'row' if len(both) == 1 else 'rows'} ({percent(same / len(both))})."
    )
    then = sorted({str(entry["model"]) for entry in teacher})
    now = sorted({str(entry["model"]) for entry in source["models"]})
    if then != now and now:
        said += f" Then “{'”, “'.join(then[:3])}” answered, now “{'”, “'.join(now[:3])}”."
    notes = [said]
    if own := int(source.get("own") or 0):
        notes.append(
            f"{own:,} of {label}'s answers {'is the recorded one itself' if own == 1 else 'are the recorded ones themselves'}, "
            "out of the answer cache: there it can't differ. Raise 'Ask anew' in the step that asks it, to ask and pay for new answers."
        )
    return notes

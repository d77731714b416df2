"""The profile of a dataset artifact: asked for, found again, and its row facts on disk.

``facts.parquet`` holds one record for each row, in row order; its columns are :data:`vault.profiling.facts.SCHEMA`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from studio.jobs import State
from vault import derivations
from vault.models import Artifact, Derivation
from vault.profiling import students
from vault.profiling.students import Student

NAME = "profile-1"
FACTS_FILE = "facts.parquet"


def params_for(student: Student | None) -> dict[str, Any]:
    """The parameters of the profile whose tokens are this student's."""
    return {"student": student.ref, "tokenizer": student.identity} if student else {}


def request(artifact: Artifact, *, student: str = "") -> Derivation:
    """The profile with the tokens of this student (the default one for an empty reference), asked for unless it is there."""
    return derivations.request(artifact, NAME, params_for(students.choose(student)))


def find(artifact: Artifact, *, student: str = "") -> Derivation | None:
    """The profile that :func:`request` would give, if somebody asked for it before."""
    return derivations.find(artifact, NAME, params_for(students.choose(student)))


def is_whole(made: Derivation) -> bool:
    """Whether a profile is done and its files are still there."""
    return made.state == State.SUCCEEDED and (derivations.folder(made) / FACTS_FILE).is_file()


def finished(artifact: Artifact) -> Derivation | None:
    """The profile to go by: that of the default student when it is done, else the one that was done last, else None."""
    usual = find(artifact)
    if usual is not None and is_whole(usual):
        return usual
    done = Derivation.objects.filter(artifact__sha256=artifact.sha256, name=NAME, state=State.SUCCEEDED)
    return next((made for made in done.order_by("-finished_at") if is_whole(made)), None)


def facts_path(artifact: Artifact, *, student: str = "") -> Path | None:
    """The row facts to filter by: with this student's tokens if asked for and counted, else those of :func:`finished`."""
    wanted = find(artifact, student=student) if student else None
    made = wanted if wanted is not None and is_whole(wanted) else finished(artifact)
    return derivations.folder(made) / FACTS_FILE if made else None

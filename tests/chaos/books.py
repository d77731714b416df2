"""Do the books balance? Everything that must be true once a run has ended, whatever was killed on the way."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from pipelines.models import Run, StepOutput, TeacherCall
from studio.jobs import State
from studio.registries import STEPS
from tests.chaos.spec import PROMPTS, SAMPLES
from vault import store


def lost_in(run: Run) -> list[str]:
    """What a run that ended well lacks after all: outputs, files of an artifact, answers that were paid for."""
    lost = []
    for step in run.steps.prefetch_related("outputs__artifact"):
        if step.state != State.SUCCEEDED:
            lost.append(f"run {run.number}: {step.node} is {step.state}: {step.error}")
        missing = {name for name, port in STEPS[step.step].outputs.items() if not port.optional}
        missing -= {output.port for output in step.outputs.all()}
        lost += [f"run {run.number}: {step.node} has no {port}" for port in sorted(missing)]
    for output in StepOutput.objects.filter(step_run__run=run).select_related("artifact"):
        lost += [f"{output}: {problem}" for problem in store.verify(output.artifact)]
    answers = TeacherCall.objects.filter(step_run__run=run, step_run__node="teacher", problem="").count()
    if answers != PROMPTS * SAMPLES:
        lost.append(f"run {run.number}: {answers} answers of {PROMPTS * SAMPLES} are kept")
    return lost


def half_written(root: Path) -> list[str]:
    """Folders among the artifacts that are not whole, and working folders nobody works in any more."""
    found = [
        f"{folder.name} has no manifest"
        for folder in (root / "artifacts").glob("??/*")
        if not (folder / store.MANIFEST).exists()
    ]
    return found + [f"scratch {folder.name} was left" for folder in (root / "scratch" / "steps").glob("*")]


def asked_twice(prompts: list[str]) -> int:
    """How often the teacher was asked something that it had been asked before, beyond the samples that were wanted."""
    return sum(max(0, times - SAMPLES) for times in Counter(prompts).values())

"""The command line that does what a run did: its spec, the dataset versions it read, its answers, and what was forced."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

from django.utils.text import slugify

from pipelines.models import Force, Run, StepRun


def spec_name(run: Run) -> str:
    """The name of the file that holds a run's spec."""
    return f"{run.version.pipeline.slug}-run-{run.number}.yaml"


def command_of(run: Run) -> str:
    """``manage.py run_pipeline …`` on this Studio's data. The spec is the file ``run_spec_file`` gives out."""
    pipeline = run.version.pipeline
    parts = ["python", "manage.py", "run_pipeline", spec_name(run), "--workspace", run.workspace.slug]
    if slugify(pipeline.name)[:80] != pipeline.slug:
        parts += ["--pipeline", pipeline.slug]
    for step in run.steps.order_by("position"):
        for name, value in _pinned(step):
            parts += ["--set", f"{step.node}.{name}={json.dumps(value, ensure_ascii=False)}"]
        if step.force:
            parts += ["--ask-anew" if step.force == Force.ANEW else "--force", step.node]
    return shlex.join(parts)


def _pinned(step: StepRun) -> Iterator[tuple[str, object]]:
    """What was given at the run's start, what the spec leaves open, and what a person decided later."""
    yield from step.run.given.get(step.node, {}).items()
    if step.step == "dataset" and step.params.get("version") is None and step.facts.get("version") is not None:
        yield "version", step.facts["version"]
    yield from step.answers.items()

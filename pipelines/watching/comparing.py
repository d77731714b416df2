"""What a run did differently from the one before it: its spec, the data it read, and the code of its steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pipelines.building import overrides
from pipelines.models import Run, StepRun
from pipelines.specs import diff as spec_diff
from pipelines.specs import spec as specs


@dataclass(frozen=True)
class RunChanges:
    """Differences from ``before``. ``data`` and ``code`` are sentences; all three lists are empty when nothing differs."""

    before: Run
    spec: list[spec_diff.NodeChange] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    code: list[str] = field(default_factory=list)

    @property
    def nothing(self) -> bool:
        """Whether the two did the same with the same."""
        return not (self.spec or self.data or self.code)


def changes_since_last(run: Run) -> RunChanges | None:
    """What differs from the run of this pipeline before this one; None for the first."""
    before = (
        Run.objects.filter(version__pipeline=run.version.pipeline, number__lt=run.number)
        .select_related("version", "workspace")
        .order_by("-number")
        .first()
    )
    return compare(before, run) if before is not None else None


def compare(before: Run, after: Run) -> RunChanges:
    """What differs between two runs of one pipeline."""
    spec: list[spec_diff.NodeChange] = []
    if before.version_id != after.version_id or before.given != after.given:
        changes = spec_diff.compare(spec_of(before), spec_of(after))
        spec = [change for change in changes if change.kind != "same"]
    old = {step.node: step for step in before.steps.all()}
    data: list[str] = []
    code: list[str] = []
    for step in after.steps.all():
        was = old.get(step.node)
        if was is None or was.step != step.step:
            continue
        if was.version != step.version:
            code.append(f"{step.node}: the step works differently now (version {was.version} → {step.version}).")
        # Facts are known once a step has begun; what a setting decided is told under the settings.
        if was.facts and step.facts and was.facts != step.facts and was.params == step.params:
            data.append(_told(was, step))
    return RunChanges(before, spec, data, code)


def spec_of(run: Run) -> specs.Spec:
    """What a run carries out: its version, with the values given at its start."""
    return overrides.lay_over(specs.parse(run.version.spec), run.given)


def _told(was: StepRun, step: StepRun) -> str:
    changed = [key for key in {**was.facts, **step.facts} if was.facts.get(key) != step.facts.get(key)]
    shown = [f"{key} {_short(was.facts.get(key))} → {_short(step.facts.get(key))}" for key in sorted(changed)]
    return f"{step.node}: {', '.join(shown[:4])}."


def _short(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = "none" if value is None else str(value)
    return text if len(text) <= 16 else f"{text[:10]}…"

"""The list of runs: filtered, sorted, a page at a time, each with its progress, cost and time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import DurationField, ExpressionWrapper, F, FloatField, OuterRef, QuerySet, Subquery, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Coalesce, Now

from pipelines.models import Run, StepOutput, StepRun
from studio.jobs import State
from studio.models import Workspace

PAGE = 50
JUDGING = frozenset({"evaluate", "judge_answers"})
"""Steps that leave a verdict."""
SORTS = {
    "run": "number",
    "cost": "cost",
    "time": "took",
    "started": "created_at",
    "pipeline": "version__pipeline__name",
}
"""``?sort=`` → what is sorted by; a ``-`` in front turns it round."""


@dataclass(frozen=True)
class RunRow:
    """A run as the list shows it. ``current``: the step at work, waiting or failed. ``report``: its step with a verdict."""

    run: Run
    done: int
    total: int
    current: StepRun | None
    cost: float | None
    verdict: Any


@dataclass(frozen=True)
class Page:
    """A page of the list; ``number`` counts from 1, ``found`` is how many fit the filter."""

    rows: list[RunRow]
    number: int
    found: int
    sort: str

    @property
    def first(self) -> int:
        """The place of its first run in the whole list, from 1."""
        return (self.number - 1) * PAGE + 1 if self.rows else 0

    @property
    def last(self) -> int:
        """The place of its last run."""
        return self.first + len(self.rows) - 1 if self.rows else 0

    @property
    def before(self) -> int | None:
        """The page before it."""
        return self.number - 1 if self.number > 1 else None

    @property
    def after(self) -> int | None:
        """The page behind it."""
        return self.number + 1 if self.last < self.found else None


def list_runs(workspace: Workspace, wanted: Mapping[str, str]) -> Page:
    """The page that ``wanted`` (``state pipeline person sort page``) asks for; what is not known is passed over."""
    found = filtered(workspace, wanted)
    sort = wanted.get("sort", "")
    key = sort.removeprefix("-")
    if key not in SORTS:
        sort, key = "-run", "run"
    count = found.count()
    text = wanted.get("page", "")
    number = min(int(text), -(-count // PAGE) or 1) if text.isascii() and text.isdigit() and len(text) < 9 else 1
    number = max(number, 1)
    order = F(SORTS[key]).desc(nulls_last=True) if sort.startswith("-") else F(SORTS[key]).asc(nulls_last=True)
    if key == "cost":
        found = found.annotate(cost=Subquery(_costs()))
    if key == "time":
        took = ExpressionWrapper(Coalesce(F("finished_at"), Now()) - F("created_at"), output_field=DurationField())
        found = found.annotate(took=took)
    runs = list(
        found.select_related("version__pipeline__workspace", "created_by", "workspace").order_by(order, "-number")[
            (number - 1) * PAGE : number * PAGE
        ]
    )
    return Page(_rows(runs), number, count, sort)


def filtered(workspace: Workspace, wanted: Mapping[str, str]) -> QuerySet[Run]:
    """The runs of a workspace in a state, of a pipeline, started by a person (``-``: by the Studio)."""
    found = Run.objects.filter(workspace=workspace)
    if wanted.get("state") in State.values:
        found = found.filter(state=wanted["state"])
    if wanted.get("pipeline"):
        found = found.filter(version__pipeline__slug=wanted["pipeline"])
    person = wanted.get("person")
    if person:
        found = found.filter(created_by=None) if person == "-" else found.filter(created_by__username=person)
    return found


def _costs() -> QuerySet[Any]:
    """What the steps of a run cost together, without those that were reused."""
    paid = StepRun.objects.filter(run=OuterRef("pk"), reused_from=None, summary__cost_usd__isnull=False)
    return (
        paid.order_by().values("run").annotate(total=Sum(Cast(KT("summary__cost_usd"), FloatField()))).values("total")
    )


def _rows(runs: list[Run]) -> list[RunRow]:
    steps: dict[Any, list[StepRun]] = defaultdict(list)
    # The verdict belongs to the evaluation app, which stands above this one; here it is only passed on.
    wanted = ("run_id", "node", "step", "state", "position", "summary", "reused_from_id", "id")
    found = StepRun.objects.filter(run__in=runs).only(*wanted).order_by("position")
    for step in found:
        steps[step.run_id].append(step)
    verdicts = _verdicts([s for of_run in steps.values() for s in of_run if s.step in JUDGING])
    return [_row(run, steps[run.pk], verdicts) for run in runs]


def _verdicts(steps: list[StepRun]) -> dict[Any, Any]:
    """Step with a report → the scorecard of that report, also when it was made by the step that was reused."""
    reports = StepOutput.objects.filter(step_run__in=steps, port="report").values_list("step_run_id", "artifact_id")
    made_by = {s.pk: s.reused_from_id or s.pk for s in steps}
    judged = StepRun.objects.filter(pk__in=made_by.values()).only("id").prefetch_related("scorecards__workspace")
    cards = {step.pk: list(getattr(step, "scorecards").all()) for step in judged}  # noqa: B009 - another app's relation
    found = {}
    for step_id, artifact_id in reports:
        fitting = [card for card in cards.get(made_by[step_id], []) if card.report_id == artifact_id]
        if fitting:
            found[step_id] = max(fitting, key=lambda card: card.created_at)
    return found


def _row(run: Run, steps: list[StepRun], verdicts: Mapping[Any, Any]) -> RunRow:
    costs = [s.summary.get("cost_usd") for s in steps if not s.reused_from_id]
    known = [float(c) for c in costs if isinstance(c, int | float) and not isinstance(c, bool)]
    judged = [verdicts[s.pk] for s in steps if s.pk in verdicts]
    return RunRow(
        run=run,
        done=sum(s.state == State.SUCCEEDED for s in steps),
        total=len(steps),
        current=next((s for s in steps if s.state in (State.RUNNING, State.WAITING, State.FAILED)), None),
        cost=sum(known) if known else None,
        verdict=judged[-1] if judged else None,
    )


def people(workspace: Workspace) -> list[str]:
    """Everybody who ever started a run here, by name; ``-`` for the Studio itself when it did."""
    names = Run.objects.filter(workspace=workspace).order_by().values_list("created_by__username", flat=True).distinct()
    found = list(names)
    return sorted(n for n in found if n) + (["-"] if None in found else [])

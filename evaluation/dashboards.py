"""What the home page and the command palette show: what runs, what waits, the latest verdicts, and where things are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Prefetch, Q
from django.urls import reverse

from evaluation.gguf import files_of, preferred_file, read_export
from evaluation.models import Score, Scorecard, SignOff
from evaluation.signoff.box import states_of
from pipelines.models import MetricPoint, Pipeline, Run, StepRun
from studio.jobs import LIVE, State
from studio.models import AuditEvent, Workspace
from studio.registries import STEPS
from vault import store
from vault.models import Artifact, ArtifactKind, Dataset, Upload

RUNS_SHOWN = 4
VERDICTS_SHOWN = 6
FOUND = 6
"""Most hits of one kind in the command palette."""
SAMPLE_SEEDED = "seeded the sample project"


@dataclass(frozen=True)
class RunCard:
    """A run as the home page draws it."""

    run: Run
    steps: list[StepRun]
    done: int
    current: StepRun | None
    label: str
    """Name of the step at work, or empty."""
    curve: StepRun | None
    """The training step whose loss can be drawn, or None."""


@dataclass(frozen=True)
class Verdict:
    """The newest evaluation of a pipeline."""

    card: Scorecard
    agreement: Score | None
    saving: float | None
    """Share of the teacher's price that the student saves, or None when either is unknown."""
    latency_ms: float | None
    model: Artifact | None
    file_bytes: int | None
    """Size of the model file that the Studio recommends."""
    sign_off: SignOff | None = None


def step_label(step: StepRun) -> str:
    """The step's name as people know it."""
    return STEPS[step.step].label if step.step in STEPS else step.step


def run_cards(workspace: Workspace) -> list[RunCard]:
    """Runs at work, running ones first; when there are none, the newest run that ended."""
    runs = (
        Run.objects.filter(workspace=workspace)
        .select_related("version__pipeline", "workspace")
        .prefetch_related(Prefetch("steps", StepRun.objects.order_by("position")))
    )
    found = list(runs.filter(state__in=LIVE)[:RUNS_SHOWN]) or list(runs[:1])
    found.sort(key=lambda run: run.state != State.RUNNING)
    curves = set(MetricPoint.objects.filter(step_run__run__in=found).values_list("step_run_id", flat=True).distinct())
    return [_run_card(run, curves) for run in found]


def _run_card(run: Run, curves: set[Any]) -> RunCard:
    steps = list(run.steps.all())
    wanted = (State.RUNNING, State.WAITING, State.FAILED)
    current = next((s for s in steps if s.state in wanted), None)
    return RunCard(
        run=run,
        steps=steps,
        done=sum(s.state == State.SUCCEEDED for s in steps),
        current=current,
        label=step_label(current) if current else "",
        curve=next((s for s in steps if s.pk in curves), None),
    )


def waiting_items(workspace: Workspace) -> list[dict[str, Any]]:
    """What waits for a person, the oldest first: ``title``, ``text``, ``url``, ``since``."""
    steps = (
        StepRun.objects.filter(run__workspace=workspace, state=State.WAITING)
        .select_related("run__version__pipeline")
        .order_by("started_at")
    )
    found = [
        {
            "title": f"{step_label(s)} of {s.run.version.pipeline}, run {s.run.number}",
            "text": s.error,
            "url": reverse("run_step", args=[workspace.slug, s.run.number, s.node]),
            "since": s.started_at or s.created_at,
        }
        for s in steps
    ]
    undecided = Q(state__in=(State.WAITING, State.FAILED)) | Q(state=State.PENDING, ready=False)
    uploads = Upload.objects.filter(undecided, workspace=workspace).order_by("created_at")
    found += [
        {
            "title": f"Upload {upload}",
            "text": upload.error or "Its columns are not matched yet.",
            "url": reverse("upload", args=[workspace.slug, upload.pk]),
            "since": upload.created_at,
        }
        for upload in uploads
    ]
    return sorted(found, key=lambda item: item["since"])


def verdicts(workspace: Workspace) -> list[Verdict]:
    """The newest evaluation of each pipeline, the newest first."""
    cards = (
        Scorecard.objects.filter(workspace=workspace)
        .select_related("step_run__run__version__pipeline", "workspace")
        .prefetch_related("scores")
    )
    newest: dict[Any, Scorecard] = {}
    for card in cards[:100]:
        newest.setdefault(card.step_run.run.version.pipeline_id, card)
    shown = list(newest.values())[:VERDICTS_SHOWN]
    signed = states_of(shown)
    return [_verdict(card, sign_off=signed.get(card.pk)) for card in shown]


def _verdict(card: Scorecard, *, sign_off: SignOff | None) -> Verdict:
    scores: dict[tuple[str, str], Score] = {}
    for score in card.scores.all():
        scores.setdefault((score.kind, score.metric), score)
    prices = [scores.get((kind, "cost_per_1000_usd")) for kind in ("teacher", "student")]
    saving = 1 - prices[1].value / prices[0].value if prices[0] and prices[1] and prices[0].value > 0 else None
    latency = scores.get(("student", "latency_p50_ms"))
    model = (
        Artifact.objects.filter(
            workspace=card.workspace,
            kind=ArtifactKind.GGUF,
            step_outputs__step_run__run__steps__outputs__artifact__sha256=card.student_sha,
        )
        .order_by("-created_at")
        .first()
    )
    return Verdict(
        card=card,
        agreement=scores.get(("student", "agreement")) or scores.get(("student", "accuracy")),
        saving=saving,
        latency_ms=latency.value if latency else None,
        model=model,
        file_bytes=_file_bytes(model) if model else None,
        sign_off=sign_off,
    )


def _file_bytes(model: Artifact) -> int | None:
    try:
        folder = store.path(model)
        best = preferred_file(files_of(folder, read_export(folder)))
    except (store.Damaged, OSError, ValueError, KeyError):
        # A damaged model is told of on its own page; the home page must still open.
        return None
    return best.size if best else None


def sample_run(workspace: Workspace) -> Run | None:
    """The run of the sample project, when this workspace was seeded with one."""
    if not AuditEvent.objects.filter(workspace=workspace, verb=SAMPLE_SEEDED).exists():
        return None
    return Run.objects.filter(workspace=workspace, created_by=None).order_by("number").first()


TOUR: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    (
        "Answers",
        "A teacher labels every prompt. Here the answers are recorded, so nothing is paid for.",
        ("dataset", "generate"),
        "database",
    ),
    (
        "Curation",
        "Copies, wrong labels and odd lengths are dropped, each with its reason; some rows are held out.",
        ("dedupe_exact", "filter_length", "allowed_labels", "split"),
        "filter",
    ),
    ("Training", "A 135-million-parameter student learns the rest with QLoRA on this machine.", ("train",), "cpu"),
    (
        "Proof",
        "Student, base model and teacher answer the same held-out rows; every figure has its interval.",
        ("evaluate",),
        "scale",
    ),
    ("Model", "The student becomes GGUF files, each replayed over the held-out rows.", ("export_gguf",), "package"),
)


def tour(run: Run) -> list[dict[str, Any]]:
    """The stages of the sample run in words: ``title``, ``text``, ``icon``, ``status``, ``url``."""
    steps = list(run.steps.order_by("position"))
    stages = []
    for title, text, names, icon in TOUR:
        mine = [s for s in steps if s.step in names]
        if mine:
            shown = next((s for s in mine if s.state != State.SUCCEEDED), mine[-1])
            url = reverse("run_step", args=[run.workspace.slug, run.number, shown.node])
            stages.append({"title": title, "text": text, "icon": icon, "status": _stage_status(mine), "url": url})
    return stages


def _stage_status(steps: list[StepRun]) -> str:
    states = {s.state for s in steps}
    for state in (State.FAILED, State.WAITING, State.RUNNING, State.CANCELLED):
        if state in states:
            return str(state)
    if states == {State.SUCCEEDED}:
        return str(State.SUCCEEDED)
    return str(State.RUNNING if State.SUCCEEDED in states else State.PENDING)


def find(workspace: Workspace, query: str, *, can_edit: bool) -> list[dict[str, str]]:
    """Palette entries for ``query``: ``label``, ``group``, ``href``, ``hint``, ``key`` (the rail entry whose icon it takes)."""
    slug = workspace.slug
    found = _commands(slug, query) if can_edit else []
    datasets = Dataset.objects.filter(workspace=workspace, name__icontains=query)[:FOUND]
    found += [_hit(d.name, "Datasets", reverse("dataset", args=[slug, d.slug]), "", "v") for d in datasets]
    pipelines = Pipeline.objects.filter(workspace=workspace, name__icontains=query).order_by("-updated_at")[:FOUND]
    found += [_hit(p.name, "Pipelines", reverse("pipeline", args=[slug, p.slug]), "", "p") for p in pipelines]
    wanted = Q(version__pipeline__name__icontains=query)
    digits = "".join(c for c in query if c.isdigit())
    if digits and len(digits) < 9:
        wanted |= Q(number=int(digits))
    runs = Run.objects.filter(wanted, workspace=workspace).select_related("version__pipeline")[:FOUND]
    found += [
        _hit(
            f"Run {r.number}, {r.version.pipeline}",
            "Runs",
            reverse("run", args=[slug, r.number]),
            r.get_state_display(),
            "r",
        )
        for r in runs
    ]
    cards = Scorecard.objects.filter(workspace=workspace, step_run__run__version__pipeline__name__icontains=query)
    found += [
        _hit(
            f"Report of run {c.step_run.run.number}, {c.name_in_run or c.step_run.run.version.pipeline}",
            "Evaluations",
            reverse("evaluation", args=[slug, c.pk]),
            c.get_tone_display(),
            "e",
        )
        for c in cards.select_related("step_run__run__version__pipeline")[:FOUND]
    ]
    return found


def _commands(slug: str, query: str) -> list[dict[str, str]]:
    known = (
        _hit("Upload a dataset", "Start", reverse("upload_new", args=[slug]), "", "v"),
        _hit("Distil something: new pipeline", "Start", reverse("pipeline_new", args=[slug]), "", "p"),
    )
    return [hit for hit in known if all(word in hit["label"].lower() for word in query.lower().split())]


def _hit(label: str, group: str, href: str, hint: str, key: str) -> dict[str, str]:
    return {"label": label, "group": group, "href": href, "hint": hint, "key": key}

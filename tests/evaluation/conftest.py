"""Rows, answers and a recorded evaluation that several test files look at."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from evaluation.candidates.predictions import Candidate, Prediction, teacher_of
from evaluation.models import Scorecard
from evaluation.report.document import Options, build_report
from evaluation.report.scorecards import record_scorecard
from evaluation.rows.items import write_items
from pipelines.building import drafts
from pipelines.models import Pipeline, PipelineVersion, Run, StepOutput, StepRun
from pipelines.running import runs
from studio.jobs import State
from studio.models import Workspace
from studio.registries import STEPS
from tests.evaluation.judging import reports
from tests.servers.chat import ChatServer, running_chat_server
from vault import store
from vault.models import Artifact
from vault.rows import Row, assistant

LABELS = ["card", "cash", "transfer"]


def make_row(number: int, *, teacher: str | None, reference: str | None, **meta: Any) -> Row:
    """Row ``r<number>`` asking ``question <number>``."""
    return Row(
        id=f"r{number}",
        prompt=[{"role": "system", "content": "Name the label."}, {"role": "user", "content": f"question {number}"}],
        completion=None if teacher is None else assistant(teacher),
        reference=None if reference is None else assistant(reference),
        meta=meta,
    )


def make_rows(triples: Sequence[tuple[str | None, str | None]], **meta: Any) -> list[Row]:
    """Rows from ``(teacher's answer, reference)`` pairs."""
    return [make_row(i, teacher=t, reference=r, **meta) for i, (t, r) in enumerate(triples)]


def make_candidate(name: str, texts: Sequence[str | None], **more: Any) -> Candidate:
    """A candidate that wrote ``texts`` to the rows r0, r1, …; None is a failure."""
    kind = "student" if name == "student" else "base"
    answers = {
        f"r{i}": Prediction(f"r{i}", text=text, error=None if text is not None else "Too long for the model.")
        for i, text in enumerate(texts)
    }
    return Candidate(name, name.replace("_", " ").capitalize(), kind, answers, **more)  # type: ignore[arg-type]


@pytest.fixture
def reviewer_client(sign_in: Callable[[User], Client], reviewer: User) -> Client:
    """Signed in as the reviewer."""
    return sign_in(reviewer)


@pytest.fixture
def held_out() -> list[Row]:
    """Six rows: the teacher is wrong on r4 and gave no answer to r5."""
    pairs: list[tuple[str | None, str | None]] = [
        ("card", "card"),
        ("cash", "cash"),
        ("transfer", "transfer"),
        ("card", "card"),
        ("cash", "transfer"),
        (None, "cash"),
    ]
    return make_rows(pairs, cost_usd=0.002, latency_ms=800.0, model="big")


@pytest.fixture
def candidates(held_out: list[Row]) -> list[Candidate]:
    """Teacher, a base model that fails once, and a student that is right where the teacher is wrong and wrong once."""
    answers = {
        "r0": Prediction("r0", text="Card", label="card", confidence=0.99, latency_ms=50.0),
        "r1": Prediction("r1", text="cash", label="cash", confidence=0.9, latency_ms=60.0),
        "r2": Prediction("r2", text="card", label="transfer", confidence=0.4, latency_ms=70.0),
        "r3": Prediction("r3", text="card", label="card", confidence=0.8),
        "r4": Prediction("r4", text="transfer", label="transfer", confidence=0.7),
        "r5": Prediction("r5", text="cash", label="cash", confidence=0.9),
    }
    base = make_candidate("base", ["card", "card", "I think card", None, "", "cash"])
    student = Candidate("student", "Student", "student", answers, usd_per_row=0.0001, cost_basis="10 rows a second")
    return [teacher_of(held_out), base, student]


def record_evaluation(
    workspace: Workspace, rows: list[Row], candidates: list[Candidate], options: Options, *, number: int = 1
) -> Scorecard:
    """A finished run of a pipeline with a train and an evaluate step, its report published and its scorecard written."""
    pipeline = Pipeline.objects.create(workspace=workspace, slug=f"cards-{number}", name=f"Cards {number}")
    version = PipelineVersion.objects.create(pipeline=pipeline, number=1, spec={}, digest="0")
    run = Run.objects.create(workspace=workspace, version=version, number=number, state=State.SUCCEEDED)
    train = make_step(run, "train", position=0)
    adapter = publish_folder(workspace, "adapter", {"adapter_model.safetensors": b"weights" * number})
    StepOutput.objects.create(step_run=train, port="student", artifact=adapter)
    step = make_step(run, "evaluate", position=1, wiring={"student": {"node": "train", "port": "student"}})
    facts = {**options.facts, "Student": adapter.sha256, "Held-out rows": "ab" * 32}
    report = build_report(rows, candidates, Options(**{**vars(options), "facts": facts}))
    folder = store.scratch_dir(f"report-{number}")
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    write_items(folder / "items.parquet", rows, candidates)
    artifact = store.publish(folder, kind="report", workspace=workspace)
    StepOutput.objects.create(step_run=step, port="report", artifact=artifact)
    return record_scorecard(step)


def make_step(run: Run, step: str, *, position: int, wiring: dict[str, Any] | None = None) -> StepRun:
    """A finished step run."""
    now = timezone.now()
    return StepRun.objects.create(
        run=run, node=step, position=position, step=step, version=1, queue="cpu", wiring=wiring or {},
        state=State.SUCCEEDED, attempt=1, started_at=now, finished_at=now,
    )  # fmt: skip


def publish_folder(workspace: Workspace, kind: str, files: dict[str, bytes], **meta: Any) -> Artifact:
    """An artifact that holds these files."""
    folder = store.scratch_dir(f"{kind}-{len(files)}-{Artifact.objects.count()}")
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return store.publish(folder, kind=kind, workspace=workspace, meta=meta)


@pytest.fixture
def scorecard(workspace: Workspace, held_out: list[Row], candidates: list[Candidate]) -> Scorecard:
    """A recorded evaluation of the label task above."""
    return record_evaluation(workspace, held_out, candidates, Options(labels=LABELS))


@pytest.fixture
def judge_server(settings: Settings) -> Iterator[ChatServer]:
    """An honest judge."""
    settings.ALLOWED_HOSTS_OUT = ["127.0.0.1"]
    with running_chat_server() as running:
        running.say = reports.verdict
        yield running


@pytest.fixture
def judge_params(judge_server: ChatServer) -> dict[str, Any]:
    """Parameters that name it."""
    return {
        "teacher": "openai_compatible",
        "model": "claude-judge",
        "base_url": f"{judge_server.url}/v1",
        "concurrency": 1,
    }


@pytest.fixture
def start_judged(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], Run]:
    """``start_judged(spec)``: a run of it, to its end."""
    monkeypatch.setattr(STEPS, "table", {**STEPS.table, **reports.TABLE})

    def start_spec(spec: dict[str, Any]) -> Run:
        pipeline = drafts.create(workspace, name="Judged", spec=spec, user=None)
        return runs.run_to_end(runs.start_run(runs.freeze(pipeline, user=None), user=None))

    return start_spec


@pytest.fixture
def judged(start_judged: Callable[[dict[str, Any]], Run], judge_params: dict[str, Any]) -> Scorecard:
    """The scorecard of a judged report over twelve rows."""
    run = start_judged(reports.spec(**judge_params, price_in=10.0, price_out=100.0))
    step = StepRun.objects.get(run=run, node="judged")
    assert step.state == State.SUCCEEDED, step.error or step.trace
    return Scorecard.objects.get(step_run=step)

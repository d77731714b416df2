"""Put public benchmarks, and questions of one's own, to the base model and to the student: what was forgotten?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import model_validator

from evaluation.forgetting import data
from evaluation.forgetting.document import DOCUMENT, build_document, summary_of
from evaluation.forgetting.questions import questions_of
from pipelines.recipes.benchmark_tasks import OWN, TASKS
from pipelines.steps import base
from pipelines.steps.base import Context, InputArtifact, Output, Port, StepResult
from pipelines.steps.student import prepare_base, read_training
from studio.lib.errors import StepError
from studio.lib.extras import install_command
from studio.lib.params import BaseParams, param
from vault.rows import read_rows

BENCHMARKS = "pipelines.recipes.benchmarks"
ABOUT = ", ".join(f"{task.label}: {task.about}" for task in TASKS.values())

if TYPE_CHECKING:
    TaskName = str
else:
    TaskName = Literal[tuple(TASKS)]


class PublicBenchmarks(base.Step):
    """What did the student forget? Public benchmarks, and multiple-choice questions of your own, are put to the base model and to the
    student; the same questions, compared in pairs, every figure with its interval.
    """

    label = "Public benchmarks"
    group = "Evaluation"
    queue = "gpu"
    help = (
        "Training on one task can cost a model what it knew before. Wire the result into “benchmarks” of Evaluate to have it in the "
        f"report. Needs an optional part of the Studio: {install_command('benchmarks')}."
    )
    inputs = {
        "student": Port("adapter", "The trained student"),
        "questions": Port("dataset", "Multiple-choice questions of your own", optional=True),
    }
    outputs = {"benchmarks": Port("benchmarks", "Every task's figures of base model and student")}
    unfingerprinted = frozenset({"batch_size", "threads"})

    class Params(BaseParams):
        tasks: list[TaskName] = param(
            lambda: ["arc_easy", "hellaswag", "piqa", "winogrande"],
            label="Benchmarks",
            help=f"{ABOUT}. Their datasets are fetched from the hub once, where this Studio may reach it.",
        )
        rows: int = param(
            200,
            label="Questions of each",
            help="0: all, which takes hours without a GPU. Fewer: a seeded sample.",
            unit="questions",
            ge=0,
        )
        shots: int = param(
            0,
            label="Worked examples",
            help="Shown before each public question, from the benchmark's own training part.",
            ge=0,
            le=25,
        )
        chat: bool = param(
            False,
            label="Ask in a chat",
            help="Puts each question as a user's message by the model's chat template. Off: as a text to be continued, which is how "
            "published figures are made.",
        )
        margin: float = param(
            2.0, label="Accepted loss", help="The student may know this much less than the base model.",
            unit="points", ge=0, le=100,
        )  # fmt: skip
        batch_size: int = param(
            16,
            label="Answers at once",
            help="Lower it when memory is short.",
            ge=1,
            le=1024,
            advanced=True,
        )
        threads: int | None = param(None, label="Processor threads", help="Empty: all.", ge=1, le=256, advanced=True)
        seed: int = param(0, label="Seed", help="For the sample.", ge=0, advanced=True)

        @model_validator(mode="after")
        def each_once(self) -> Self:
            if len(set(self.tasks)) < len(self.tasks):
                raise ValueError("Choose each benchmark once")
            return self

    def resolve(self, params: Params, *, workspace_id: Any) -> dict[str, Any]:
        """The release of lm-eval, which defines the tasks; blank where it is not installed."""
        return {"lm_eval": release() or ""}

    def run(self, ctx: Context, params: Params, inputs: Mapping[str, InputArtifact]) -> StepResult:
        from django.conf import settings

        if release() is None:
            raise StepError(
                "The package lm-eval, which brings the public benchmarks, is not installed.",
                action=f"Run: {install_command('benchmarks')}, then retry.",
            )
        if not params.tasks and "questions" not in inputs:
            raise StepError(
                "There is nothing to ask: no benchmark is chosen and no questions are wired in.",
                action="Choose a benchmark, or wire a dataset into 'questions'.",
            )
        training = read_training(inputs["student"])
        own, notes = own_questions(ctx, inputs)
        root = Path(settings.DATA_ROOT) / data.FOLDER
        tasks = [TASKS[name] for name in params.tasks]
        source = data.Source(root, settings.HUB_URL, settings.ALLOWED_HOSTS_OUT, ctx.beat)
        data.make_ready(tasks, source, say=ctx.log)
        model = prepare_base(ctx, training)
        names = [*params.tasks, *([OWN] if own else [])]
        results = {
            who: ask(ctx, params, who=who, names=names, own=own, root=root, model=model, adapter=adapter)
            for who, adapter in (("base", None), ("student", inputs["student"].path))
        }
        document = build_document(
            results["base"],
            results["student"],
            margin=params.margin / 100,
            facts={
                "student": inputs["student"].sha,
                "base_model": {key: training["base_model"][key] for key in ("ref", "revision")},
                "questions": inputs["questions"].sha if "questions" in inputs else None,
                "datasets": {task.name: data.source_of(task, root) for task in tasks},
                "lm_eval": release(),
                "rows": params.rows,
                "shots": params.shots,
                "chat": params.chat,
                "seed": params.seed,
            },
            notes=notes,
        )
        folder = ctx.scratch / "benchmarks"
        folder.mkdir(exist_ok=True)
        (folder / DOCUMENT).write_text(json.dumps(document, ensure_ascii=False, allow_nan=False), encoding="utf-8")
        for who, found in results.items():
            (folder / f"{who}.json").write_text(json.dumps(found), encoding="utf-8")
        summary = summary_of(document)
        return StepResult({"benchmarks": Output(folder, summary)}, summary)


def release() -> str | None:
    """The installed release of lm-eval, or None."""
    try:
        return metadata.version("lm_eval")
    except metadata.PackageNotFoundError:
        return None


def own_questions(ctx: Context, inputs: Mapping[str, InputArtifact]) -> tuple[Path | None, list[str]]:
    """The file with one's own questions, or None where none are wired in; and what must be known of them."""
    if "questions" not in inputs:
        return None, []
    found = questions_of(read_rows(inputs["questions"].path))
    path = ctx.scratch / "own.jsonl"
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in found.lines), encoding="utf-8")
    left = found.left_out
    note = f"{left:,} {'row' if left == 1 else 'rows'} of the questions wired in had no right answer among choices and were left out."
    return path, [note] if left else []


def ask(
    ctx: Context,
    params: Any,
    *,
    who: str,
    names: list[str],
    own: Path | None,
    root: Path,
    model: Mapping[str, Any],
    adapter: Path | None,
) -> dict[str, dict[str, Any]]:
    """Put every task to one of the two models in a child process; tasks that an earlier attempt finished are not asked again."""
    out = ctx.scratch / who
    config = {
        "base_model": model["path"],
        "adapter": None if adapter is None else str(adapter),
        "label": "Student" if adapter else "Base model",
        "out": str(out),
        "data": str(root),
        "tasks": list(params.tasks),
        "own": None if own is None else str(own),
        "rows": params.rows,
        "shots": params.shots,
        "chat": params.chat,
        "batch_size": params.batch_size,
        "seed": params.seed,
        "threads": params.threads,
    }
    ctx.run_child(BENCHMARKS, config)
    return {name: json.loads((out / f"{name}.json").read_text(encoding="utf-8")) for name in names}

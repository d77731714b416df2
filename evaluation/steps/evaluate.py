"""Put the same held-out rows to teacher, base model and student, and report how they compare."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

from pydantic import model_validator

from evaluation.examples import choose_examples, question_key
from evaluation.items import ITEMS_FILE, write_items
from evaluation.labels import dedupe_labels, find_labels
from evaluation.predictions import Candidate, CandidateKind, read_predictions, teacher_of
from evaluation.report import DEFAULT_METRICS, Options, build_report
from pipelines.steps import base
from pipelines.steps.base import Context, InputArtifact, Output, Port, StepResult
from studio.lib.errors import StepError
from studio.lib.params import Params, param
from studio.registries import METRICS
from vault.rows import Row, read_rows, write_jsonl

PREDICT = "pipelines.recipes.predict"
BASE_MODELS = "pipelines.recipes.base_models"
REPORT_FILE = "report.json"

if TYPE_CHECKING:
    MetricName = str
else:
    MetricName = Literal[tuple(METRICS)]


class Evaluate(base.Step):
    """Student, base model and teacher on the same held-out rows: how often each gives the teacher's answer and the right
    one, how fast and at what price, every figure with its 95 % interval.

    The teacher is not asked again: its answers are the ones in the rows. Failures stay in every denominator.
    """

    label = "Evaluate"
    group = "Evaluation"
    queue = "gpu"
    inputs = {
        "rows": Port("dataset", "Held-out rows with the teacher's answers, references, or both"),
        "student": Port("adapter", "The trained student"),
        "train": Port("dataset", "Training rows: for worked examples and for the label set", optional=True),
    }
    outputs = {"report": Port("report", "Figures, verdict, and every row with every answer")}
    unfingerprinted = frozenset({"batch_tokens", "threads"})

    class Params(Params):
        candidates: list[Literal["teacher", "base", "base_few_shot", "student"]] = param(
            lambda: ["teacher", "base", "student"],
            label="Candidates",
            help="base is the untrained model with the rows' own prompt; base_few_shot also gets worked examples from the "
            "training rows.",
        )
        examples: int = param(5, label="Worked examples", help="For base_few_shot.", unit="rows", ge=1, le=100)
        labels: Literal["auto", "on", "off", "only"] = param(
            "auto",
            label="Score the label set",
            help="Also find each row's likeliest label, which gives a confidence. Auto: when the answers are a closed set of "
            "up to 200 short labels. Only: don't let the models write at all (quicker).",
        )
        max_new_tokens: int = param(
            64, label="Longest answer", help="An answer is cut here.", unit="tokens", ge=1, le=8192
        )
        rows: int = param(0, label="Held-out rows", help="0: all. Fewer: a seeded sample.", unit="rows", ge=0)
        base_rows: int = param(
            0,
            label="Rows for the base model",
            help="A prompted base model reads long prompts; a seeded sample may do. 0: the same rows as the student.",
            unit="rows",
            ge=0,
        )
        margin: float = param(
            2.0, label="Accepted loss", help="The student may be this much less accurate than the teacher.",
            unit="points", ge=0, le=100,
        )  # fmt: skip
        machine_cost_per_hour: float | None = param(
            None,
            label="Price of this machine",
            help="For the cost per 1,000 answers of local models. Empty: shown as unknown.",
            unit="US$ per hour",
            ge=0,
        )
        metrics: list[MetricName] = param(
            lambda: list(DEFAULT_METRICS),
            label="Metrics",
            help="Those that fit the kind of task are used.",
            advanced=True,
        )
        latency_rows: int = param(
            20,
            label="Rows timed one at a time",
            help="For the latency figures.",
            unit="rows",
            ge=0,
            le=1000,
            advanced=True,
        )
        batch_tokens: int = param(
            8192,
            label="Tokens at once",
            help="Lower it when memory is short.",
            unit="tokens",
            ge=64,
            advanced=True,
        )
        threads: int | None = param(None, label="Processor threads", help="Empty: all.", ge=1, le=256, advanced=True)
        seed: int = param(0, label="Seed", help="For samples, examples and bootstrap intervals.", ge=0, advanced=True)

        @model_validator(mode="after")
        def somebody_to_judge(self) -> Self:
            if not self.candidates:
                raise ValueError("Choose at least one candidate")
            return self

    def run(self, ctx: Context, params: Params, inputs: Mapping[str, InputArtifact]) -> StepResult:
        held_out = take_rows(list(read_rows(inputs["rows"].path)), count=params.rows, seed=params.seed)
        if not held_out:
            raise StepError(
                "There are no held-out rows to evaluate on.",
                action="Raise the split's test share, or wire another dataset into 'rows'.",
            )
        training = read_training(inputs["student"])
        setting = find_setting(held_out, inputs, training, params)
        task = "free text" if setting.labels is None else f"{len(setting.labels)} labels"
        ctx.log(f"{len(held_out):,} held-out rows, {task}; candidates: {', '.join(params.candidates)}.")
        candidates = ask_candidates(ctx, params, inputs, held_out, training, setting)
        options = Options(
            labels=setting.labels,
            seen_labels=setting.seen,
            metrics=params.metrics,
            margin=params.margin / 100,
            seed=params.seed,
            facts=facts_of(params, inputs, training),
            notes=setting.notes,
        )
        ctx.progress(len(held_out), len(held_out), note="Writing the report")
        report = build_report(held_out, candidates, options)
        folder = ctx.scratch / "report"
        folder.mkdir(exist_ok=True)
        (folder / REPORT_FILE).write_text(json.dumps(report, ensure_ascii=False, allow_nan=False), encoding="utf-8")
        write_items(folder / ITEMS_FILE, held_out, candidates)
        return StepResult({"report": Output(folder, summary_of(report))}, summary_of(report))

    def record(self, step_run: Any, result: StepResult) -> None:
        from evaluation.scorecards import record_scorecard

        record_scorecard(step_run)


@dataclass(frozen=True)
class Setting:
    """The closed label set (None for free text), the labels seen in training (None when unknown), how the models are to
    answer, and what the reader must be told of it."""

    labels: list[str] | None
    seen: frozenset[str] | None
    mode: Literal["generate", "labels", "both"]
    notes: list[str]


class Local(NamedTuple):
    """A candidate that answers on this machine."""

    name: str
    label: str
    kind: CandidateKind
    rows: list[Row]
    examples: list[dict[str, Any]]


def take_rows(rows: list[Row], *, count: int, seed: int) -> list[Row]:
    """``count`` rows chosen by ``seed`` in their own order (all of them for 0), each id once."""
    unique = list({row.id: row for row in reversed(rows)}.values())[::-1]
    if not count or count >= len(unique):
        return unique
    chosen = set(random.Random(seed).sample(range(len(unique)), count))  # noqa: S311 -- a repeatable sample
    return [row for i, row in enumerate(unique) if i in chosen]


def read_training(student: InputArtifact) -> dict[str, Any]:
    """What the train step wrote beside the adapter."""
    path = student.path / "training.json"
    if not path.exists():
        raise StepError(
            "The student's folder has no training.json, so its base model is unknown.",
            action="Wire the output of a train step into 'student'.",
        )
    return dict(json.loads(path.read_text(encoding="utf-8")))


def find_setting(
    rows: Sequence[Row], inputs: Mapping[str, InputArtifact], training: Mapping[str, Any], params: Evaluate.Params
) -> Setting:
    """Decide between labels and free text, from what is known of the labels and from the answers."""
    train = inputs.get("train")
    told = training.get("labels") or (train.meta.get("labels") if train else None)
    trained = dedupe_labels(told) if told else find_labels(_answers(read_rows(train.path))) if train else None
    seen = frozenset(trained) if trained else None
    if params.labels == "off":
        # The answers may still be labels: only the scoring is off.
        return Setting(trained or find_labels(_answers(rows)), seen, "generate", [])
    labels, notes = trained, []
    if labels is None:
        found = inputs["rows"].meta.get("labels") or find_labels(_answers(rows))
        labels = dedupe_labels(found) if found else None
        if labels is not None:
            notes = ["The label set was read off the held-out rows, since no training rows were wired in."]
    if labels is None and params.labels in ("on", "only"):
        labels = dedupe_labels([a for a in sorted(set(_answers(rows))) if a.strip()])
        notes = [f"Every distinct answer of the held-out rows ({len(labels):,}) was taken as a label, as asked."]
    if not labels:
        return Setting(None, None, "generate", notes)
    return Setting(labels, seen, "labels" if params.labels == "only" else "both", notes)


def _answers(rows: Any) -> list[str]:
    found = []
    for row in rows:
        found += [text for text in (row.completion_text, row.reference_text) if text is not None]
    return found


def ask_candidates(
    ctx: Context,
    params: Evaluate.Params,
    inputs: Mapping[str, InputArtifact],
    rows: list[Row],
    training: Mapping[str, Any],
    setting: Setting,
) -> list[Candidate]:
    """Every chosen candidate with its answers, in the fixed order teacher, base, student."""
    found = [teacher_of(rows)] if "teacher" in params.candidates else []
    local = local_candidates(params, inputs, rows)
    if not local:
        return found
    folder = prepare_base(ctx, training)
    for candidate in local:
        found.append(
            ask(ctx, params, candidate, folder=folder, student=inputs["student"], training=training, setting=setting)
        )
    return found


def local_candidates(params: Evaluate.Params, inputs: Mapping[str, InputArtifact], rows: list[Row]) -> list[Local]:
    """The chosen local candidates with the rows and examples each gets."""
    fewer = take_rows(rows, count=params.base_rows, seed=params.seed)
    found = []
    if "base" in params.candidates:
        found.append(Local("base", "Prompted base model", "base", fewer, []))
    if "base_few_shot" in params.candidates:
        if "train" not in inputs:
            raise StepError(
                "The candidate base_few_shot needs training rows to take its examples from.",
                action="Wire the split's train output into 'train', or take base_few_shot off the candidates.",
            )
        held_out = {question_key(row) for row in rows}
        train = read_rows(inputs["train"].path)
        examples = choose_examples(train, count=params.examples, seed=params.seed, held_out=held_out)
        label = f"Base model with {len(examples)} {'example' if len(examples) == 1 else 'examples'}"
        found.append(Local("base_few_shot", label, "base", fewer, examples))
    if "student" in params.candidates:
        found.append(Local("student", "Student", "student", rows, []))
    return found


def prepare_base(ctx: Context, training: Mapping[str, Any]) -> Path:
    """The folder of the base model that the student was trained on; made ready by a child, checked by its revision."""
    from pipelines.steps.train import base_model_config

    told = training["base_model"]
    found = ctx.run_child(BASE_MODELS, base_model_config(told["ref"]))
    if found["revision"] != told["revision"]:
        raise StepError(
            f"The base model {told['ref']} has changed since the student was trained (revision {found['revision'][:12]}, "
            f"trained on {told['revision'][:12]}).",
            action="Put the earlier model back (name its revision in the train step), or train again on the present one.",
        )
    return Path(found["path"])


def ask(
    ctx: Context,
    params: Evaluate.Params,
    candidate: Local,
    *,
    folder: Path,
    student: InputArtifact,
    training: Mapping[str, Any],
    setting: Setting,
) -> Candidate:
    """Put the rows to a local model. Answers of an earlier attempt are kept and not asked again."""
    is_student = candidate.kind == "student"
    rows_file, out = ctx.scratch / f"{candidate.name}.rows.jsonl", ctx.scratch / f"{candidate.name}.jsonl"
    write_jsonl(rows_file, candidate.rows)
    before = len(read_predictions(out))
    ctx.progress(before, len(candidate.rows), note=candidate.label)
    started = time.monotonic()
    if before < len(candidate.rows):
        ctx.run_child(
            PREDICT,
            {
                "base_model": str(folder),
                "adapter": str(student.path) if is_student else None,
                "rows": str(rows_file),
                "out": str(out),
                "labels": setting.labels if setting.mode != "generate" else None,
                "mode": setting.mode,
                "max_new_tokens": params.max_new_tokens,
                "prompt_view": (student.meta.get("prompt_view") or training.get("prompt_view")) if is_student else None,
                "examples": candidate.examples,
                "batch_tokens": params.batch_tokens,
                "latency_rows": params.latency_rows,
                "threads": params.threads,
            },
        )
    answers = read_predictions(out)
    pace = keep_pace(ctx.scratch / f"{candidate.name}.pace.json", len(answers) - before, time.monotonic() - started)
    return Candidate(
        name=candidate.name,
        label=candidate.label,
        kind=candidate.kind,
        answers=answers,
        asked=frozenset(row.id for row in candidate.rows),
        usd_per_row=price_of(pace, params.machine_cost_per_hour),
        cost_basis=f"{1 / pace:.2g} rows a second on a machine at ${params.machine_cost_per_hour:g} an hour"
        if pace and params.machine_cost_per_hour is not None
        else "",
        rows_per_second=1 / pace if pace else None,
    )


def keep_pace(path: Path, rows: int, seconds: float) -> float | None:
    """Seconds per row over all attempts of this step, with this attempt's rows added; None before any row was answered."""
    total = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"rows": 0, "seconds": 0.0}
    if rows:
        total = {"rows": total["rows"] + rows, "seconds": total["seconds"] + seconds}
        path.write_text(json.dumps(total), encoding="utf-8")
    return total["seconds"] / total["rows"] if total["rows"] else None


def price_of(seconds_per_row: float | None, per_hour: float | None) -> float | None:
    """US dollars an answer costs, or None when the machine's price or speed is unknown."""
    return None if seconds_per_row is None or per_hour is None else seconds_per_row * per_hour / 3600


def facts_of(
    params: Evaluate.Params, inputs: Mapping[str, InputArtifact], training: Mapping[str, Any]
) -> dict[str, Any]:
    """What was evaluated, by name and hash."""
    base_model = training["base_model"]
    view = inputs["student"].meta.get("prompt_view") or training.get("prompt_view") or {"mode": "keep"}
    facts = {
        "Held-out rows": inputs["rows"].sha,
        "Student": inputs["student"].sha,
        "Base model": base_model["ref"],
        "Base model revision": base_model["revision"],
        "Student's system prompt": {"keep": "kept", "drop": "dropped", "replace": "replaced"}.get(
            view["mode"], view["mode"]
        ),
        "Longest answer": f"{params.max_new_tokens} tokens",
        "Seed": params.seed,
    }
    if "train" in inputs:
        facts["Training rows"] = inputs["train"].sha
    return facts


def summary_of(report: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers the run page shows."""
    summary: dict[str, Any] = {
        "headline": report["verdict"]["sentence"],
        "rows": report["rows"],
        "tone": report["verdict"]["tone"],
    }
    student = next((c for c in report["candidates"] if c["kind"] == "student"), None)
    for name in ("agreement", "accuracy"):
        value = student["metrics"].get(name) if student else None
        if value:
            summary[name] = value["value"]
    return summary

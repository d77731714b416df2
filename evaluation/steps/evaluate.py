"""Put the same held-out rows to teacher, base model and student, and report how they compare."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import field_validator, model_validator

from evaluation.advice import seen_discordance, what_rows_show
from evaluation.candidates.asking import Session, ask_candidates
from evaluation.candidates.meaning import learn_meanings
from evaluation.candidates.outside import outside_candidates
from evaluation.figures.clusters import AUTO, NONE, PROMPT, SOURCE, find_clusters, keep_clusters
from evaluation.figures.held_out import find_setting, sampling_notes, take_rows
from evaluation.figures.leakage import check_leakage
from evaluation.figures.metric_settings import EXAMPLE, LONGEST, read_settings
from evaluation.figures.own_metrics import EXAMPLE as OWN_EXAMPLE
from evaluation.figures.own_metrics import LONGEST as LONGEST_OWN
from evaluation.figures.own_metrics import check_measure, read_own
from evaluation.figures.slices import FIELDS
from evaluation.forgetting.document import read_document
from evaluation.metrics.base import judges
from evaluation.metrics.own import Own
from evaluation.report.document import DEFAULT_METRICS, Options, build_report, load_metrics
from evaluation.report.facts import facts_of, same_student_note, summary_of
from evaluation.rows.items import ITEMS_FILE, write_items
from evaluation.rows.measures import measure_rows
from evaluation.statistics import DISCORDANCE
from pipelines.steps import base
from pipelines.steps.base import Context, InputArtifact, Output, Port, StepResult
from pipelines.steps.student import prompt_view_of, read_training
from pipelines.steps.train import base_identity
from studio.lib.errors import StepError
from studio.lib.params import BaseParams, param
from studio.registries import METRICS
from vault.rows import read_rows

REPORT_FILE = "report.json"
READING_TOKENS = 16
"""Reading a row's prompt and scoring its labels take about as long as writing so many tokens."""
LOADING_TOKENS = 1_000
"""Loading a candidate's model takes about as long as writing so many tokens."""
MEASURES = ("auto", *(name for name, metric in METRICS.items() if judges(metric)))

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
    version = 6
    inputs = {
        "rows": Port("dataset", "Held-out rows with the teacher's answers, references, or both"),
        "student": Port("adapter", "The trained student"),
        "train": Port("dataset", "Training rows: for worked examples and for the label set", optional=True),
        "earlier": Port("adapter", "An earlier student to compare with", optional=True),
        "gguf": Port("gguf", "Exported files of the student, each judged like the others", optional=True),
        "benchmarks": Port("benchmarks", "What the student forgot, for the report", optional=True),
        "others": Port("answers", "Answers of models asked over a network, each judged like the others", optional=True),
    }
    outputs = {"report": Port("report", "Figures, verdict, and every row with every answer")}
    unfingerprinted = frozenset({"batch_tokens", "threads"})

    class Params(BaseParams):
        candidates: list[Literal["teacher", "base", "base_few_shot", "student", "merged"]] = param(
            lambda: ["teacher", "base", "student"],
            label="Candidates",
            help="base is the untrained model with the rows' own prompt; base_few_shot also gets worked examples from the "
            "training rows; merged is the student with its adapter written into the base model's weights.",
        )
        examples: int = param(
            5,
            label="Worked examples",
            help="For base_few_shot; fewer when the context has no room.",
            unit="rows",
            ge=1,
            le=100,
        )
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
            2.0, label="Accepted loss", help="The student may be this much worse than the teacher.",
            unit="points", ge=0, le=100,
        )  # fmt: skip
        measure: str = param(
            "auto",
            label="Measure of the verdict",
            help="What the accepted loss is counted in: one of the metrics, or one of your own. Auto: accuracy for labels, word "
            "overlap for free text.",
            suggestions=MEASURES,
            max_length=40,
        )
        cluster_by: str = param(
            AUTO,
            label="Count together",
            help="Rows that resemble each other are not so many independent proofs; intervals then count groups. “auto”: rows of "
            "one conversation, and one question asked more than once. “none”, “prompt”, “source”, or the name of a field of the "
            "rows' meta, such as customer.",
            suggestions=(AUTO, NONE, PROMPT, SOURCE, "conversation"),
            max_length=80,
        )
        slices: list[Literal["label", "tag", "length", "language", "confidence", "source"]] = param(
            lambda: list(FIELDS),
            label="Slices",
            help="Also compare inside each label, tag, length, language, source, and confidence of the teacher; the p-values "
            "carry Holm's correction for all of them.",
        )
        discordance: float = param(
            100 * DISCORDANCE,
            label="Expected disagreement",
            help="Share of rows that exactly one of student and teacher gets right: what the number of rows can show hangs on it. "
            "Used until an evaluation has shown the real share.",
            unit="%",
            gt=0,
            le=100,
            advanced=True,
        )
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
        metric_settings: str = param(
            "",
            label="Settings of metrics",
            help=f"YAML or JSON, a metric's own settings below its name, for example “{EXAMPLE}”. "
            "The documentation lists them all. Empty: as they are.",
            widget="textarea",
            max_length=LONGEST,
            advanced=True,
        )
        own_metrics: str = param(
            "",
            label="Metrics of your own",
            help=f"YAML or JSON, a list of names with a small Python expression each, for example “{OWN_EXAMPLE}”. It sees answer, "
            "reference, teacher, target, prompt, label and meta. The documentation lists what it may use.",
            widget="textarea",
            max_length=LONGEST_OWN,
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

        @field_validator("metric_settings")
        @classmethod
        def settings_fit(cls, text: str) -> str:
            read_settings(text)
            return text

        @field_validator("own_metrics")
        @classmethod
        def own_metrics_fit(cls, text: str) -> str:
            read_own(text)
            return text

        @model_validator(mode="after")
        def somebody_to_judge(self) -> Self:
            if not self.candidates:
                raise ValueError("Choose at least one candidate")
            check_measure(self.measure, self.metrics, read_own(self.own_metrics))
            return self

    def effort(self, params: Params, *, rows: int) -> float:
        """Tokens written by the candidates that answer on this machine; loading and reading count as some more."""
        tokens = 0.0
        for name in params.candidates:
            if name != "teacher":
                asked = min(rows, params.base_rows) if params.base_rows and name != "student" else rows
                tokens += LOADING_TOKENS + (asked + params.latency_rows) * (READING_TOKENS + params.max_new_tokens)
        return tokens

    def advise(self, params: Params, *, rows: Mapping[str, int | None], workspace_id: Any) -> list[str]:
        """What difference the held-out rows can show, and how many it takes to show the accepted loss."""
        found = rows.get("rows")
        if not found:
            return []
        count = min(found, params.rows) if params.rows else found
        seen = seen_discordance(workspace_id)
        return what_rows_show(
            count, margin=params.margin / 100, discordance=seen or params.discordance / 100, seen=seen is not None
        )

    def resolve(self, params: Params, *, workspace_id: Any) -> dict[str, Any]:
        """The encoder's identity, where one is named: another one under the same name gives other figures."""
        ref = read_settings(params.metric_settings).get("similarity", {}).get("model")
        return {"encoder": base_identity(ref)} if ref and "similarity" in params.metrics else {}

    def run(self, ctx: Context, params: Params, inputs: Mapping[str, InputArtifact]) -> StepResult:
        found = list(read_rows(inputs["rows"].path))
        held_out = take_rows(found, count=params.rows, seed=params.seed)
        if not held_out:
            raise StepError(
                "There are no held-out rows to evaluate on.",
                action="Raise the split's test share, or wire another dataset into 'rows'.",
            )
        training = read_training(inputs["student"])
        setting = find_setting(held_out, inputs, training, params)
        task = "free text" if setting.labels is None else f"{len(setting.labels)} labels"
        ctx.log(f"{len(held_out):,} held-out rows, {task}; candidates: {', '.join(params.candidates)}.")
        forgotten = (
            read_document(inputs["benchmarks"], student=inputs["student"].sha) if "benchmarks" in inputs else None
        )
        others, remarks = outside_candidates(inputs["others"].path, held_out) if "others" in inputs else ([], [])
        fewer = take_rows(held_out, count=params.base_rows, seed=params.seed)
        session = Session(ctx, params, inputs, training, setting)
        candidates = [*ask_candidates(session, held_out, fewer=fewer), *others]
        options = Options(
            labels=setting.labels,
            seen_labels=setting.seen,
            metrics=params.metrics,
            metric_settings=read_settings(params.metric_settings),
            own=read_own(params.own_metrics),
            margin=params.margin / 100,
            measure=params.measure,
            cluster_by=params.cluster_by,
            slices=params.slices,
            discordance=params.discordance / 100,
            seed=params.seed,
            leakage=check_leakage(held_out, read_rows(inputs["train"].path)) if "train" in inputs else None,
            student={
                "prompt_view": prompt_view_of(inputs["student"], training),
                "max_new_tokens": params.max_new_tokens,
            },
            facts=facts_of(params, inputs, training),
            forgotten=forgotten,
            notes=[*setting.notes, *sampling_notes(found, held_out), *same_student_note(inputs), *remarks],
        )
        ctx.progress(len(held_out), len(held_out), note="Writing the report")
        metrics = load_metrics(options)
        for metric in metrics.values():
            if isinstance(metric, Own):
                metric.beat = ctx.beat
        facts = learn_meanings(ctx, metrics, held_out, candidates, params)
        options = replace(options, facts={**options.facts, **facts})
        report = build_report(held_out, candidates, options, metrics)
        folder = ctx.scratch / "report"
        folder.mkdir(exist_ok=True)
        (folder / REPORT_FILE).write_text(json.dumps(report, ensure_ascii=False, allow_nan=False), encoding="utf-8")
        write_items(folder / ITEMS_FILE, held_out, candidates, measure_rows(held_out, candidates, metrics))
        keep_clusters(folder, find_clusters(held_out, params.cluster_by))
        return StepResult({"report": Output(folder, summary_of(report))}, summary_of(report))

    def record(self, step_run: Any, result: StepResult) -> None:
        from evaluation.report.scorecards import record_scorecard

        record_scorecard(step_run)

    def put_aside(self, step_run: Any) -> None:
        from evaluation.report.scorecards import put_aside

        put_aside(step_run)

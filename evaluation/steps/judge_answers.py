"""Have a language model judge the answers of a report: grades by a rubric, and student against teacher in both orders."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import field_validator

from evaluation.figures.clusters import kept_clusters
from evaluation.judging import people
from evaluation.judging.asking import Bill, judge, read_questions, spool_repairs, write_cases
from evaluation.judging.bench import Bench, Form
from evaluation.judging.cases import Chosen, choose
from evaluation.judging.figures import Tally
from evaluation.judging.measuring import measure_cases, measure_of
from evaluation.judging.record import Setting, close, describe, headline
from evaluation.judging.reissue import grade_items, take_over
from evaluation.judging.rubrics import Preset, normal, rubric_id, rubric_of
from evaluation.judging.verdict_file import file_of, write_verdicts
from evaluation.rows.columns import ITEMS_FILE
from pipelines.steps import base
from pipelines.steps.asking import Find
from pipelines.steps.base import Context, InputArtifact, Output, Port, StepResult
from pipelines.steps.teaching import AskingStep, LiveParams, converse, facts_of, open_teacher, price_of
from pipelines.steps.verdicts import Scale, longest_param, with_reference_param, with_system_param
from pipelines.teachers.base import Sampling, Teacher
from pipelines.teachers.engine import Outcome
from pipelines.teachers.prices import Price
from studio.lib.canonical import fingerprint
from studio.lib.errors import StepError
from studio.lib.params import param
from studio.registries import TEACHERS
from vault.rows import read_rows

REPORT_FILE = "report.json"
TYPICAL_CANDIDATES = 3
"""Taken for the plan before a run, where the report is not there yet: teacher, base and student."""


class JudgeAnswers(AskingStep):
    """A language model reads the answers of an evaluation: it grades each by a rubric, and says which of the student's and the
    teacher's is better, asked in both orders. The report goes on with its grades, reasons and how far they can be trusted.

    Asked like a teacher: each verdict is kept the moment it arrives, is never paid for twice, and counts against the cost cap.
    """

    label = "Judge the answers"
    group = "Evaluation"
    help = (
        "For free text, where no metric says what a good answer is. The report then shows beside every grade how far the judge "
        "agrees with itself, with the metric and with people. Choose another model than the teacher: models prefer their own."
    )
    inputs = {"report": Port("report", "The report whose answers are judged")}
    outputs = {"report": Port("report", "The same report with grades, reasons and the judge's health")}

    class Params(LiveParams):
        purpose = "judge"

        mode: Literal["grades", "pairs", "both"] = param(
            "both",
            label="What is asked",
            help="grades: how good each answer is. pairs: which of two is better, asked twice with the answers swapped; only "
            "what stands in both orders counts as a win.",
        )
        preset: Preset = param("general", label="Rubric", help="What makes an answer good.")
        rubric: str = param(
            "",
            label="Rubric of one's own",
            help="What makes an answer good, in plain words; it takes the place of the one chosen above. The judge's rules and "
            "the form of its reply are added.",
            widget="textarea",
            max_length=20_000,
        )
        scale: Scale = param("1 to 5", label="Scale")
        candidates: str = param(
            "",
            label="Whose answers are graded",
            help="Names as the report has them, with commas between. Empty: everybody's.",
            suggestions=("student", "student, teacher", "student, teacher, base"),
            max_length=1_000,
        )
        against: str = param(
            "",
            label="Compare the student with",
            help="Names as the report has them, with commas between. Empty: the teacher.",
            suggestions=("teacher", "teacher, base"),
            max_length=1_000,
        )
        rows: int = param(
            200, label="Rows", help="A seeded sample of the held-out rows. 0: all of them.", unit="rows", ge=0
        )
        with_reference: bool = with_reference_param()
        with_system: bool = with_system_param()
        golden: bool = param(
            True,
            label="Grade the golden set too",
            help="Answers that people graded by the same rubric are put before the judge as well, so that its agreement with "
            "them is known at once.",
        )
        longest: int = longest_param()
        seed: int = param(0, label="Seed", help="For the sample and bootstrap intervals.", ge=0, advanced=True)

        @field_validator("rubric")
        @classmethod
        def trimmed(cls, rubric: str) -> str:
            return rubric.strip()

    def resolve(self, params: Params, *, workspace_id: Any) -> dict[str, Any]:
        """The address the verdicts come from, and which golden answers are put before the judge."""
        facts = facts_of(params, workspace_id=workspace_id)
        keys = [item["key"] for item in self.golden_items(params, workspace_id)]
        return {**facts, "golden": fingerprint(keys)[:16]} if keys else facts

    @staticmethod
    def golden_items(params: Params, workspace_id: Any) -> list[dict[str, Any]]:
        """The golden answers that go before the judge; none where it gives no grades."""
        if not params.golden or params.mode == "pairs" or workspace_id is None:
            return []
        from evaluation.judging import golden

        return golden.items_for(workspace_id, rubric_id_of(params))

    def count_questions(self, params: Params, *, rows: int) -> int:
        """About how many questions so many held-out rows make; equal answers and failures ask fewer."""
        sample = min(rows, params.rows) if params.rows else rows
        graded = len([n for n in params.candidates.split(",") if n.strip()]) or TYPICAL_CANDIDATES
        against = len([n for n in params.against.split(",") if n.strip()]) or 1
        return sample * ((graded if params.mode != "pairs" else 0) + (2 * against if params.mode != "grades" else 0))

    def advise(self, params: Params, *, rows: Mapping[str, int | None], workspace_id: Any) -> list[str]:
        """How many questions the judge will get."""
        found = rows.get("report")
        if not found:
            return []
        return [f"At most about {self.count_questions(params, rows=found):,} questions to the judge."]

    def run(self, ctx: Context, params: Params, inputs: Mapping[str, InputArtifact]) -> StepResult:
        source = inputs["report"]
        report = read_source(source)
        chosen = choose(
            report,
            source.path,
            candidates=params.candidates,
            against=params.against,
            mode=params.mode,
            rows=params.rows,
            seed=params.seed,
        )
        cases = write_cases(ctx, source, chosen, self.golden_items(params, ctx.workspace_id))
        price = price_of(params, TEACHERS[params.teacher])
        teacher = open_teacher(ctx, params)
        bench = bench_of(params, chosen, identity=teacher.identity())
        outcomes, find = ask_twice(ctx, params, cases, bench, teacher, price=price)
        failed = {key: why for outcome in outcomes for key, why in outcome.failed.items()}
        tally, bill, folder = Tally(), Bill(), fresh_folder(ctx, source)
        number = len(report.get("judges") or []) + 1
        verdicts = judge(ctx, cases, bench, find, failed=failed, bill=bill)
        for _ in write_verdicts(file_of(folder, number), tally.passing(verdicts)):
            ctx.beat()
        check_usable(tally)
        measure, figures = measured(report, cases)
        record = describe(
            report,
            tally,
            setting_of(params, number=number, model=bill.model),
            chosen,
            measure=measure,
            figures=figures,
            asked=outcomes[0].progress.total,
            cost_usd=None if price is None else round(bill.cost_usd, 9),
            clusters=kept_clusters(source.path),
        )
        from evaluation.judging import golden

        human = golden.grades_of(ctx.workspace_id, record["rubric_id"])
        close(record, None if params.mode == "pairs" else people.agreement(human, tally.by_item, scale=params.scale))
        write_report(folder, source.path, report, record, tally, figures=figures)
        summary = summary_of(report, record, outcomes, bill)
        return StepResult({"report": Output(folder, summary)}, summary)

    def record(self, step_run: Any, result: StepResult) -> None:
        from evaluation.report.scorecards import record_scorecard

        record_scorecard(step_run)

    def put_aside(self, step_run: Any) -> None:
        from evaluation.report.scorecards import put_aside

        put_aside(step_run)


def ask_twice(
    ctx: Context,
    params: JudgeAnswers.Params,
    cases: InputArtifact,
    bench: Bench,
    teacher: Teacher,
    *,
    price: Price | None,
) -> tuple[list[Outcome], Find]:
    """Ask everything, then once more where the reply was no verdict; how each went, and how to find all replies."""
    ask = partial(converse, ctx, params, cases, sampling=bench.sampling, price=price)
    first, find = ask(teacher, bench.questions)
    repairs = spool_repairs(ctx, cases, bench, find)
    if not repairs.stat().st_size or first.cap is not None:
        return [first], find
    second, again = ask(open_teacher(ctx, params), lambda rows: read_questions(repairs, bench))
    # A store in memory (a teacher without a price) holds only what its own conversation asked.
    return [first, second], lambda keys: {**find(keys), **again(keys)}


def summary_of(
    report: Mapping[str, Any], record: Mapping[str, Any], outcomes: list[Outcome], bill: Bill
) -> dict[str, Any]:
    """The numbers the run page shows."""
    incomplete = any(outcome.passing or outcome.cap is not None for outcome in outcomes)
    return {
        "headline": headline(record, incomplete=incomplete),
        "rows": report["rows"],
        "tone": report["verdict"]["tone"],
        "unjudged": record["lapses"]["unusable"],
        "answers_new": sum(outcome.progress.answered for outcome in outcomes),
        "answers_reused": sum(outcome.progress.reused for outcome in outcomes),
        "input_tokens": bill.input_tokens,
        "output_tokens": bill.output_tokens,
        "cost_usd": record["cost_usd"],
        **({base.INCOMPLETE: True} if incomplete else {}),
    }


def rubric_id_of(params: JudgeAnswers.Params) -> str:
    """The id of these params' rubric."""
    return rubric_id(rubric_of(params.preset, params.rubric), params.scale, with_reference=params.with_reference)


def bench_of(params: JudgeAnswers.Params, chosen: Chosen, *, identity: Mapping[str, Any]) -> Bench:
    """The bench that these params set up."""
    form = Form(
        rubric_of(params.preset, params.rubric), params.scale, params.with_reference, params.with_system, params.longest
    )
    sampling = Sampling(max_tokens=params.max_tokens, temperature=params.temperature)
    return Bench(form, chosen, teacher=params.teacher, identity=identity, sampling=sampling)


def setting_of(params: JudgeAnswers.Params, *, number: int, model: str) -> Setting:
    """Who judged by what, as the report keeps it."""
    return Setting(
        number=number,
        model=model or params.model,
        teacher=params.teacher,
        rubric=rubric_of(params.preset, params.rubric),
        rubric_id=rubric_id_of(params),
        preset="" if params.rubric else params.preset,
        scale=params.scale,
        mode=params.mode,
        with_reference=params.with_reference,
        seed=params.seed,
    )


def read_source(source: InputArtifact) -> dict[str, Any]:
    """The report that came in. Raises ``StepError`` for one without rows."""
    files = (source.path / REPORT_FILE, source.path / ITEMS_FILE)
    if not all(file.is_file() for file in files):
        raise StepError(
            "What came in is no report of an evaluation with its rows.",
            action="Wire the report of an Evaluate step into 'report'.",
        )
    return dict(json.loads(files[0].read_text(encoding="utf-8")))


def fresh_folder(ctx: Context, source: InputArtifact) -> Path:
    """An empty folder for the report to come, with what the judge does not change."""
    folder = ctx.scratch / "report"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    take_over(source.path, folder)
    return folder


def check_usable(tally: Tally) -> None:
    """Raise ``StepError`` when the judge was asked and not one reply could be used."""
    pairs = [verdict for found in tally.pairs.values() for verdict in found.values()]
    if tally.why and not tally.by_item and not any(verdict.status == "asked" for verdict in pairs):
        why = tally.why.most_common(1)[0][0].rstrip(".")
        raise StepError(
            f"The judge gave no usable verdict; the most frequent reason: {why}.",
            action="Choose another judge, or raise “Longest answer” if its verdicts break off.",
        )


def measured(report: Mapping[str, Any], cases: InputArtifact) -> tuple[str, dict[str, dict[int, float | None]]]:
    """``(label of the verdict's measure, what it gives the judged answers)``; blank and empty where it has no such figure."""
    found = measure_of(report)
    if found is None:
        return "", {}
    kinds = {str(c["name"]): str(c["kind"]) for c in report["candidates"]}
    rows = (row for row in read_rows(cases.path) if row.id.isdecimal())
    return found.label, measure_cases(rows, found, kinds)


def write_report(
    folder: Path,
    source: Path,
    report: dict[str, Any],
    record: Mapping[str, Any],
    tally: Tally,
    *,
    figures: Mapping[str, Mapping[int, float | None]],
) -> None:
    """The report with the judgement in it, its rows with their grades."""
    names = [str(c["name"]) for c in report["candidates"]]
    scale = record["scale"]
    grades = {name: {rid: normal(score, scale) for rid, score in found.items()} for name, found in tally.grades.items()}
    known = {
        name: {rid: value for rid, value in figures.get(name, {}).items() if value is not None and rid in mine}
        for name, mine in grades.items()
    }
    grade_items(source, folder, names=names, judge=grades, measure={n: v for n, v in known.items() if v})
    by = f"{record['model'][:24]}_{record['rubric_id'][:6]}"
    means = {c["name"]: {**c["mean"], "by": by} for c in record["candidates"] if c["mean"]}
    for candidate in report["candidates"]:
        candidate["judge"] = means.get(candidate["name"])
    report["judges"] = [*(report.get("judges") or []), record]
    (folder / REPORT_FILE).write_text(json.dumps(report, ensure_ascii=False, allow_nan=False), encoding="utf-8")

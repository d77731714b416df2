"""A step that makes a report out of nothing, and a judge on loopback that reads what it is asked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from evaluation.candidates.predictions import Candidate, Prediction, teacher_of
from evaluation.figures.clusters import find_clusters, keep_clusters
from evaluation.figures.own_metrics import read_own
from evaluation.report.document import Options, build_report, load_metrics
from evaluation.rows.items import write_items
from evaluation.rows.measures import measure_rows
from pipelines.steps.base import Context, InputArtifact, Output, Port, Step, StepResult
from studio.lib.params import BaseParams, param
from vault.rows import Row, assistant

TEACHER_MODEL = "gpt-4o-2024-08-06"


def row_of(number: int, *, talk: int = 0) -> Row:
    """A question with a teacher's answer and a reference."""
    return Row(
        id=f"r{number}",
        prompt=[{"role": "system", "content": "Be kind."}, {"role": "user", "content": f"question {number}"}],
        completion=assistant(f"a very good answer to question {number}"),
        reference=assistant(f"a good answer to question {number}"),
        meta={
            "model": TEACHER_MODEL,
            **({"conversation": {"id": f"c{number // talk}", "turn": number % talk}} if talk else {}),
        },
    )


def text_of_student(number: int) -> str | None:
    """Good on even rows, bad on odd ones; every seventh is a failure, every fifth is word for word the teacher's."""
    if number % 7 == 6:
        return None
    if number % 5 == 4:
        return f"a very good answer to question {number}"
    return f"a good answer to question {number}" if number % 2 == 0 else f"a bad reply, {number}"


def candidates_of(rows: list[Row]) -> list[Candidate]:
    """Teacher, base (always bad) and student."""
    student, base = {}, {}
    for number, row in enumerate(rows):
        text = text_of_student(number)
        student[row.id] = Prediction(row.id, text=text, error=None if text is not None else "Out of memory.")
        base[row.id] = Prediction(row.id, text=f"a bad guess {number}")
    return [
        teacher_of(rows),
        Candidate("base", "Prompted base model", "base", base),
        Candidate("student", "Student", "student", student),
    ]


class MakeReport(Step):
    """Makes a report over ``count`` rows of free text."""

    label = "Make a report"
    group = "Evaluation"
    outputs = {"report": Port("report")}

    class Params(BaseParams):
        """How many rows, and what the student is made of."""

        count: int = param(12, label="Rows", ge=0)
        base_model: str = param("hub:org/SmolLM2-135M", label="Base model")
        talk: int = param(0, label="Rows of one conversation", ge=0)
        own: str = param("", label="Metrics of one's own; the first is the verdict's measure")

    def run(self, ctx: Context, params: Any, inputs: Mapping[str, InputArtifact]) -> StepResult:
        """Write it."""
        rows = [row_of(number, talk=params.talk) for number in range(params.count)]
        candidates = candidates_of(rows)
        facts = {"Held-out rows": "ab" * 32, "Student": "cd" * 32, "Base model": params.base_model}
        own = read_own(params.own)
        options = Options(facts=facts, own=own, measure=own[0].name if own else "auto")
        metrics = load_metrics(options)
        report = build_report(rows, candidates, options, metrics)
        folder = ctx.scratch / "report"
        folder.mkdir(exist_ok=True)
        (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
        (folder / "kept.txt").write_text("beside the report", encoding="utf-8")
        write_items(folder / "items.parquet", rows, candidates, measure_rows(rows, candidates, metrics))
        keep_clusters(folder, find_clusters(rows, options.cluster_by))
        return StepResult({"report": Output(folder, {"rows": len(rows)})}, {"rows": len(rows)})


TABLE = {"make_report": "tests.evaluation.judging.reports:MakeReport"}


def parts_of(request: dict[str, Any]) -> dict[str, str]:
    """The texts between the marks of a question to the judge, by name."""
    content = str(request["messages"][1]["content"])
    return dict(re.findall(r"<<[0-9a-f]{12} ([^>]*?)>>\n(.*?)\n<<[0-9a-f]{12} end>>", content, re.S))


def worth(text: str) -> int:
    """What the judge thinks of an answer."""
    return 5 if "very good" in text else 4 if "good" in text else 2


def verdict(request: dict[str, Any]) -> str:
    """An honest judge: the better answer wins wherever it stands."""
    parts = parts_of(request)
    if "answer to grade" in parts:
        return json.dumps(
            {"reason": f"It says: {parts['answer to grade'][:20]}", "score": worth(parts["answer to grade"])}
        )
    first, second = worth(parts["first answer"]), worth(parts["second answer"])
    winner = "first" if first > second else "second" if second > first else "tie"
    return json.dumps({"reason": f"{first} against {second}", "winner": winner})


def spec(count: int = 12, **params: Any) -> dict[str, Any]:
    """A report and its judge."""
    return {
        "schema": 1,
        "nodes": [
            {"id": "made", "step": "make_report", "params": {"count": count}},
            {"id": "judged", "step": "judge_answers", "params": params},
        ],
        "edges": [{"from": "made.report", "to": "judged.report"}],
    }

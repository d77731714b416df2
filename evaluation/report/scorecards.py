"""Keeping a report's figures as rows, and finding them again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from evaluation.figures.own_metrics import described
from evaluation.models import Score, Scorecard
from evaluation.rows.columns import ITEMS_FILE
from evaluation.rows.marks import fingerprint_of, read_marks
from pipelines.models import StepRun
from studio.jobs import clock
from vault import store
from vault.models import Artifact

REPORT_FILE = "report.json"
HEAD = {"task", "rows", "rows_with_reference", "facts", "candidates", "judges"}
"""Parts of a report that its pages of rows need; the tables of labels are ten times as large."""


def read_report(artifact: Artifact) -> dict[str, Any]:
    """A report artifact's JSON document. Raises ``vault.store.Damaged`` when its files are gone."""
    try:
        return _read(store.path(artifact))
    except FileNotFoundError:
        raise _damaged(artifact) from None


def read_head(artifact: Artifact) -> Mapping[str, Any]:
    """What a report's rows are shown with: the report without its tables, and ``row_labels``, the labels that any row has.

    Remembered, since a report never changes: nobody may change it. Raises ``vault.store.Damaged`` when its files are gone.
    """
    try:
        return _head(store.path(artifact))
    except FileNotFoundError:
        raise _damaged(artifact) from None


@lru_cache(maxsize=64)
def _head(folder: Path) -> Mapping[str, Any]:
    report = _read(folder)
    return {
        **{name: value for name, value in report.items() if name in HEAD},
        "row_labels": [label["label"] for label in report["per_label"] if label["support"]],
    }


def _read(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / REPORT_FILE).read_text(encoding="utf-8")))


def _damaged(artifact: Artifact) -> store.Damaged:
    return store.Damaged(
        f"The file {REPORT_FILE} of {artifact} is not in the data folder.",
        action="Restore the data folder's 'artifacts' from a backup, or run the evaluation again.",
    )


def record_scorecard(step_run: StepRun) -> Scorecard:
    """Write the scorecard and scores of an evaluate step whose report is recorded as its output ``report``."""
    artifact = step_run.outputs.select_related("artifact").get(port="report").artifact
    report = read_report(artifact)
    facts, retained = report["facts"], report["retained"]
    scorecard = Scorecard.objects.create(
        workspace=step_run.run.workspace,
        step_run=step_run,
        report=artifact,
        held_out_sha=facts.get("Held-out rows", ""),
        student_sha=facts.get("Student", ""),
        row_set=row_set_of(artifact, report),
        rows=report["rows"],
        task=report["task"],
        tone=report["verdict"]["tone"],
        verdict=report["verdict"]["sentence"],
        retained=retained["value"] if retained else None,
        own_metrics=described(report),
    )
    Score.objects.bulk_create(
        Score(scorecard=scorecard, candidate=c["name"], kind=c["kind"], metric=name, **figure)
        for c in report["candidates"]
        for name, figure in figures_of(c).items()
    )
    return scorecard


def row_set_of(artifact: Artifact, report: dict[str, Any]) -> str:
    """What is equal for two reports over the same rows with the same right answers, in any order; empty without items."""
    folder = store.path(artifact)
    if not (folder / ITEMS_FILE).exists():
        return ""
    return fingerprint_of(read_marks(folder, tuple(c["name"] for c in report["candidates"])))


def figures_of(candidate: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Everything of a candidate that has a value: its metrics, latency percentiles and cost per 1,000."""
    found = {name: value for name, value in candidate["metrics"].items() if value}
    if candidate["latency"]:
        found |= {f"latency_{q}_ms": candidate["latency"][q] for q in ("p50", "p95")}
    if candidate.get("judge"):
        # Grades of other judges, or by other rubrics, are no figure to hold this one against.
        grade = dict(candidate["judge"])
        found[f"judge_{grade.pop('by')}"] = grade
    if candidate.get("first_token"):
        found |= {f"first_token_{q}_ms": candidate["first_token"][q] for q in ("p50", "p95")}
    cost = candidate["cost_per_1000"]
    if cost:
        found["cost_per_1000_usd"] = {
            "value": cost["value"],
            "low": cost["low"],
            "high": cost["high"],
            "n": cost["n"] or candidate["asked"],
        }
    return found


def scorecard_of(step_run: StepRun) -> Scorecard | None:
    """The scorecard of an evaluate step, also when its result was reused from an earlier run."""
    made_by = step_run.reused_from_id or step_run.pk
    reports = step_run.outputs.values("artifact_id")
    return Scorecard.objects.filter(step_run_id=made_by, report__in=reports).order_by("-created_at").first()


def put_aside(step_run: StepRun) -> None:
    """The step is done again: its report stands no more, and stays readable."""
    Scorecard.objects.filter(step_run=step_run, replaced_at=None).update(replaced_at=clock())

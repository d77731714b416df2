"""Gates: what a report must show before it can be approved, whatever people say."""

from __future__ import annotations

from evaluation.figures.metric_names import Named, named
from evaluation.models import Scorecard, Tone
from evaluation.signoff import judge_gates
from evaluation.signoff.freezing import exported, line_of
from evaluation.signoff.gate import Gate
from evaluation.signoff.policy import Policy
from pipelines.models import StepOutput, StepRun
from studio import comments
from studio.jobs import State


def check(card: Scorecard, policy: Policy) -> list[Gate]:
    """Every gate that the rules ask for."""
    gates = [_minimum(card, metric, least, policy=policy) for metric, least in policy.minimums.items()]
    if policy.judge_grade is not None or policy.judge_wins is not None or policy.judge_health:
        gates += judge_gates.check(card, policy)
    if policy.non_inferior:
        gates.append(_non_inferior(card))
    if policy.parity:
        gates.append(_parity(card))
    if policy.no_leakage:
        gates.append(_no_leakage(card))
    if policy.comments_resolved:
        gates.append(_comments(card))
    return gates


def shown(metric: Named | None, value: float) -> str:
    """A score in its metric's unit."""
    if metric is not None and metric.unit == "%":
        return f"{value * 100:.1f} %"
    return f"{value:.3f}"


def _minimum(card: Scorecard, metric: str, least: float, *, policy: Policy) -> Gate:
    known = named(metric, card.own_metrics)
    lower = known is not None and known.higher_is_better is False
    label = f"{known.label if known else metric} {'at most' if lower else 'at least'} {shown(known, least)}"
    score = card.scores.filter(kind="student", metric=metric).first()
    if score is None:
        return Gate(f"minimum:{metric}", label, False, "The report has no such figure of the student.")
    worst = score.high if lower else score.low
    value = worst if policy.by_interval and worst is not None else score.value
    words = f"{'upper' if lower else 'lower'} end of the interval" if policy.by_interval else "student"
    return Gate(
        f"minimum:{metric}", label, value <= least if lower else value >= least, f"{words} {shown(known, value)}"
    )


def _non_inferior(card: Scorecard) -> Gate:
    text = card.get_tone_display() if card.tone != Tone.PLAIN else "The report has no margin to judge by."
    return Gate("non_inferior", "Within the accepted loss", card.tone == Tone.GOOD, str(text))


def _parity(card: Scorecard) -> Gate:
    label = "Model files replayed"
    models = exported(card)
    if not models:
        return Gate("parity", label, False, "No model file was made of this student yet.")
    failed = [m for m in models if m.meta.get("parity") != "passed"]
    if failed:
        said = failed[0].meta.get("parity") or "not checked"
        return Gate("parity", label, False, f"{len(failed)} of {len(models)} exports: parity {said}.")
    n = len(models)
    return Gate("parity", label, True, f"{n} export{'s' if n != 1 else ''} answered as the student does.")


def _no_leakage(card: Scorecard) -> Gate:
    label = "No held-out row in training"
    for step in line_of(card.step_run).values():
        if step.step == "leakage_guard" and step.state == State.SUCCEEDED and _guards(step, card.held_out_sha):
            dropped = sum(int(kind.get("rows") or 0) for kind in step.summary.get("found") or [])
            return Gate("no_leakage", label, True, f"The leakage guard compared them and held back {dropped:,} rows.")
    return Gate(
        "no_leakage", label, False, "No leakage guard compared the training rows with these held-out rows in this run."
    )


def _comments(card: Scorecard) -> Gate:
    """Threads of the report and of its rows. One that is opened after the approval does not void it."""
    left = comments.count_open(card.workspace, "report", str(card.pk))
    left += sum(comments.count_open_under(card.workspace, "report_row", f"{card.pk}:").values())
    text = f"{left} thread{'s are' if left != 1 else ' is'} open." if left else "None is open."
    return Gate("comments", "Comments resolved", not left, text)


def _guards(step: StepRun, sha: str) -> bool:
    """Whether a leakage guard looked at the held-out rows with this hash."""
    marked = {version.get("artifact") for version in step.facts.get("held_out") or []}
    if sha in marked:
        return True
    sources = [source for port, source in step.wiring.items() if port in ("test", "validation")]
    return any(
        StepOutput.objects.filter(
            step_run__run_id=step.run_id,
            step_run__node=source["node"],
            port=source["port"],
            artifact__sha256=sha,
        ).exists()
        for source in sources
    )

"""What waits for a sign-off: people's lists, and the gates of runs."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from evaluation.models import Decision, Scorecard, SignOff, SignOffState
from evaluation.report.scorecards import scorecard_of
from evaluation.signoff.reading import author_of, newest, roles_of, rules_of
from evaluation.signoff.standing import may_decide
from pipelines.models import StepRun
from pipelines.running import news, runs
from studio.jobs import State
from studio.models import Workspace

GATE = "review_gate"
SETTLED = (SignOffState.APPROVED, SignOffState.REJECTED)


def waiting_for(user: Any, workspace: Workspace) -> list[SignOff]:
    """Reports that the team was asked to sign and on which this person has not said anything yet, the oldest first.

    Who started the run is asked only where nobody else may sign.
    """
    asked = list(
        SignOff.objects.filter(scorecard__workspace=workspace, state=SignOffState.OPEN, asked_at__isnull=False)
        .exclude(decisions__in=Decision.objects.filter(user=user, current=True))
        .select_related("scorecard__workspace", "scorecard__step_run__run__version__pipeline")
        .select_related("scorecard__step_run__run__created_by", "scorecard__step_run__run__schedule__created_by")
        .order_by("asked_at")
    )
    if not asked:
        return []
    roles = roles_of(workspace.pk)
    mine = roles.get(user.pk, "")
    found = []
    for sign_off in asked:
        rules = rules_of(sign_off)
        able = [pk for pk, role in roles.items() if may_decide(role, rules)]
        author = author_of(sign_off.scorecard)
        if may_decide(mine, rules) and (author is None or author.pk != user.pk or able == [user.pk]):
            found.append(sign_off)
    return found


def waiting_items(user: User, workspace: Workspace) -> list[dict[str, Any]]:
    """The same for lists of what waits: ``title``, ``text``, ``url``, ``since``, ``action``."""
    return [
        {
            "title": f"The report of run {s.scorecard.step_run.run.number} waits for your sign-off",
            "text": f"{s.scorecard.step_run.run.version.pipeline}: {s.scorecard.verdict}",
            "url": s.get_absolute_url(),
            "since": s.asked_at or timezone.now(),
            "action": "Sign off",
        }
        for s in waiting_for(user, workspace)
    ]


def card_of(gate: StepRun) -> Scorecard | None:
    """The report that a gate guards, or None when its input is not there."""
    source = gate.wiring.get("report")
    made = gate.run.steps.filter(node=source["node"]).first() if source else None
    while made is not None and made.step == GATE:
        # A gate behind a gate: the report went through the first one.
        source = made.wiring.get("report")
        made = gate.run.steps.filter(node=source["node"]).first() if source else None
    return scorecard_of(made) if made is not None else None


def resume_gates(workspace_id: Any = None) -> int:
    """Let gates whose sign-off is settled go on. Safe at any time; returns how many were woken."""
    waiting = StepRun.objects.filter(step=GATE, state=State.WAITING).select_related("run")
    if workspace_id is not None:
        waiting = waiting.filter(run__workspace_id=workspace_id)
    woken = 0
    for gate in waiting:
        card = card_of(gate)
        found = newest(card) if card is not None else None
        if found is not None and found.state in SETTLED and gate.resume():
            news.step_was_answered(gate)
            gate.ring()
            runs.advance(gate.run_id)
            woken += 1
    return woken

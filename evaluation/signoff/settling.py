"""What moves a sign-off by itself: its state follows the decisions, and what no longer holds becomes void.

Every move happens under a lock of the workspace's row; the state itself is a conditional update on the revision that was read.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from evaluation.models import Scorecard, SignOff, SignOffState, Verdict
from evaluation.models.signing import LIVE_STATES
from evaluation.signoff import freezing, gates, policy
from evaluation.signoff.policy import Policy
from evaluation.signoff.reading import policy_of, roles_of, stand, subject_of
from evaluation.signoff.standing import may_decide
from studio import audit
from studio.lib.errors import StudioError
from studio.models import Workspace

THE_STUDIO = "the Studio"


class Changed(StudioError):
    """What is to be signed is not what the person had in front of him."""

    def __init__(self) -> None:
        super().__init__(
            "The report, what it rests on, or the rules changed after you opened this page. Nothing was recorded.",
            action="Look at it again, then decide.",
        )


def lock(card: Scorecard) -> None:
    """Hold the workspace's row until the transaction ends: nothing of its sign-offs, rules or members changes meanwhile."""
    Workspace.objects.select_for_update().get(pk=card.workspace_id)


def advance(found: SignOff) -> None:
    """Write the state that the decisions come to."""
    standing, checked = stand(found)
    ended = standing.state != SignOffState.OPEN
    _move(
        found,
        state=standing.state,
        alone=standing.alone,
        gates=[gate.as_dict() for gate in checked] if ended else [],
        settled_at=timezone.now() if ended else None,
    )


def _move(found: SignOff, **values: Any) -> None:
    moved = SignOff.objects.filter(pk=found.pk, revision=found.revision, state__in=LIVE_STATES)
    if not moved.update(**values, revision=F("revision") + 1):
        raise Changed
    found.refresh_from_db()


def reasons_to_void(found: SignOff, *, deep: bool = False) -> list[str]:
    """Why what was signed no longer holds; empty while it does."""
    if not found.digest:
        return []
    card = found.scorecard
    found_out = freezing.changes(found.frozen, freezing.freeze(card)) + freezing.damage(found.frozen, deep=deep)
    if card.replaced_at is not None:
        found_out.insert(0, "The evaluation was done again; this is the report of an earlier attempt.")
    rules = policy_of(card.workspace)
    if rules.model_dump(mode="json") != policy.read(found.policy).model_dump(mode="json"):
        found_out.append("The workspace's rules for signing changed.")
    if found.state == SignOffState.APPROVED:
        found_out += _reasons_in_people(found, rules)
        if not found_out:
            found_out += [
                f"A gate closed: {gate.label} ({gate.text})." for gate in gates.check(card, rules) if not gate.ok
            ]
    return found_out


def _reasons_in_people(found: SignOff, rules: Policy) -> list[str]:
    roles = roles_of(found.scorecard.workspace_id)
    reasons = []
    for decision in found.decisions.filter(current=True, verdict=Verdict.APPROVE):
        role = roles.get(decision.user_id)
        if role is None:
            reasons.append(f"{decision.name}, who approved it, is no longer in the team.")
        elif not may_decide(role, rules):
            reasons.append(f"{decision.name}, who approved it, is {role} now and may not sign.")
    return reasons


def settle(found: SignOff, *, deep: bool = False) -> SignOff:
    """Void a sign-off whose subject, rules or signers changed; nothing happens while all is as it was signed."""
    if not found.is_live:
        return found
    reasons = reasons_to_void(found, deep=deep)
    if not reasons:
        return found
    with transaction.atomic():
        lock(found.scorecard)
        moved = SignOff.objects.filter(pk=found.pk, revision=found.revision, state__in=LIVE_STATES).update(
            state=SignOffState.VOID, reasons=reasons, settled_at=timezone.now(), revision=F("revision") + 1
        )
        if moved:
            audit.record(
                found.scorecard.workspace,
                actor=THE_STUDIO,
                verb="voided the sign-off of",
                subject=subject_of(found.scorecard),
                details={"sign_off": found.number, "was": found.state, "reasons": reasons},
            )
    found.refresh_from_db()
    return found


def settle_all(*, workspace: Workspace | None = None, deep: bool = False) -> int:
    """Look at every sign-off that is not at its end; returns how many were voided."""
    live = SignOff.objects.filter(state__in=LIVE_STATES).exclude(digest="")
    if workspace is not None:
        live = live.filter(scorecard__workspace=workspace)
    known = live.select_related(
        "scorecard__workspace", "scorecard__report", "scorecard__step_run__run__version__pipeline"
    )
    return sum(settle(found, deep=deep).state == SignOffState.VOID for found in known)


def people_changed(workspace: Workspace) -> None:
    """After somebody left, came or got another role: void what they had approved, and weigh the rest anew."""
    settle_all(workspace=workspace)
    live = SignOff.objects.filter(scorecard__workspace=workspace, state__in=LIVE_STATES).exclude(digest="")
    for found in live.select_related("scorecard__workspace", "scorecard__step_run__run__version__pipeline"):
        was = found.state
        if stand(found)[0].state != was:
            advance(found)
            audit.record(
                workspace,
                actor=THE_STUDIO,
                verb="weighed anew the sign-off of",
                subject=subject_of(found.scorecard),
                details={"sign_off": found.number, "was": was, "state": found.state},
            )
            tell_gates(found.scorecard)


def tell_gates(card: Scorecard) -> None:
    """Let review gates go on that waited for this."""
    from evaluation.signoff.waiting import resume_gates

    resume_gates(card.workspace_id)

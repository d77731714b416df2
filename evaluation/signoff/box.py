"""What the sign-off box shows one person of one report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evaluation.models import Decision, Scorecard, SignOff, SignOffState, Verdict
from evaluation.signoff import gates, policy
from evaluation.signoff.gate import Gate
from evaluation.signoff.policy import Policy
from evaluation.signoff.reading import Seen, author_of, look, newest, policy_of, roles_of, rules_of, stand
from evaluation.signoff.settling import settle
from evaluation.signoff.standing import Standing, may_decide
from studio.models import Membership


@dataclass(frozen=True)
class Said:
    """A decision with what became of the person."""

    decision: Decision
    gone: bool
    """No longer in the team, or with a role that may not sign."""


@dataclass(frozen=True)
class Box:
    """Everything of the box. ``sign_off`` None: nobody asked and nobody said anything yet."""

    card: Scorecard
    sign_off: SignOff | None
    standing: Standing | None
    gates: list[Gate]
    said: list[Said]
    rules: Policy
    rules_lines: list[str]
    seen: str
    author: str
    mine: Decision | None
    may_decide: bool
    may_ask: bool
    why_not: str
    """Why this person can't decide, or what a decision of theirs would not be enough for."""

    @property
    def state(self) -> str:
        """The state, blank before there is a sign-off."""
        return self.sign_off.state if self.sign_off else ""

    @property
    def closed(self) -> bool:
        """Whether a gate is closed."""
        return any(not gate.ok for gate in self.gates)

    @property
    def is_final(self) -> bool:
        """Whether a new one must be asked for."""
        return self.state in (SignOffState.REJECTED, SignOffState.VOID)


def box_for(card: Scorecard, member: Membership) -> Box:
    """The box of a report for one member; a sign-off that no longer holds is voided by looking."""
    found = newest(card)
    if found is not None:
        settle(found)
    seen: Seen = look(card)
    live = found is not None and found.is_live
    rules = rules_of(found) if found is not None and live else policy_of(card.workspace)
    standing, checked = stand(found) if found is not None and live else (None, gates.check(card, rules))
    roles = roles_of(card.workspace_id)
    able = [pk for pk, role in roles.items() if may_decide(role, rules)]
    author = author_of(card)
    said = _said(found, roles, rules) if found is not None else []
    mine = next((s.decision for s in said if s.decision.current and s.decision.user_id == member.user_id), None)
    can = may_decide(member.role, rules)
    return Box(
        card=card,
        sign_off=found,
        standing=standing,
        gates=checked,
        said=said,
        rules=rules,
        rules_lines=policy.describe(rules),
        seen=seen.digest,
        author=author.get_username() if author else "",
        mine=mine,
        may_decide=can and not (found is not None and found.state == SignOffState.REJECTED),
        may_ask=member.at_least("reviewer"),
        why_not=_why_not(member, rules, able=able, author=author, can=can),
    )


def _said(found: SignOff, roles: dict[Any, str], rules: Policy) -> list[Said]:
    return [Said(d, not may_decide(roles.get(d.user_id, ""), rules)) for d in found.decisions.all()]


def _why_not(member: Membership, rules: Policy, *, able: list[Any], author: Any, can: bool) -> str:
    if not can:
        return f"Signing needs the role “{rules.least_role}”; you are {member.get_role_display().lower()}."
    if able == [member.user_id]:
        if rules.alone:
            return (
                "You are the only one here who may sign. The rules allow it; the report will say that you signed alone."
            )
        return (
            "You are the only one here who may sign, and the rules do not let anybody sign alone. "
            "Add a second person, or allow it in the rules."
        )
    if author is not None and author.pk == member.user_id:
        return "You started this run, so your approval alone is not enough."
    return ""


def states_of(cards: list[Scorecard]) -> dict[Any, SignOff]:
    """Scorecard → its latest sign-off, for lists."""
    found: dict[Any, SignOff] = {}
    for sign_off in SignOff.objects.filter(scorecard__in=[card.pk for card in cards]).order_by("number"):
        found[sign_off.scorecard_id] = sign_off
    return found


VERDICT_PILLS = {Verdict.APPROVE: "approved", Verdict.CHANGES: "changes", Verdict.REJECT: "rejected"}

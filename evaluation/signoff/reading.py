"""Sign-offs as they stand: the rules in force, what a signature would cover now, who said what. Nothing is written here."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.contrib.auth.models import User

from evaluation.models import Scorecard, SignOff, SignOffPolicy
from evaluation.signoff import freezing, gates, policy
from evaluation.signoff.gate import Gate
from evaluation.signoff.policy import Policy
from evaluation.signoff.standing import Standing, Vote, may_decide, weigh
from studio.lib.canonical import fingerprint
from studio.models import Membership, Workspace


def policy_of(workspace: Workspace) -> Policy:
    """The rules that a workspace signs by now."""
    stored = SignOffPolicy.objects.filter(workspace=workspace).first()
    return policy.read(stored.rules) if stored else Policy()  # type: ignore[call-arg]


def newest(card: Scorecard) -> SignOff | None:
    """The report's latest sign-off, or None."""
    return card.sign_offs.order_by("-number").first()


def author_of(card: Scorecard) -> User | None:
    """Who started the run, or set up the schedule that did; None for the command line."""
    run = card.step_run.run
    return run.created_by or (run.schedule.created_by if run.schedule else None)


class Seen(NamedTuple):
    """What a decision would cover now: the rules and the frozen hashes, and a digest of both."""

    policy: Policy
    frozen: dict[str, Any]
    digest: str


def look(card: Scorecard) -> Seen:
    """What is to be signed, as it is now."""
    rules, frozen = policy_of(card.workspace), freezing.freeze(card)
    return Seen(rules, frozen, digest_of(rules.stored(), frozen))


def digest_of(rules: Any, frozen: Any) -> str:
    """One hash for everything a signature covers."""
    return fingerprint({"policy": rules, "frozen": frozen})


def rules_of(found: SignOff) -> Policy:
    """The rules a sign-off goes by: its own copy from the first decision on, the workspace's before."""
    return policy.read(found.policy) if found.digest else policy_of(found.scorecard.workspace)


def roles_of(workspace_id: Any) -> dict[Any, str]:
    """User → present role, of everybody in the workspace."""
    return dict(Membership.objects.filter(workspace=workspace_id, user__is_active=True).values_list("user_id", "role"))


def stand(found: SignOff) -> tuple[Standing, list[Gate]]:
    """Where a sign-off stands by its own copy of the rules, and its gates as they are now."""
    rules = rules_of(found)
    roles = roles_of(found.scorecard.workspace_id)
    checked = gates.check(found.scorecard, rules)
    votes = [
        Vote(d.name, roles.get(d.user_id, ""), d.verdict, d.is_author) for d in found.decisions.filter(current=True)
    ]
    able = [str(user) for user, role in roles.items() if may_decide(role, rules)]
    closed = [f"{gate.label}: {gate.text}" for gate in checked if not gate.ok]
    return weigh(rules, votes, able=able, closed=closed), checked


def subject_of(card: Scorecard) -> str:
    """A report as the audit trail names it."""
    run = card.step_run.run
    return f"the report of run {run.number} of {run.version.pipeline}"

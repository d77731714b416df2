"""What a team's votes come to under its rules. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from evaluation.signoff.policy import Policy

RANK = {"viewer": 0, "reviewer": 1, "editor": 2, "owner": 3}


class Vote(NamedTuple):
    """A person's present word. ``role``: the role the person has now, blank for somebody who left the team."""

    name: str
    role: str
    verdict: str
    author: bool = False


class Standing(NamedTuple):
    """``state`` as in ``SignOffState``, the approvals that count, and what is still missing, in words."""

    state: str
    approvals: int
    missing: list[str]
    alone: bool


def may_decide(role: str, policy: Policy) -> bool:
    """Whether somebody with this role may sign."""
    return RANK.get(role, -1) >= RANK[policy.least_role]


def weigh(policy: Policy, votes: Sequence[Vote], *, able: Sequence[str], closed: Sequence[str]) -> Standing:
    """Where a sign-off stands. ``able``: names of everybody who may sign; ``closed``: gates that are not open, in words.

    Votes of people who may no longer sign count for nothing.
    """
    counted = [vote for vote in votes if may_decide(vote.role, policy)]
    said = {vote.verdict for vote in counted}
    approving = [vote for vote in counted if vote.verdict == "approve"]
    missing, alone = _missing(policy, approving, able=able)
    missing += closed
    if "reject" in said:
        return Standing("rejected", len(approving), missing, False)
    if "changes" in said:
        return Standing("changes", len(approving), missing, False)
    if missing:
        return Standing("open", len(approving), missing, False)
    return Standing("approved", len(approving), [], alone)


def _missing(policy: Policy, approving: Sequence[Vote], *, able: Sequence[str]) -> tuple[list[str], bool]:
    """What of the people is missing, and whether this is somebody signing alone."""
    names = {vote.name for vote in approving}
    if len(able) <= 1 and len(names) <= 1:
        if not names:
            return ["1 approval"], False
        if policy.alone:
            return [], True
        return ["a second person: the rules do not let anybody sign alone"], False
    missing = []
    lacking = policy.approvals - len(approving)
    if lacking > 0:
        missing.append(f"{lacking} more approval{'s' if lacking != 1 else ''}" if approving else _approvals(lacking))
    owners = sum(vote.role == "owner" for vote in approving)
    editors = sum(vote.role in ("owner", "editor") for vote in approving)
    if owners < policy.from_owners:
        missing.append(f"{_approvals(policy.from_owners - owners)} by an owner")
    if editors < policy.from_editors:
        missing.append(f"{_approvals(policy.from_editors - editors)} by an editor or an owner")
    if approving and all(vote.author for vote in approving):
        missing.append("an approval by somebody who did not start the run")
    return missing, False


def _approvals(n: int) -> str:
    return f"{n} approval{'s' if n != 1 else ''}"

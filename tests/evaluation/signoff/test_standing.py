"""What votes come to."""

from __future__ import annotations

import pytest

from evaluation.signoff.policy import Policy
from evaluation.signoff.standing import Vote, weigh

TEAM = ("ann", "bob", "cid")


def test_nobody_has_said_anything() -> None:
    found = weigh(Policy(), [], able=TEAM, closed=[])
    assert (found.state, found.missing) == ("open", ["1 approval"])


def test_somebody_who_did_not_start_the_run_approves() -> None:
    assert weigh(Policy(), [Vote("ann", "reviewer", "approve")], able=TEAM, closed=[]).state == "approved"


def test_the_author_alone_is_not_enough_but_counts() -> None:
    author = Vote("ann", "owner", "approve", author=True)
    found = weigh(Policy(), [author], able=TEAM, closed=[])
    assert (found.state, found.missing) == ("open", ["an approval by somebody who did not start the run"])
    both = [author, Vote("bob", "reviewer", "approve")]
    assert weigh(Policy(approvals=2), both, able=TEAM, closed=[]).state == "approved"


@pytest.mark.parametrize(("roles", "state"), [(("reviewer", "editor"), "open"), (("reviewer", "owner"), "approved")])
def test_an_owner_can_be_asked_for(roles: tuple[str, str], state: str) -> None:
    votes = [Vote(name, role, "approve") for name, role in zip("ab", roles, strict=True)]
    assert weigh(Policy(approvals=2, from_owners=1), votes, able=TEAM, closed=[]).state == state


def test_an_owner_stands_for_an_editor() -> None:
    votes = [Vote("ann", "owner", "approve")]
    assert weigh(Policy(from_editors=1), votes, able=TEAM, closed=[]).state == "approved"


def test_requested_changes_outweigh_approvals_and_a_rejection_both() -> None:
    votes = [Vote("ann", "owner", "approve"), Vote("bob", "reviewer", "changes")]
    assert weigh(Policy(), votes, able=TEAM, closed=[]).state == "changes"
    assert weigh(Policy(), [*votes, Vote("cid", "editor", "reject")], able=TEAM, closed=[]).state == "rejected"


def test_who_left_or_may_no_longer_sign_counts_for_nothing() -> None:
    for role in ("", "viewer"):
        assert weigh(Policy(), [Vote("ann", role, "approve")], able=TEAM, closed=[]).state == "open"
        assert weigh(Policy(), [Vote("ann", role, "changes")], able=TEAM, closed=[]).state == "open"


def test_the_only_person_signs_alone_where_the_rules_allow_it_and_is_marked() -> None:
    votes = [Vote("ann", "owner", "approve", author=True)]
    refused = weigh(Policy(), votes, able=["ann"], closed=[])
    assert (refused.state, refused.missing) == ("open", ["a second person: the rules do not let anybody sign alone"])
    found = weigh(Policy(approvals=2, alone=True), votes, able=["ann"], closed=[])
    assert (found.state, found.alone) == ("approved", True)
    assert not weigh(Policy(alone=True), [Vote("bob", "owner", "approve")], able=TEAM, closed=[]).alone


def test_a_closed_gate_keeps_it_open() -> None:
    found = weigh(Policy(), [Vote("ann", "owner", "approve")], able=TEAM, closed=["Parity: none"])
    assert (found.state, found.missing) == ("open", ["Parity: none"])

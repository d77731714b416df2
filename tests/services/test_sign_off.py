"""Sign-offs under real row locks: approvals at once, an approval that races a change, a double click."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import connection

from evaluation.models import Decision, Scorecard, SignOff, SignOffPolicy
from evaluation.signoff import reading, records, settling
from evaluation.signoff.policy import Policy
from studio import audit, members
from studio.lib.errors import StudioError
from studio.models import Membership, Role, Workspace
from tests.conftest import make_member
from tests.evaluation.conftest import candidates as candidates
from tests.evaluation.conftest import held_out as held_out
from tests.evaluation.conftest import scorecard as scorecard

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]


def at_once(*works: Callable[[], object]) -> list[object]:
    """What each gave or raised; all start together, each with a database connection of its own."""
    gate, results = threading.Barrier(len(works)), list[object](works)

    def run(n: int) -> None:
        gate.wait()
        try:
            results[n] = works[n]()
        except StudioError as error:
            results[n] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def fresh(card: Scorecard) -> Scorecard:
    return Scorecard.objects.select_related("step_run__run__version__pipeline", "workspace", "report").get(pk=card.pk)


def approve(card: Scorecard, user: User, seen: str) -> Callable[[], SignOff]:
    return lambda: records.decide(fresh(card), user=user, verdict="approve", seen=seen)


@pytest.fixture
def people(workspace: Workspace) -> list[User]:
    """Four reviewers and an owner, who stands last."""
    found = []
    for n in range(4):
        user = User.objects.create_user(username=f"reviewer{n}")
        Membership.objects.create(workspace=workspace, user=user, role=Role.REVIEWER)
        found.append(user)
    return [*found, make_member(workspace, Role.OWNER)]


def test_approvals_at_once_all_count_in_one_sign_off(scorecard: Scorecard, people: list[User]) -> None:
    SignOffPolicy.objects.create(workspace=scorecard.workspace, rules={"approvals": 4})
    seen = reading.look(fresh(scorecard)).digest
    at_once(*(approve(scorecard, user, seen) for user in people[:4]))
    found = SignOff.objects.get()
    assert found.state == "approved"
    assert sorted(found.decisions.values_list("number", flat=True)) == [1, 2, 3, 4]
    assert list(audit.verify(scorecard.workspace)) == []


def test_a_double_click_is_one_decision(scorecard: Scorecard, people: list[User]) -> None:
    seen = reading.look(fresh(scorecard)).digest
    found = at_once(*(approve(scorecard, people[0], seen) for _ in range(6)))
    assert all(isinstance(one, SignOff) for one in found)
    assert Decision.objects.count() == 1


def test_asking_at_once_makes_one_sign_off(scorecard: Scorecard, people: list[User]) -> None:
    at_once(*(lambda user=user: records.ask(fresh(scorecard), by=user) for user in people))  # type: ignore[misc]
    assert SignOff.objects.count() == 1


@pytest.mark.parametrize("round_", range(5))
def test_an_approval_that_races_a_change_of_the_rules_is_refused_or_void(
    scorecard: Scorecard, people: list[User], round_: int
) -> None:
    workspace, owner = scorecard.workspace, people[-1]
    seen = reading.look(fresh(scorecard)).digest
    change = lambda: records.change_policy(workspace, Policy(approvals=2), by=owner, revision=0)  # noqa: E731
    said, _ = at_once(approve(scorecard, people[0], seen), change)
    states = list(SignOff.objects.values_list("state", flat=True))
    assert states == [] if isinstance(said, settling.Changed) else states == ["void"]


@pytest.mark.parametrize("round_", range(5))
def test_an_approval_that_races_the_signers_removal_never_stands(
    scorecard: Scorecard, people: list[User], round_: int
) -> None:
    seen = reading.look(fresh(scorecard)).digest
    membership = Membership.objects.get(user=people[0])
    at_once(approve(scorecard, people[0], seen), lambda: members.remove_member(membership, by=people[-1]))
    assert "approved" not in SignOff.objects.values_list("state", flat=True)


def test_an_approval_and_a_rejection_at_once_end_rejected(scorecard: Scorecard, people: list[User]) -> None:
    seen = reading.look(fresh(scorecard)).digest
    reject = lambda: records.decide(fresh(scorecard), user=people[1], verdict="reject", reason="No.", seen=seen)  # noqa: E731
    at_once(approve(scorecard, people[0], seen), reject)
    assert SignOff.objects.get().state == "rejected"


def test_a_withdrawal_that_races_a_voiding_ends_void(scorecard: Scorecard, people: list[User]) -> None:
    seen = reading.look(fresh(scorecard)).digest
    approve(scorecard, people[0], seen)()
    change = lambda: records.change_policy(scorecard.workspace, Policy(approvals=2), by=people[-1], revision=0)  # noqa: E731
    at_once(lambda: records.withdraw(fresh(scorecard), user=people[0]), change)
    assert SignOff.objects.get().state == "void"

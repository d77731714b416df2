"""Many workers that look for the next step at the same moment, on a database with many writers."""

from __future__ import annotations

from collections import Counter

import pytest
from pytest_django.fixtures import Settings

from pipelines.building import drafts
from pipelines.models import StepRun
from pipelines.running import runs, scheduling
from studio.jobs import State
from studio.models import Workspace
from tests.pipelines.conftest import toy_steps as toy_steps
from tests.pipelines.toys import chain
from tests.services.test_postgres_and_redis import in_threads

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]

WORKERS = 12


def queue_runs(workspace: Workspace, count: int) -> None:
    version = runs.freeze(drafts.create(workspace, name="Toy", spec=chain(), user=None), user=None)
    for _ in range(count):
        runs.start_run(version, user=None)


def claim_at_once() -> list[StepRun]:
    found: list[StepRun | None] = []
    in_threads(WORKERS, lambda: found.append(scheduling.claim_next("cpu")))
    return [step for step in found if step]


@pytest.mark.usefixtures("toy_steps")
def test_workers_that_claim_at_once_each_get_a_step_of_their_own(workspace: Workspace) -> None:
    queue_runs(workspace, WORKERS + 3)
    claimed = claim_at_once()
    assert len({step.pk for step in claimed}) == len(claimed) == WORKERS
    assert StepRun.objects.filter(state=State.RUNNING).count() == WORKERS


@pytest.mark.usefixtures("toy_steps")
def test_a_limit_holds_also_when_all_workers_look_at_the_same_moment(
    workspace: Workspace, other_workspace: Workspace, settings: Settings
) -> None:
    settings.WORKSPACE_LIMITS = {"cpu": 2}
    queue_runs(workspace, 6)
    queue_runs(other_workspace, 6)
    claimed = claim_at_once()
    per_workspace = Counter(step.run.workspace_id for step in claimed)
    assert per_workspace == {workspace.pk: 2, other_workspace.pk: 2}
    assert claim_at_once() == []
    claimed[0].finish(State.FAILED)
    (next_one,) = claim_at_once()
    assert next_one.run.workspace_id == claimed[0].run.workspace_id


@pytest.mark.usefixtures("toy_steps")
def test_a_claim_under_a_limit_and_a_person_who_holds_the_step_do_not_wait_for_each_other_for_ever(
    workspace: Workspace, settings: Settings
) -> None:
    """A person's move locks the step and then, for the audit trail, the workspace; a claim locks them the other way round."""
    from django.db import transaction

    settings.WORKSPACE_LIMITS = {"cpu": 3}
    queue_runs(workspace, 4)
    faults: list[BaseException] = []

    def move_or_claim() -> None:
        try:
            for _ in range(10):
                with transaction.atomic():
                    step = StepRun.objects.select_for_update().filter(state=State.PENDING, ready=True).first()
                    Workspace.objects.select_for_update().get(pk=workspace.pk)
                job = scheduling.claim_next("cpu")
                if job is not None:
                    job.release(error="again")
                del step
        except BaseException as fault:
            faults.append(fault)

    in_threads(6, move_or_claim)
    assert faults == []

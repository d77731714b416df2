"""A run's end is told once, also when many workers see it in the same moment."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from pipelines.building import drafts
from pipelines.models import StepRun
from pipelines.running import runs
from studio.jobs import State
from studio.models import Delivery, Notification, Webhook, Workspace
from tests.pipelines.conftest import toy_steps as toy_steps
from tests.pipelines.toys import chain
from tests.services.test_postgres_and_redis import in_threads

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]


def test_of_many_workers_that_advance_a_run_to_its_end_one_tells_it(
    toy_steps: list[str], workspace: Workspace, editor: User
) -> None:
    Webhook.objects.create(workspace=workspace, url="https://host", events=["run.succeeded"], encrypted=b"x")
    pipeline = drafts.create(workspace, name="Toy", spec=chain(), user=editor)
    run = runs.start_run(runs.freeze(pipeline, user=editor), user=editor)
    StepRun.objects.filter(run=run).update(state=State.SUCCEEDED, finished_at=timezone.now())
    in_threads(8, lambda: runs.advance(run.pk))
    run.refresh_from_db()
    assert run.state == State.SUCCEEDED
    assert Notification.objects.count() == 1
    assert Delivery.objects.count() == 1

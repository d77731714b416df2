"""Several clocks that look at the same moment, on a database with many writers: one run a change."""

from __future__ import annotations

from datetime import time, timedelta

import pytest
from django.utils import timezone

from pipelines.building import drafts
from pipelines.models import Run, Schedule
from pipelines.running import schedules
from studio.models import Workspace
from tests.conftest import make_member
from tests.pipelines.conftest import toy_steps as toy_steps
from tests.pipelines.running.test_schedules import add_version
from tests.pipelines.toys import chain
from tests.services.test_postgres_and_redis import in_threads
from vault.models import Dataset

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]

CLOCKS = 8


@pytest.mark.usefixtures("toy_steps")
def test_many_clocks_start_one_run_of_each_schedule_that_is_due(workspace: Workspace) -> None:
    editor = make_member(workspace, "editor")
    pipeline = drafts.create(workspace, name="Toy", spec=chain(), user=None)
    dataset = Dataset.objects.create(workspace=workspace, slug="letters", name="Letters")
    for made in (
        Schedule(pipeline=pipeline, every="day", at=time(2, 0), waits=False),
        Schedule(pipeline=pipeline, every="version", dataset=dataset, waits=False),
    ):
        schedules.add(made, user=editor)
    for round_ in (1, 2):
        add_version(dataset)
        Schedule.objects.filter(every="day").update(next_due_at=timezone.now() - timedelta(days=3))
        in_threads(CLOCKS, schedules.start_due)
        assert Run.objects.count() == 2 * round_

"""Two runs that ask the same questions at the same moment, on a database with many writers."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from pipelines.models import StepRun
from pipelines.teachers.base import Completion
from pipelines.teachers.storage import StoredCall
from tests.pipelines.test_calls import ledger
from tests.pipelines.test_calls import steps as steps

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]


def test_runs_that_answer_the_same_questions_at_the_same_moment_each_keep_their_bill(steps: list[StepRun]) -> None:
    """The threads meet between the look and the write."""
    keys = [f"{n:064d}" for n in range(20)]
    faults: list[BaseException] = []
    gate = threading.Barrier(len(steps))

    def answer_all(step: StepRun) -> None:
        try:
            for key in keys:
                gate.wait(timeout=30)
                ledger(step).keep(StoredCall(key, Completion(text="a", model="m"), cost_usd=0.01))
        except BaseException as fault:
            faults.append(fault)
            gate.abort()
        finally:
            connection.close()

    threads = [threading.Thread(target=answer_all, args=(step,)) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not faults
    assert [ledger(step).sum_up() for step in steps] == [pytest.approx(0.2), pytest.approx(0.2)]
    assert len(ledger(steps[0]).find(keys)) == 20

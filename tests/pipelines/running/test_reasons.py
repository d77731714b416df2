"""Why a step was done, in words with numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipelines.models import Run, StepRun
from pipelines.running import reasons, runs
from tests.pipelines import toys
from tests.pipelines.toys import chain

Start = Callable[[dict[str, Any]], Run]


def reason_of(run: Run, node: str) -> str:
    return StepRun.objects.get(run=run, node=node).reason


def test_each_cause_is_told(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    first = runs.run_to_end(start(chain()))
    assert reason_of(first, "say") == "It has not run before."
    again = runs.run_to_end(start(chain()))
    assert reason_of(again, "say") == "Run 1 did the same with the same inputs."
    changed = runs.run_to_end(start(chain(text="b")))
    assert reason_of(changed, "say") == "Changed since run 2: Text."
    more = chain(text="b")
    more["nodes"][0]["params"] = {"count": 5}
    grown = runs.run_to_end(start(more))
    assert reason_of(grown, "make") == "Changed since run 3: Count."
    assert reason_of(grown, "say").startswith("What it takes in has changed since run 3: rows")
    monkeypatch.setattr(toys.Answer, "version", 2)
    assert reason_of(runs.run_to_end(start(more)), "say") == (
        "The step works differently in this version of the Studio."
    )


def test_the_share_of_answers_from_the_cache_is_added() -> None:
    summary = {"answers_new": 60, "answers_reused": 1140}
    assert reasons.with_answers("Changed since run 12: System prompt.", summary) == (
        "Changed since run 12: System prompt; 1,140 of 1,200 answers came from the cache."
    )
    assert reasons.with_answers("It has not run before.", {"rows": 3}) == "It has not run before."
    assert reasons.with_answers("x.", {"answers_new": 0, "answers_reused": 0}) == "x."


def test_a_retry_keeps_the_reason(start: Start) -> None:
    run = runs.run_to_end(start(chain(fault="user")))
    assert reason_of(run, "say") == "It has not run before."
    runs.retry_run(run, user=None)
    runs.run_to_end(run)
    assert reason_of(run, "say") == "It has not run before."

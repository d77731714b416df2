"""Fixtures of the pipeline tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipelines.building import drafts
from pipelines.models import Run
from pipelines.running import runs
from studio.models import Workspace
from studio.registries import STEPS
from tests.pipelines import toys


@pytest.fixture
def toy_steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Add the toy steps to the table of steps; gives the list of those that ran."""
    monkeypatch.setattr(STEPS, "table", {**STEPS.table, **toys.TABLE})
    toys.CALLS.clear()
    return toys.CALLS


@pytest.fixture
def start(toy_steps: list[str], workspace: Workspace) -> Callable[[dict[str, Any]], Run]:
    """``start(spec)``: a started run of that spec."""

    def start_spec(spec: dict[str, Any]) -> Run:
        pipeline = drafts.create(workspace, name="Toy", spec=spec, user=None)
        return runs.start_run(runs.freeze(pipeline, user=None), user=None)

    return start_spec

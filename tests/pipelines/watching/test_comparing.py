"""What a run did differently from the one before it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from pipelines.building import drafts
from pipelines.models import Run
from pipelines.running import runs
from pipelines.specs import spec as specs
from pipelines.watching import comparing
from studio.models import Workspace
from tests.pipelines.toys import TABLE, chain

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    from studio.registries import STEPS

    monkeypatch.setattr(STEPS, "table", {**STEPS.table, **TABLE})


def run(workspace: Workspace, spec: dict[str, Any]) -> Run:
    pipeline = drafts.save_by_slug(workspace, slug="toy", name="Toy", spec=specs.parse(spec))
    return runs.run_to_end(runs.start_run(runs.freeze(pipeline, user=None), user=None))


def test_the_first_run_has_nothing_to_be_compared_with(workspace: Workspace, viewer_client: Client) -> None:
    first = run(workspace, chain(text="a"))
    assert comparing.changes_since_last(first) is None
    assert "Since run" not in viewer_client.get(first.get_absolute_url()).content.decode()


def test_a_changed_setting_is_named_with_both_values(workspace: Workspace, viewer_client: Client) -> None:
    run(workspace, chain(text="apples"))
    second = run(workspace, chain(text="pears"))
    changes = comparing.changes_since_last(second)
    assert changes is not None and changes.before.number == 1
    assert [(c.id, c.params[0].before, c.params[0].after) for c in changes.spec] == [("say", "apples", "pears")]
    page = viewer_client.get(second.get_absolute_url()).content.decode()
    assert "Since run 1" in page and "apples" in page and "?before=1&amp;after=2" in page


def test_the_same_again_says_so(workspace: Workspace, viewer_client: Client) -> None:
    run(workspace, chain(text="a"))
    second = run(workspace, chain(text="a"))
    changes = comparing.changes_since_last(second)
    assert changes is not None and changes.nothing
    assert "Nothing has changed" in viewer_client.get(second.get_absolute_url()).content.decode()


def test_other_data_and_other_code_are_told(workspace: Workspace) -> None:
    first = run(workspace, chain(text="a"))
    second = run(workspace, chain(text="a"))
    first.steps.filter(node="make").update(facts={"version": 1, "rows": 1200, "artifact": "a" * 64})
    second.steps.filter(node="make").update(facts={"version": 2, "rows": 1300, "artifact": "b" * 64})
    first.steps.filter(node="say").update(version=0)
    changes = comparing.compare(Run.objects.get(pk=first.pk), Run.objects.get(pk=second.pk))
    assert changes.data == ["make: artifact aaaaaaaaaa… → bbbbbbbbbb…, rows 1,200 → 1,300, version 1 → 2."]
    assert len(changes.code) == 1 and "say" in changes.code[0] and changes.spec == []

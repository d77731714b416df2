"""Specs of earlier Studios: brought up step by step, stored versions left as they are, newer ones refused in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from django.test import Client

from pipelines.building import drafts
from pipelines.models import Pipeline, Run
from pipelines.running import runs
from pipelines.specs import migrating
from pipelines.specs import spec as specs
from studio.models import Workspace
from tests.pipelines.toys import Answer, chain


def _rename_nodes(document: dict[str, Any]) -> dict[str, Any]:
    return {**{k: v for k, v in document.items() if k != "steps"}, "nodes": document["steps"]}


def _add_edges(document: dict[str, Any]) -> dict[str, Any]:
    return {"edges": [], **document}


MIGRATIONS: Mapping[int, migrating.Migration] = {1: _rename_nodes, 2: _add_edges}


def test_an_old_spec_goes_through_every_step_to_the_newest() -> None:
    old = {"schema": 1, "steps": [{"id": "a", "step": "split"}]}
    assert migrating.upgrade(old, newest=3, migrations=MIGRATIONS) == {
        "schema": 3, "nodes": [{"id": "a", "step": "split"}], "edges": [],
    }  # fmt: skip
    assert old == {"schema": 1, "steps": [{"id": "a", "step": "split"}]}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (1, ""),
        (2, ""),
        (3, ""),
        (9, "made by a newer Studio: schema 9; this one reads up to 3"),
        (None, "does not say its schema"),
        (0, "There is no schema '0'; this Studio reads 1, 2, 3"),
        (-1, "There is no schema"),
        (True, "There is no schema"),
        ("1", "There is no schema"),
        (1.0, "There is no schema"),
    ],
)
def test_a_schema_is_read_or_refused_with_what_to_do(given: Any, said: str) -> None:
    message, fix = migrating.judge_schema(given, newest=3, migrations=MIGRATIONS)
    assert (said in message) if said else not message
    assert bool(fix) == bool(said)


def test_a_gap_in_the_steps_makes_what_is_before_it_unreadable() -> None:
    assert migrating.judge_schema(1, newest=3, migrations={1: _rename_nodes})[0]
    assert not migrating.judge_schema(2, newest=3, migrations={2: _add_edges})[0]


# --- a renamed parameter ---------------------------------------------------------------------------------------------------


@pytest.fixture
def renamed(toy_steps: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy step “answer” as if its parameter “text” had been called “reply” once."""

    def upgrade(params: Mapping[str, Any]) -> Mapping[str, Any]:
        if "reply" not in params or "text" in params:
            return params
        return {"text" if key == "reply" else key: value for key, value in params.items()}

    monkeypatch.setattr(Answer, "upgrade_params", staticmethod(upgrade))


@pytest.fixture
def old(workspace: Workspace) -> Pipeline:
    """A pipeline whose draft and version 1 were stored before the parameter was renamed."""
    pipeline = drafts.create(workspace, name="Old", spec=chain(reply="hello"), user=None)
    pipeline.versions.create(number=1, spec=chain(reply="hello"), digest="of then")
    return pipeline


@pytest.mark.django_db
def test_an_old_draft_opens_runs_and_is_stored_anew_only_when_saved(
    renamed: None, old: Pipeline, editor_client: Client
) -> None:
    page = editor_client.get(old.get_absolute_url())
    assert page.status_code == 200 and "to mend before" not in page.text
    state = editor_client.get(f"{old.get_absolute_url()}state.json?revision=0").json()
    assert state["spec"]["nodes"][1]["params"] == {"text": "hello"} and not state["problems"]
    old.refresh_from_db()
    assert old.draft == chain(reply="hello")
    text = editor_client.get(f"{old.get_absolute_url()}spec.yaml").text
    assert "text: hello" in text and "reply" not in text
    drafts.save(old, spec=old.draft, revision=1)
    assert old.draft == chain(text="hello")


@pytest.mark.django_db
def test_an_old_version_stays_as_it_was_and_still_opens_differs_runs_and_is_restored(
    renamed: None, old: Pipeline, editor_client: Client
) -> None:
    version = old.versions.get()
    assert runs.freeze(old, user=None) == version
    page = editor_client.get(f"{old.get_absolute_url()}versions/").text
    assert "not saved as a version" not in page
    assert "Nothing differs" in editor_client.get(f"{old.get_absolute_url()}versions/diff/?before=1").text
    run = runs.start_run(version, user=None)
    assert run.steps.get(node="say").params["text"] == "hello"
    drafts.save(old, spec=chain(text="other"), revision=1)
    editor_client.post(f"{old.get_absolute_url()}versions/1/restore/", {"revision": 2})
    old.refresh_from_db()
    assert old.draft == chain(text="hello")
    version.refresh_from_db()
    assert version.spec == chain(reply="hello") and version.digest == "of then"


@pytest.mark.django_db
def test_a_version_of_a_newer_studio_says_so(workspace: Workspace, viewer_client: Client) -> None:
    """After a downgrade the page still opens."""
    pipeline = drafts.create(workspace, name="New", spec={**chain(), "schema": 9}, user=None)
    page = viewer_client.get(pipeline.get_absolute_url())
    assert page.status_code == 200 and "made by a newer Studio: schema 9" in page.text


# --- notes -----------------------------------------------------------------------------------------------------------------


def noted(text: str) -> dict[str, Any]:
    spec = chain(text="hi")
    spec["nodes"][1]["note"] = text
    return spec


def test_a_note_travels_and_changes_neither_digest_nor_problems(toy_steps: list[str]) -> None:
    with_note, without = specs.parse(noted("Why *hi*:\nit is short")), specs.parse(chain(text="hi"))
    assert specs.validate(with_note) == []
    assert with_note.digest() == without.digest() and with_note != without
    again = specs.parse(specs.load_text(specs.dump_yaml(with_note.as_dict())))
    assert again == with_note
    assert "note" not in without.as_dict()["nodes"][1]
    with pytest.raises(specs.SpecError, match="at most 4,000"):
        specs.parse(noted("x" * 4_001))
    with pytest.raises(specs.SpecError, match="A note is text"):
        specs.parse(noted(["x"]))  # type: ignore[arg-type]


def test_a_note_makes_no_new_version_and_no_step_run_again(
    start: Callable[[dict[str, Any]], Run], workspace: Workspace, toy_steps: list[str]
) -> None:
    run = runs.run_to_end(start(chain(text="hi")))
    pipeline = run.version.pipeline
    drafts.save(pipeline, spec=noted("why"), revision=1)
    assert runs.freeze(pipeline, user=None) == run.version
    toy_steps.clear()
    other = drafts.create(workspace, name="Other", spec=noted("why"), user=None)
    second = runs.run_to_end(runs.start_run(runs.freeze(other, user=None), user=None))
    assert second.state == "succeeded" and toy_steps == []

"""Planning the next round, starting it, and reading afterwards what became of the groups."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from evaluation.losses import losing
from evaluation.models import NextRound, Scorecard
from evaluation.report.scorecards import read_report
from pipelines.models import Pipeline, Run
from studio.models import Workspace
from tests.evaluation.losses.test_next_round import draft
from tests.evaluation.lost_rows import dataset_of, record_losing, training_rows
from vault import derivations, store
from vault.models import DatasetVersion
from vault.rows import read_rows

CHOICE = {
    "group": "1", "change": "more", "count": "30", "teacher": "openai_compatible", "model": "writer",
    "base_url": "http://127.0.0.1:9/v1", "answers": "keep", "cost_cap_usd": "2.5",
}  # fmt: skip


@pytest.fixture
def card(workspace: Workspace) -> Scorecard:
    """The evaluation that loses two kinds of rows, its groups done, of a pipeline that can be changed."""
    card = record_losing(workspace)
    version = card.step_run.run.version
    spec = draft()
    spec["nodes"][0]["params"] = {"dataset": "learnt"}
    spec["nodes"][-1]["id"] = "evaluate"
    for edge in spec["edges"]:
        edge["to"] = edge["to"].replace("report.", "evaluate.")
    version.spec = version.pipeline.draft = spec
    version.save(update_fields=["spec"])
    version.pipeline.save(update_fields=["draft"])
    derivations.run(losing.request(card, read_report(card.report)).pk)
    return card


def address(card: Scorecard, name: str = "next_round") -> str:
    return reverse(name, args=["lab", card.pk])


def begin(client: Client, card: Scorecard, **more: Any) -> Any:
    pipeline = Pipeline.objects.get(pk=card.step_run.run.version.pipeline_id)
    return client.post(address(card), {**CHOICE, "revision": pipeline.revision, "request_key": "k", **more})


def test_the_change_is_shown_before_anything_is_started(editor_client: Client, card: Scorecard) -> None:
    html = editor_client.get(address(card)).content.decode()
    assert "Choose the groups and what to change" in html and "Enter the name" not in html
    html = editor_client.get(address(card), CHOICE).content.decode()
    assert "What changes since run 1" in html and "with_new_rows" in html and "Start the next round" in html
    assert Run.objects.count() == 1 and not DatasetVersion.objects.filter(dataset__slug__startswith="near").exists()


def test_it_starts_a_run_of_a_new_version_that_says_why(editor_client: Client, card: Scorecard) -> None:
    answer = begin(editor_client, card)
    made = NextRound.objects.get()
    assert answer.status_code == 302 and answer["Location"] == made.run.get_absolute_url()
    assert made.scorecard == card and [g["number"] for g in made.groups] == [1] and len(made.groups[0]["rids"]) == 12
    assert made.run.version.message.startswith("After run 1: more prompts like “")
    writer = made.run.steps.get(step="more_like_these")
    assert writer.params["count"] == 30 and writer.params["cost_cap_usd"] == 2.5
    assert writer.params["answers"] == "as the examples'"
    seeds = DatasetVersion.objects.get(dataset__slug="near-losses-cards-1")
    found = {row.id for row in read_rows(store.path(seeds.artifact))}
    assert found <= {row.id for row in training_rows()} and found, "training rows only, never held-out ones"
    assert begin(editor_client, card)["Location"] == answer["Location"]
    assert Run.objects.count() == 2, "a second submit of the same form starts nothing"


def test_a_draft_that_was_changed_meanwhile_is_not_overwritten(editor_client: Client, card: Scorecard) -> None:
    answer = begin(editor_client, card, revision=99)
    assert answer.status_code == 422 and "changed in another tab" in answer.content.decode()
    assert Run.objects.count() == 1 and not DatasetVersion.objects.filter(dataset__slug__startswith="near").exists()


def test_what_is_missing_or_wrong_is_said_at_its_field(editor_client: Client, card: Scorecard) -> None:
    for change, words in (
        ({"model": ""}, "Enter the name of the teacher"),
        ({"change": "add"}, "Choose the dataset whose rows are added."),
        ({"group": "7"}, "Select a valid choice"),
        ({"count": "many"}, "Enter a whole number"),
        ({"teacher": "recorded"}, "Select a valid choice"),
    ):
        answer = begin(editor_client, card, **change)
        assert answer.status_code == 422 and words in answer.content.decode(), change
    assert Run.objects.count() == 1


def test_rows_of_a_dataset_are_added_but_none_that_is_held_out(
    editor_client: Client, workspace: Workspace, card: Scorecard
) -> None:
    dataset_of(workspace, training_rows()[:5], slug="mine")
    held = dataset_of(workspace, training_rows()[5:9], slug="secret")
    DatasetVersion.objects.filter(pk=held.pk).update(held_out=True)
    assert begin(editor_client, card, change="add", dataset="secret").status_code == 422
    assert begin(editor_client, card, change="add", dataset="mine").status_code == 302
    made = NextRound.objects.get()
    assert made.kind == "add" and made.run.steps.get(node="more_rows").params == {"dataset": "mine", "version": 1}


def test_a_pipeline_without_training_says_what_to_do(editor_client: Client, card: Scorecard) -> None:
    pipeline = card.step_run.run.version.pipeline
    pipeline.draft = {"schema": 1, "nodes": draft()["nodes"][:1], "edges": []}
    pipeline.save(update_fields=["draft"])
    html = editor_client.get(address(card), CHOICE).content.decode()
    assert "no place for more training rows" in html and "Start the next round" not in html


def test_the_next_report_shows_the_groups_before_and_after_and_the_rest_beside_them(
    viewer_client: Client, workspace: Workspace, card: Scorecard
) -> None:
    new = record_losing(workspace, number=2, mends=frozenset({"stolen"}))
    found = losing.finished(card, read_report(card.report))
    assert found is not None
    groups = [{"number": n, **{k: g[k] for k in ("name", "rids", "near")}} for n, g in enumerate(found["groups"], 1)]
    NextRound.objects.create(scorecard=card, run=new.step_run.run, kind="more", groups=groups)
    html = viewer_client.get(new.get_absolute_url()).content.decode()
    section = html.split('id="round"')[1].split("</section>")[0]
    assert "All other rows" in section and "regression to the mean" in section and "can only go up" in section
    assert "+100 points" in section and "on held-out rows that nobody has looked at" in section
    assert 'id="round"' not in viewer_client.get(card.get_absolute_url()).content.decode()


def test_who_may_do_what(
    stranger_client: Client, viewer_client: Client, card: Scorecard, editor_client: Client, workspace: Workspace
) -> None:
    assert stranger_client.get(address(card)).status_code == 404
    assert viewer_client.get(address(card)).status_code == 403
    assert viewer_client.post(address(card), CHOICE).status_code == 403
    other = record_losing(workspace, number=2, mends=frozenset({"stolen", "transfer"}))
    ungrouped = editor_client.get(address(other))
    assert ungrouped.status_code == 302 and ungrouped["Location"] == address(other, "evaluation_losses")


def test_who_comes_from_a_group_finds_nothing_marked_as_wrong(editor_client: Client, card: Scorecard) -> None:
    html = editor_client.get(address(card), {"group": "1", "change": "add"}).content.decode()
    assert "Choose the groups and what to change" in html and "Choose the dataset whose rows" not in html


def test_while_the_groups_are_made_it_says_so(editor_client: Client, workspace: Workspace) -> None:
    card = record_losing(workspace)
    losing.request(card, read_report(card.report))
    html = editor_client.get(address(card), follow=True).content.decode()
    assert "The groups are being made" in html


def test_of_a_dataset_only_the_rows_nearest_to_the_lost_ones_are_added(
    editor_client: Client, card: Scorecard, workspace: Workspace
) -> None:
    dataset_of(workspace, training_rows(), slug="mine")
    answer = begin(editor_client, card, change="add", dataset="mine", nearest="7")
    assert answer.status_code == 302, answer.content.decode()
    step = NextRound.objects.get().run.steps.get(step="nearest_rows")
    ids = step.params["ids"].splitlines()
    assert step.params["count"] == 7 and len(ids) == 12 and set(ids) <= {f"h{n}" for n in range(24)}
    assert step.wiring["like"]["node"] != step.wiring["rows"]["node"]
    for bad in ("0", "many"):
        assert begin(editor_client, card, change="add", dataset="mine", nearest=bad).status_code == 422

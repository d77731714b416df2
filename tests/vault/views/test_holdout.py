"""Marking a version as held out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from studio.models import AuditEvent, Workspace
from vault.models import DatasetVersion

VERSIONS = "/w/lab/vault/datasets/tickets/versions/"
URL = "/w/lab/vault/datasets/tickets/v1/held-out/"


def events(workspace: Workspace) -> list[tuple[str, str]]:
    found = AuditEvent.objects.filter(workspace=workspace, verb__in=["held out", "released"]).order_by("number")
    return [(event.actor, event.verb) for event in found]


def test_an_editor_holds_a_version_out_and_releases_it(editor_client: Client, version: DatasetVersion) -> None:
    assert "Hold out" in editor_client.get(VERSIONS).text
    page = editor_client.post(URL, {"held_out": "yes"}, follow=True)
    version.refresh_from_db()
    assert version.held_out
    assert "Version 1 is held out" in page.text and "Release" in page.text
    editor_client.post(URL, {"held_out": "no"})
    version.refresh_from_db()
    assert not version.held_out
    assert events(version.dataset.workspace) == [("editor-of-lab", "held out"), ("editor-of-lab", "released")]


def test_the_same_mark_twice_is_one_event(editor_client: Client, version: DatasetVersion) -> None:
    for _ in range(2):
        editor_client.post(URL, {"held_out": "yes"})
    assert len(events(version.dataset.workspace)) == 1


def test_a_viewer_sees_the_mark_and_has_no_button(viewer_client: Client, version: DatasetVersion) -> None:
    assert "held-out/" not in viewer_client.get(VERSIONS).text
    DatasetVersion.objects.update(held_out=True)
    assert "held out" in viewer_client.get(VERSIONS).text


@pytest.mark.parametrize("role", ["viewer", "reviewer"])
def test_only_editors_may_mark(
    role: str, request: pytest.FixtureRequest, sign_in: Callable[[User], Client], version: DatasetVersion
) -> None:
    client = sign_in(request.getfixturevalue(role))
    assert client.post(URL, {"held_out": "yes"}).status_code == 403
    version.refresh_from_db()
    assert not version.held_out


def test_a_stranger_and_a_wrong_number_get_404(
    stranger_client: Client, editor_client: Client, version: DatasetVersion
) -> None:
    assert stranger_client.post(URL, {"held_out": "yes"}).status_code == 404
    assert editor_client.post(URL.replace("v1", "v9"), {"held_out": "yes"}).status_code == 404


def test_reading_the_address_changes_nothing(editor_client: Client, version: DatasetVersion) -> None:
    assert editor_client.get(URL).status_code == 405

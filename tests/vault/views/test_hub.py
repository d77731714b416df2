from __future__ import annotations

from django.contrib.auth.models import User
from django.test import Client

from studio.jobs import State
from studio.models import Workspace
from vault import hub_fetches
from vault.models import HubFetch

NEW = "/w/lab/vault/hub/"


def begin(workspace: Workspace, user: User) -> HubFetch:
    return hub_fetches.start(workspace, repo="bank/tickets", revision="", name="", user=user)


def test_a_dataset_is_named_and_its_download_begins(editor_client: Client) -> None:
    assert "Dataset on the hub" in editor_client.get(NEW).text
    page = editor_client.post(
        NEW, {"repo": "https://huggingface.co/datasets/bank/tickets", "revision": "v1", "name": "T"}
    )
    fetch = HubFetch.objects.get()
    assert page.status_code == 302 and page["Location"] == f"{NEW}{fetch.pk}/"
    assert (fetch.repo, fetch.revision, fetch.dataset_name, fetch.ready) == ("bank/tickets", "v1", "T", True)


def test_what_is_no_dataset_is_shown_at_its_field(editor_client: Client) -> None:
    page = editor_client.post(NEW, {"repo": "a b <script>"})
    assert (
        page.status_code == 422
        and "is no dataset of the hub" in page.text
        and "<script>" not in page.text.split("<main")[1]
    )
    assert HubFetch.objects.count() == 0


def test_the_page_follows_the_download_until_it_ends(editor_client: Client, workspace: Workspace, editor: User) -> None:
    fetch = begin(workspace, editor)
    address = f"{NEW}{fetch.pk}/"
    assert 'hx-trigger="every 1s"' in editor_client.get(address, headers={"HX-Request": "true"}).text
    HubFetch.claim(fetch.pk)
    assert "Starting" in editor_client.get(address).text
    editor_client.post(f"{address}cancel/")
    fetch.refresh_from_db()
    assert fetch.cancel_requested_at is not None
    HubFetch.objects.filter(pk=fetch.pk).update(
        state=State.FAILED,
        error="The hub can't be reached.",
        action="Check the network.",
        finished_at=fetch.created_at,
        lease_until=None,
    )
    page = editor_client.get(address).text
    assert "can&#x27;t be reached" in page and "Try again" in page and "every 1s" not in page
    editor_client.post(f"{address}retry/")
    fetch.refresh_from_db()
    assert fetch.state == State.PENDING


def test_a_viewer_may_watch_but_not_fetch(viewer_client: Client, workspace: Workspace, editor: User) -> None:
    fetch = begin(workspace, editor)
    assert viewer_client.get(f"{NEW}{fetch.pk}/").status_code == 200
    assert viewer_client.get(NEW).status_code == 403
    assert viewer_client.post(NEW, {"repo": "a/b"}).status_code == 403
    assert viewer_client.post(f"{NEW}{fetch.pk}/cancel/").status_code == 403
    assert viewer_client.post(f"{NEW}{fetch.pk}/retry/").status_code == 403


def test_another_workspaces_download_is_not_found(
    editor_client: Client, other_workspace: Workspace, editor: User
) -> None:
    fetch = begin(other_workspace, editor)
    assert editor_client.get(f"{NEW}{fetch.pk}/").status_code == 404

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django.fixtures import Settings

from studio.jobs import State
from studio.models import AuditEvent, Workspace
from vault import hub_fetches, ingest
from vault.models import HubFetch, Upload
from vault.readers.base import ReaderError

from .hub_server import SHA, Hub, publish


@pytest.fixture
def reachable(hub: dict[str, Any], settings: Settings, data_root: Path) -> None:
    settings.HUB_URL, settings.ALLOWED_HOSTS_OUT = hub["endpoint"], hub["allowed_hosts"]


def begin(workspace: Workspace, user: User, **more: str) -> HubFetch:
    return hub_fetches.start(workspace, user=user, **{"repo": "bank/tickets", "revision": "", "name": "", **more})


def finished(fetch: HubFetch) -> HubFetch:
    hub_fetches.run(fetch.pk)
    fetch.refresh_from_db()
    return fetch


def test_what_is_fetched_becomes_an_upload_to_map(
    reachable: None, workspace: Workspace, editor: User, data_root: Path
) -> None:
    publish()
    fetch = finished(begin(workspace, editor))
    assert (fetch.state, fetch.error) == (State.SUCCEEDED, "") and fetch.commit == SHA
    assert fetch.findings["files"] == 1 and fetch.findings["licence"] == "cc0-1.0"
    upload = fetch.upload
    assert upload is not None and upload.dataset_name == "tickets" and not upload.ready
    assert upload.reader == "columns" and upload.findings["hub"]["commit"] == SHA
    assert ingest.source_path(upload).exists()
    assert list((data_root / "scratch").glob("import-hub-*")) == []
    assert AuditEvent.objects.filter(verb="fetched", subject="bank/tickets").exists()


def test_a_fetched_dataset_is_imported_like_any_other(reachable: None, workspace: Workspace, editor: User) -> None:
    publish()
    upload = finished(begin(workspace, editor, name="Bank")).upload
    assert upload is not None
    params = ingest.parse_params(upload.reader, upload.params)
    ingest.start(upload, reader=upload.reader, params=params, good_rows_only=False)
    ingest.run_upload(upload.pk)
    upload.refresh_from_db()
    assert upload.state == State.SUCCEEDED and upload.version is not None and upload.version.rows == 3
    assert SHA[:12] in upload.version.summary["file"]


def test_a_hub_that_refuses_fails_the_job_in_words_and_it_can_be_tried_again(
    reachable: None, workspace: Workspace, editor: User
) -> None:
    fetch = finished(begin(workspace, editor))
    assert fetch.state == State.FAILED and "knows no dataset" in fetch.error and fetch.action
    publish()
    assert fetch.retry()
    assert finished(fetch).state == State.SUCCEEDED
    assert Upload.objects.count() == 1


def test_a_cancelled_download_keeps_nothing(
    reachable: None, workspace: Workspace, editor: User, data_root: Path
) -> None:
    publish()
    fetch = begin(workspace, editor)
    claimed = HubFetch.claim(fetch.pk)
    assert claimed is not None
    HubFetch.objects.get(pk=fetch.pk).request_cancel()
    hub_fetches._conclude(claimed, data_root)
    fetch.refresh_from_db()
    assert fetch.state == State.CANCELLED and Upload.objects.count() == 0


def test_a_download_that_two_workers_hear_of_is_done_once(reachable: None, workspace: Workspace, editor: User) -> None:
    publish()
    fetch = finished(begin(workspace, editor))
    asked = len(Hub.asked)
    hub_fetches.run(fetch.pk)
    assert len(Hub.asked) == asked and Upload.objects.count() == 1


def test_what_is_no_dataset_makes_no_job(workspace: Workspace, editor: User) -> None:
    with pytest.raises(ReaderError):
        begin(workspace, editor, repo="../etc")
    assert HubFetch.objects.count() == 0

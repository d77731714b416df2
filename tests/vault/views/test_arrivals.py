from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from studio.jobs import State
from studio.models import Workspace
from vault import arrivals, ingest
from vault.models import DatasetVersion, Upload
from vault.store import DiskFull

ROOT = "/w/lab/vault/arrivals/"
NEW = "/w/lab/vault/upload/"
CSV = b"text,label\nWhere is my card?,card_arrival\nTop up failed,top_up\n"


def begin(client: Client, data: bytes = CSV, **how: Any) -> dict[str, Any]:
    answer = client.post(ROOT, {"name": "rows.csv", "size": len(data), "mark": "1", **how})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def send(client: Client, url: str, offset: int, data: bytes, *, checksum: int | None = None) -> Any:
    sum_ = zlib.crc32(data) if checksum is None else checksum
    return client.post(f"{url}?offset={offset}&crc32={sum_:x}", data, content_type="application/octet-stream")


def test_a_file_sent_in_pieces_becomes_a_draft_once(
    editor_client: Client, workspace: Workspace, data_root: Path
) -> None:
    place = begin(editor_client)
    assert (place["received"], place["piece"]) == (0, arrivals.PIECE)
    assert send(editor_client, place["url"], 0, CSV[:20]).json()["received"] == 20
    assert editor_client.get(place["url"]).json()["received"] == 20
    assert begin(editor_client)["received"] == 20
    assert "20 B of" in editor_client.get(NEW).text.replace("\u202f", " ").replace("\xa0", " ")
    assert send(editor_client, place["url"], 20, CSV[20:]).json()["received"] == len(CSV)
    form = {"name": "Tickets", "arrived": [place["id"]]}
    first = editor_client.post(NEW, form)
    second = editor_client.post(NEW, form)
    upload = Upload.objects.get()
    assert first.status_code == 302 and second["Location"] == first["Location"] == f"/w/lab/vault/uploads/{upload.pk}/"
    assert ingest.source_path(upload).read_bytes() == CSV and upload.findings["lines"] == 3
    assert list((data_root / "scratch" / "arriving").iterdir()) == []


def test_pieces_out_of_place_or_spoilt_are_told_so(editor_client: Client, workspace: Workspace) -> None:
    url = begin(editor_client)["url"]
    early = send(editor_client, url, 20, CSV[20:])
    assert (early.status_code, early.json()["received"]) == (409, 0)
    spoilt = send(editor_client, url, 0, CSV, checksum=5)
    assert spoilt.status_code == 422 and "changed on the way" in spoilt.json()["error"]
    assert send(editor_client, url, 0, CSV + b"x").status_code == 422
    assert editor_client.post(url, CSV, content_type="application/octet-stream").status_code == 400
    assert send(editor_client, url, 0, b"x" * (arrivals.PIECE + 1)).status_code == 422
    assert editor_client.get(url).json()["received"] == 0


def test_a_file_that_can_not_come_is_refused_in_words(
    editor_client: Client, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert editor_client.post(ROOT, {"name": "x", "size": "-1"}).status_code == 400
    assert editor_client.post(ROOT, {"name": "x", "size": "0"}).json()["error"].startswith("x is empty")
    large = editor_client.post(ROOT, {"name": "x", "size": str(10**13)})
    assert large.status_code == 422 and "too large" in large.json()["error"]
    url = begin(editor_client)["url"]

    def full(*_: Any, **__: Any) -> int:
        raise DiskFull

    monkeypatch.setattr(arrivals, "append", full)
    answer = send(editor_client, url, 0, CSV)
    assert answer.status_code == 507 and "Free some space" in answer.json()["action"]


def test_what_arrived_can_be_discarded(editor_client: Client, workspace: Workspace) -> None:
    url = begin(editor_client)["url"]
    page = editor_client.post(f"{url}discard/", follow=True)
    assert "was deleted" in page.text and editor_client.get(url).status_code == 404
    assert send(editor_client, url, 0, CSV).status_code == 404


def test_only_its_owner_can_send_or_ask(
    editor_client: Client,
    viewer_client: Client,
    stranger_client: Client,
    owner: User,
    sign_in: Any,
    workspace: Workspace,
) -> None:
    url = begin(editor_client)["url"]
    assert viewer_client.post(ROOT, {"name": "x", "size": "5"}).status_code == 403
    assert viewer_client.get(url).status_code == 403
    assert stranger_client.post(ROOT, {"name": "x", "size": "5"}).status_code == 404
    assert stranger_client.get(url).status_code == 404
    assert sign_in(owner).get(url).status_code == 404


def test_a_form_whose_files_are_gone_says_so(editor_client: Client, workspace: Workspace) -> None:
    page = editor_client.post(NEW, {"name": "x", "arrived": ["0" * 32]})
    assert page.status_code == 422 and "not here any more" in page.text


def test_a_refused_file_is_not_offered_again(editor_client: Client, workspace: Workspace) -> None:
    data = b"%PDF-1.7 x"
    place = begin(editor_client, data)
    send(editor_client, place["url"], 0, data)
    page = editor_client.post(NEW, {"name": "x", "arrived": [place["id"]]})
    assert page.status_code == 422 and "PDF" in page.text and "On the way" not in page.text


def test_two_files_one_dataset_each_can_share_a_mapping(editor_client: Client, workspace: Workspace) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    files = [SimpleUploadedFile(name, CSV) for name in ("a.csv", "b.csv")]
    editor_client.post(NEW, {"name": "", "together": "each", "file": files})
    first, second = Upload.objects.order_by("created_at")
    assert (
        "Import the other 1\u202ffile" in (page := editor_client.get(f"/w/lab/vault/uploads/{first.pk}/").text)
        or "Import the other" in page
    )
    form = {"reader": "columns", "typed": "columns", "prompt": "{text}", "completion": "label", "header": "on"}
    answer = editor_client.post(f"/w/lab/vault/uploads/{first.pk}/start/", {**form, "also_others": "on"})
    assert answer["Location"] == f"/w/lab/vault/uploads/{first.pk}/"
    for upload in (first, second):
        ingest.run_upload(upload.pk)
        upload.refresh_from_db()
        assert upload.state == State.SUCCEEDED
    assert {v.dataset.name for v in DatasetVersion.objects.all()} == {"a", "b"}


def test_the_next_file_asks_for_its_mapping_when_it_is_not_shared(editor_client: Client, workspace: Workspace) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    files = [SimpleUploadedFile("a.csv", CSV), SimpleUploadedFile("b.csv", b"words\nx\n")]
    editor_client.post(NEW, {"name": "", "together": "each", "file": files})
    first, second = Upload.objects.order_by("created_at")
    form = {"reader": "columns", "typed": "columns", "prompt": "{text}", "header": "on"}
    answer = editor_client.post(f"/w/lab/vault/uploads/{first.pk}/start/", {**form, "also_others": "on"}, follow=True)
    assert answer.redirect_chain[-1][0] == f"/w/lab/vault/uploads/{second.pk}/"
    assert "does not fit b.csv" in answer.text
    second.refresh_from_db()
    assert not second.ready


def test_problems_can_be_taken_away_before_the_import(editor_client: Client, workspace: Workspace) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    editor_client.post(NEW, {"name": "T", "file": SimpleUploadedFile("a.csv", CSV + b"ragged\n" * 300)})
    upload = Upload.objects.get()
    page = editor_client.get(f"/w/lab/vault/uploads/{upload.pk}/").text
    assert "preview/problems.csv" in page
    answer = editor_client.get(f"/w/lab/vault/uploads/{upload.pk}/preview/problems.csv")
    lines = b"".join(answer.streaming_content).decode().splitlines()
    assert len(lines) == 301 and lines[1].startswith('a.csv,4,,"The line has 1 field')
    assert not ingest.problems_path(upload).exists()

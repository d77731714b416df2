from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.test import Client
from pytest_django.fixtures import Settings

from studio.jobs import State
from studio.models import Workspace
from vault import ingest, uploads
from vault.models import DatasetVersion, Upload

NEW = "/w/lab/vault/upload/"
HX = {"HX-Request": "true"}
GOOD = "text,label,city\nWhere is my card?,card_arrival,Rome\nTop up failed,top_up,Oslo\n"
BAD = GOOD + "ragged\n"


def send(client: Client, content: str | bytes, *, name: str = "rows.csv", dataset: str = "Tickets") -> Any:
    """Upload a file through the form."""
    data = content.encode() if isinstance(content, str) else content
    return client.post(NEW, {"name": dataset, "file": SimpleUploadedFile(name, data)})


@pytest.fixture
def draft(editor_client: Client) -> Callable[..., Upload]:
    """``draft(content)``: an upload that waits for its mapping."""

    def make(content: str = GOOD, **how: Any) -> Upload:
        assert send(editor_client, content, **how).status_code == 302
        return Upload.objects.get()

    return make


def url(upload: Upload, part: str = "") -> str:
    return f"/w/lab/vault/uploads/{upload.pk}/{part}"


def typed(**values: Any) -> dict[str, Any]:
    """The mapping form as a browser sends it."""
    return {
        "reader": "columns",
        "typed": "columns",
        "prompt": "{text}",
        "completion": "label",
        "header": "on",
        **values,
    }


# --- choosing a file ---------------------------------------------------------------------------------------------------


def test_the_upload_page_takes_a_name_from_the_address(editor_client: Client) -> None:
    page = editor_client.get(NEW, {"name": "Tickets"})
    assert page.status_code == 200 and 'value="Tickets"' in page.text and 'type="file"' in page.text


def test_a_file_becomes_a_draft_with_its_hash_size_and_guess(draft: Callable[..., Upload], editor: User) -> None:
    import hashlib

    upload = draft()
    assert (upload.state, upload.ready, upload.created_by) == (State.PENDING, False, editor)
    assert upload.sha256 == hashlib.sha256(GOOD.encode()).hexdigest() and upload.size == len(GOOD)
    assert upload.findings["lines"] == 3 and upload.reader == "columns" and upload.params["prompt"] == "{text}"
    assert ingest.source_path(upload).read_text() == GOOD


def test_without_a_name_the_file_names_the_dataset(editor_client: Client) -> None:
    send(editor_client, GOOD, name="bank tickets.csv", dataset="")
    assert Upload.objects.get().dataset_name == "bank tickets"


@pytest.mark.parametrize(
    "content,message",
    [
        (b"", "is empty"),
        (b"\n \n", "is empty: it holds no rows"),
        (b"PK\x03\x04" + b"\0" * 50, "archive"),
        (b"%PDF-1.4 x", "PDF document"),
        (b'{"a": [1, 2], "b": [3, 4]}', "column by column"),
    ],
)
def test_a_file_that_can_not_be_used_is_explained_and_not_kept(
    editor_client: Client, data_root: Path, content: bytes, message: str
) -> None:
    page = send(editor_client, content)
    assert page.status_code == 422 and message in page.text
    assert Upload.objects.count() == 0
    assert [p for p in (data_root / "scratch").rglob("*") if p.is_file()] == []


def test_a_form_without_a_file_says_so(editor_client: Client) -> None:
    page = editor_client.post(NEW, {"name": "x"})
    assert page.status_code == 422 and "Choose a file with rows" in page.text


def test_a_file_over_the_limit_is_refused_with_both_numbers(
    editor_client: Client, settings: Settings, data_root: Path
) -> None:
    settings.MAX_UPLOAD_BYTES = 1_000_000
    page = send(editor_client, b"text\n" + b"x" * 2_000_000)
    assert page.status_code == 422 and "The file is too large: 2 MB arrived, and the limit is 1 MB" in page.text
    assert "STUDIO_MAX_UPLOAD_MB" in page.text and list((data_root / "scratch" / "uploads").iterdir()) == []


def test_a_file_larger_than_the_free_disk_is_refused_before_it_is_written(
    editor_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage(NamedTuple):
        total: int
        used: int
        free: int

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9, uploads.SPARE))
    page = send(editor_client, GOOD)
    assert page.status_code == 422 and "The disk is full" in page.text and "Free some space" in page.text


def test_a_disk_that_fills_during_the_upload_is_explained(
    editor_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Any, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(TemporaryUploadedFile, "write", full, raising=False)
    page = send(editor_client, GOOD)
    assert page.status_code == 422 and "The disk is full" in page.text
    assert Upload.objects.count() == 0


# --- mapping -----------------------------------------------------------------------------------------------------------


def test_the_mapping_page_shows_columns_counts_and_rows(editor_client: Client, draft: Callable[..., Upload]) -> None:
    page = editor_client.get(url(draft()))
    assert page.status_code == 200
    for text in ("{text}", "{label}", "{city}", "Where is my card?", "becomes the new dataset Tickets", "Import rows"):
        assert text in page.text


def test_the_name_of_a_known_dataset_announces_its_next_version(
    editor_client: Client, draft: Callable[..., Upload], version: DatasetVersion
) -> None:
    assert "becomes the next version of Tickets" in editor_client.get(url(draft())).text


def test_the_preview_follows_the_mapping_and_comes_alone_for_htmx(
    editor_client: Client, draft: Callable[..., Upload]
) -> None:
    page = editor_client.get(url(draft(), "preview/"), typed(prompt="In {city}: {text}"), headers=HX)
    assert page.text.strip().startswith('<section class="stack" id="preview"') and "<html" not in page.text
    assert "In Rome: Where is my card?" in page.text
    assert "<html" in editor_client.get(url(Upload.objects.get(), "preview/"), typed()).text


@pytest.mark.parametrize(
    "values,message",
    [
        ({"prompt": "{txt}"}, "There is no column &#x27;txt&#x27;. Did you mean &#x27;text&#x27;?"),
        ({"prompt": "no column"}, "at least one {column}"),
        ({"completion": "zzz"}, "There is no column &#x27;zzz&#x27;"),
        ({"encoding": "klingon"}, "Input should be"),
    ],
)
def test_a_wrong_mapping_is_shown_and_not_started(
    editor_client: Client, draft: Callable[..., Upload], values: dict[str, str], message: str
) -> None:
    upload = draft()
    assert message in editor_client.get(url(upload, "preview/"), typed(**values), headers=HX).text
    page = editor_client.post(url(upload, "start/"), typed(**values))
    assert page.status_code == 422 and message in page.text
    upload.refresh_from_db()
    assert not upload.ready


def test_problems_are_listed_with_line_and_reason(editor_client: Client, draft: Callable[..., Upload]) -> None:
    text = editor_client.get(url(draft(BAD))).text
    assert "1\u202frow can" in text or "1 row can" in text
    assert "The line has 1 field, but there are 3 columns." in text and "Import the good rows only" in text


def test_html_in_a_file_is_text_in_the_preview(editor_client: Client, draft: Callable[..., Upload]) -> None:
    text = editor_client.get(url(draft("text,label\n<img src=x onerror=alert(1)>,<b>x</b>\n"))).text
    assert "<img src=x" not in text and "<b>x</b>" not in text and "&lt;img src=x" in text


def test_another_format_can_be_chosen(editor_client: Client, draft: Callable[..., Upload]) -> None:
    upload = draft('{"prompt": "q", "completion": "a"}\n')
    assert upload.reader == "prompt_completion"
    text = editor_client.get(url(upload), {"reader": "columns"}).text
    assert "{prompt}" in text and "{completion}" in text
    assert editor_client.get(url(upload), {"reader": "nonsense"}).status_code == 200


def test_a_file_that_vanished_is_explained(editor_client: Client, draft: Callable[..., Upload]) -> None:
    upload = draft()
    ingest.discard(upload)
    page = editor_client.get(url(upload))
    assert page.status_code == 200 and "not on this machine any more" in page.text


def test_discarding_a_draft_deletes_its_file(editor_client: Client, draft: Callable[..., Upload]) -> None:
    upload = draft()
    source = ingest.source_path(upload)
    page = editor_client.post(url(upload, "cancel/"))
    assert page.status_code == 302 and page["Location"] == "/w/lab/vault/"
    upload.refresh_from_db()
    assert upload.state == State.CANCELLED and not source.exists()


# --- importing ---------------------------------------------------------------------------------------------------------


def test_start_hands_the_upload_to_a_worker_once(editor_client: Client, draft: Callable[..., Upload]) -> None:
    upload = draft()
    for _ in range(2):
        page = editor_client.post(url(upload, "start/"), typed(tags=["city", "label"]))
        assert page.status_code == 302 and page["Location"] == url(upload)
    upload.refresh_from_db()
    assert upload.ready and upload.params["tags"] == ["city", "label"] and not upload.good_rows_only


def test_progress_polls_while_it_runs_and_stops_when_it_is_done(
    editor_client: Client, draft: Callable[..., Upload]
) -> None:
    upload = draft()
    editor_client.post(url(upload, "start/"), typed())
    waiting = editor_client.get(url(upload), headers=HX)
    assert "every 1s" in waiting.text and "<html" not in waiting.text
    ingest.run_upload(upload.pk)
    done = editor_client.get(url(upload), headers=HX)
    assert "every 1s" not in done.text and "/w/lab/vault/datasets/tickets/v1/" in done.text
    assert "<html" in editor_client.get(url(upload)).text


def test_a_running_import_shows_its_progress_and_can_be_cancelled(
    editor_client: Client, draft: Callable[..., Upload]
) -> None:
    upload = draft()
    editor_client.post(url(upload, "start/"), typed())
    claimed = Upload.claim(upload.pk)
    assert claimed is not None
    claimed.heartbeat(progress_done=1200, progress_total=5000, progress_unit="lines", progress_note="Reading rows")
    text = editor_client.get(url(upload)).text
    assert "Reading rows" in text and "1\u202f200" in text and "5\u202f000" in text and url(upload, "cancel/") in text
    editor_client.post(url(upload, "cancel/"))
    claimed.refresh_from_db()
    assert claimed.state == State.RUNNING and claimed.cancel_requested_at is not None


def test_a_running_import_is_seen_from_every_page(editor_client: Client, draft: Callable[..., Upload]) -> None:
    upload = draft()
    assert url(upload) not in editor_client.get("/w/lab/activity/").text
    editor_client.post(url(upload, "start/"), typed())
    Upload.claim(upload.pk)
    text = editor_client.get("/w/lab/activity/").text
    assert url(upload) in text and "Import · rows.csv" in text and "Idle" not in text


def test_refused_lines_wait_for_the_users_word_and_are_browsable(
    editor_client: Client, draft: Callable[..., Upload]
) -> None:
    upload = draft(BAD)
    editor_client.post(url(upload, "start/"), typed())
    ingest.run_upload(upload.pk)
    text = editor_client.get(url(upload)).text
    assert "1 of 3 rows can" in text and url(upload, "accept/") in text and "every 1s" not in text
    listed = editor_client.get(url(upload, "problems/"))
    assert "The line has 1 field" in listed.text and "ragged" in listed.text
    assert editor_client.post(url(upload, "accept/")).status_code == 302
    ingest.run_upload(upload.pk)
    upload.refresh_from_db()
    assert upload.state == State.SUCCEEDED and upload.version is not None and upload.version.rows == 2
    assert editor_client.post(url(upload, "accept/"), follow=True).status_code == 200


def test_good_rows_only_can_be_said_in_the_preview(editor_client: Client, draft: Callable[..., Upload]) -> None:
    upload = draft(BAD)
    editor_client.post(url(upload, "start/"), typed(good_rows_only="on"))
    ingest.run_upload(upload.pk)
    upload.refresh_from_db()
    assert upload.state == State.SUCCEEDED


def test_a_failed_import_can_be_tried_again(editor_client: Client, draft: Callable[..., Upload]) -> None:
    upload = draft()
    editor_client.post(url(upload, "start/"), typed())
    source = ingest.source_path(upload)
    aside = source.rename(source.with_suffix(".aside"))
    ingest.run_upload(upload.pk)
    text = editor_client.get(url(upload)).text
    assert "is gone" in text and url(upload, "retry/") in text
    aside.rename(source)
    editor_client.post(url(upload, "retry/"))
    ingest.run_upload(upload.pk)
    upload.refresh_from_db()
    assert upload.state == State.SUCCEEDED


def test_a_failed_import_can_be_dismissed_and_waits_for_nobody_any_more(
    editor_client: Client, draft: Callable[..., Upload], data_root: Path, workspace: Workspace
) -> None:
    upload = draft("text,label\nonly\n")
    editor_client.post(url(upload, "start/"), typed(good_rows_only="on"))
    ingest.run_upload(upload.pk)
    assert url(upload, "dismiss/") in editor_client.get(url(upload)).text
    assert url(upload) in editor_client.get("/w/lab/").text
    page = editor_client.post(url(upload, "dismiss/"), follow=True)
    assert page.status_code == 200 and "was dismissed" in page.text
    assert url(upload) not in page.text and url(upload) not in editor_client.get("/w/lab/").text
    assert Upload.objects.count() == 0 and list((data_root / "scratch").glob("upload-*")) == []


def test_only_a_failed_import_can_be_dismissed(editor_client: Client, draft: Callable[..., Upload]) -> None:
    upload = draft()
    assert editor_client.post(url(upload, "dismiss/")).status_code == 302
    assert Upload.objects.count() == 1 and ingest.source_path(upload).exists()


def test_the_progress_names_its_poll_once(editor_client: Client, draft: Callable[..., Upload]) -> None:
    upload = draft()
    Upload.objects.update(ready=True)
    assert editor_client.get(url(upload), headers=HX).text.count("hx-ptag") == 1


def test_problem_pages_follow_each_other(editor_client: Client, draft: Callable[..., Upload]) -> None:
    upload = draft(GOOD + "ragged\n" * 150)
    editor_client.post(url(upload, "start/"), typed())
    ingest.run_upload(upload.pk)
    assert "start=100" in editor_client.get(url(upload, "problems/")).text
    second = editor_client.get(url(upload, "problems/"), {"start": "100"}).text
    assert "start=0" in second and "start=200" not in second
    assert editor_client.get(url(upload, "problems/"), {"start": "x"}).status_code == 200


def test_no_problems_is_an_empty_state(editor_client: Client, draft: Callable[..., Upload]) -> None:
    assert "No line was refused" in editor_client.get(url(draft(), "problems/")).text


# --- who may -----------------------------------------------------------------------------------------------------------


def test_a_viewer_may_watch_but_not_touch(viewer_client: Client, draft: Callable[..., Upload]) -> None:
    upload = draft()
    assert viewer_client.get(NEW).status_code == 403
    assert send(viewer_client, GOOD).status_code == 403
    assert viewer_client.get(url(upload, "preview/")).status_code == 403
    for part in ("start/", "accept/", "cancel/", "retry/", "dismiss/"):
        assert viewer_client.post(url(upload, part)).status_code == 403
    page = viewer_client.get(url(upload))
    assert page.status_code == 200 and "has not mapped this file yet" in page.text


def test_a_stranger_gets_404(stranger_client: Client, draft: Callable[..., Upload], workspace: Workspace) -> None:
    upload = draft()
    for part in ("", "preview/", "problems/"):
        assert stranger_client.get(url(upload, part)).status_code == 404
        assert stranger_client.get(url(upload, part).replace("/lab/", "/elsewhere/")).status_code == 404
    assert stranger_client.post(url(upload, "start/")).status_code == 404
    assert send(stranger_client, GOOD).status_code == 404


def test_changes_need_a_post(editor_client: Client, draft: Callable[..., Upload]) -> None:
    upload = draft()
    for part in ("start/", "accept/", "cancel/", "retry/", "dismiss/"):
        assert editor_client.get(url(upload, part)).status_code == 405

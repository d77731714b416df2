from __future__ import annotations

import csv
import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client

from studio.models import AuditEvent, Workspace
from vault import ingest, store
from vault.exporters import ROW_EXPORTERS
from vault.ingest import import_file
from vault.models import DatasetVersion, Upload
from vault.problems import ProblemLog
from vault.readers.base import RowError
from vault.rows import read_rows

URL = "/w/lab/vault/datasets/tickets/v1/download/"


def body(response: object) -> str:
    """The whole streamed answer."""
    return b"".join(response.streaming_content).decode()  # type: ignore[attr-defined]


def test_json_lines_come_back_as_the_same_rows(
    viewer_client: Client, version: DatasetVersion, workspace: Workspace, tmp_path: Path
) -> None:
    page = viewer_client.get(URL + "jsonl/")
    assert page["Content-Disposition"] == 'attachment; filename="tickets-v1.jsonl"'
    path = tmp_path / "back.jsonl"
    path.write_text(body(page))
    again = import_file(path, workspace=workspace, name="Back")
    before, after = (list(read_rows(store.path(v.artifact))) for v in (version, again))
    for row in (*before, *after):
        row.meta.pop("source")
    assert after == before


def test_csv_holds_every_row_and_no_formula(viewer_client: Client, version: DatasetVersion) -> None:
    rows = list(csv.DictReader(io.StringIO(body(viewer_client.get(URL + "csv/")), newline="")))
    assert len(rows) == 60
    assert rows[2]["prompt"] == '\'=HYPERLINK("http://x")'
    assert rows[3]["prompt"] == "مرحبا 👋" and rows[3]["completion"] == ""
    assert rows[0]["system"] == "Sort." and rows[0]["tags"] == '["Rome"]'
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row.values())


def test_an_unknown_format_is_404(viewer_client: Client, version: DatasetVersion) -> None:
    assert viewer_client.get(URL + "exe/").status_code == 404


def test_problems_are_a_csv_file_too(viewer_client: Client, workspace: Workspace) -> None:
    upload = Upload.objects.create(workspace=workspace, dataset_name="x", file_name="=x.csv", ready=False)
    with ProblemLog(ingest.problems_path(upload)) as log:
        log.add(RowError(3, "text", "There is no prompt.", "@SUM(1)"))
    rows = list(csv.reader(io.StringIO(body(viewer_client.get(f"/w/lab/vault/uploads/{upload.pk}/problems.csv")))))
    assert rows == [
        ["file", "line", "column", "reason", "text"],
        ["'=x.csv", "3", "text", "There is no prompt.", "'@SUM(1)"],
    ]


def test_a_stranger_gets_404(stranger_client: Client, version: DatasetVersion, workspace: Workspace) -> None:
    upload = Upload.objects.create(workspace=workspace, dataset_name="x", file_name="x.csv", ready=False)
    assert stranger_client.get(URL + "csv/").status_code == 404
    assert stranger_client.get(f"/w/lab/vault/uploads/{upload.pk}/problems.csv").status_code == 404


EXPORT = "/w/lab/vault/datasets/tickets/v1/export/"
FORBID = {"training": "no", "redistribution": "no", "text": "Customers did not agree."}


def test_csv_edited_in_a_spreadsheet_comes_back_as_the_same_rows(
    viewer_client: Client, version: DatasetVersion, workspace: Workspace, tmp_path: Path
) -> None:
    path = tmp_path / "back.csv"
    path.write_bytes(b"".join(viewer_client.get(URL + "csv/").streaming_content))  # type: ignore[attr-defined]
    again = import_file(path, workspace=workspace, name="Back")
    before, after = (list(read_rows(store.path(v.artifact))) for v in (version, again))
    for row in (*before, *after):
        row.meta.clear()
    assert after == before


def test_the_export_page_offers_every_format_and_tells_the_terms(
    viewer_client: Client, version: DatasetVersion
) -> None:
    page = viewer_client.get(EXPORT)
    assert page.status_code == 200
    for wanted in ROW_EXPORTERS:
        assert f"{URL}{wanted}/" in page.text
    assert "Terms not known" in page.text and "State the rights" not in page.text


def test_a_zip_has_its_name_and_the_trail_its_event(viewer_client: Client, version: DatasetVersion) -> None:
    page = viewer_client.get(URL + "alpaca/", {"zip": "1"})
    assert page["Content-Disposition"] == 'attachment; filename="tickets-v1.alpaca.zip"'
    names = zipfile.ZipFile(io.BytesIO(b"".join(page.streaming_content))).namelist()  # type: ignore[attr-defined]
    assert names == ["tickets-v1.alpaca.jsonl", "README.md"]
    event = AuditEvent.objects.get(verb="exported")
    assert event.details == {"format": "alpaca", "rows": 60, "zip": True} and event.actor == "viewer-of-lab"


def test_a_file_that_would_lose_rows_comes_as_a_zip(
    viewer_client: Client, version: DatasetVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vault.exports.COUNTED_ROWS", 10)
    assert viewer_client.get(URL + "jsonl/").status_code == 200
    assert viewer_client.get(URL + "alpaca/").url == URL + "alpaca/?zip=1"  # type: ignore[attr-defined]


def test_forbidden_rows_are_refused_until_an_owner_gives_a_reason(
    editor_client: Client,
    viewer_client: Client,
    version: DatasetVersion,
    owner: User,
    sign_in: Callable[[User], Client],
) -> None:
    assert viewer_client.post(EXPORT + "rights/", FORBID).status_code == 403
    assert editor_client.post(EXPORT + "rights/", {**FORBID, "text": ""}).status_code == 422
    assert editor_client.post(EXPORT + "rights/", FORBID).url == EXPORT  # type: ignore[attr-defined]
    refused = viewer_client.get(URL + "jsonl/")
    assert refused.status_code == 403 and "Customers did not agree." in refused.text
    assert viewer_client.get(URL + "csv/", {"zip": "1"}).status_code == 403
    assert editor_client.post(EXPORT + "override/", {"reason": "We need it a lot."}).status_code == 403
    owner_client = sign_in(owner)
    assert (
        "Allow the export" in owner_client.get(EXPORT).text and "Allow the export" not in editor_client.get(EXPORT).text
    )
    owner_client.post(EXPORT + "override/", {"reason": "short"})
    assert viewer_client.get(URL + "jsonl/").status_code == 403
    owner_client.post(EXPORT + "override/", {"reason": "The court asked for it."})
    assert viewer_client.get(URL + "jsonl/").status_code == 200
    assert "The court asked for it." in viewer_client.get(EXPORT).text


def test_a_statement_can_be_withdrawn(editor_client: Client, version: DatasetVersion) -> None:
    editor_client.post(EXPORT + "rights/", FORBID)
    editor_client.post(EXPORT + "rights/", {"withdraw": "1"})
    assert editor_client.get(URL + "jsonl/").status_code == 200


def test_a_stranger_sees_no_export(stranger_client: Client, version: DatasetVersion) -> None:
    assert stranger_client.get(EXPORT).status_code == 404
    for path in ("rights/", "override/"):
        assert stranger_client.post(EXPORT + path).status_code == 404


def test_lost_files_are_explained_on_the_export_page(viewer_client: Client, version: DatasetVersion) -> None:
    shutil.rmtree(store.folder_of(version.artifact.sha256))
    page = viewer_client.get(EXPORT)
    assert page.status_code == 503 and "not in the data folder" in page.text
    assert viewer_client.get(URL + "jsonl/").status_code == 503

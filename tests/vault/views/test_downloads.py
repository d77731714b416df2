from __future__ import annotations

import csv
import io
from pathlib import Path

from django.test import Client

from studio.models import Workspace
from vault import ingest, store
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
    assert rows[0]["system"] == "Sort." and rows[0]["tags"] == "Rome"
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

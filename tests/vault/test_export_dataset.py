from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from vault import rights
from vault.models import DatasetVersion


def test_a_version_is_written_to_a_file(version: DatasetVersion, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    call_command("export_dataset", "lab/tickets", out=out)
    lines = out.read_text().splitlines()
    assert len(lines) == 60 and json.loads(lines[0])["completion"]["content"] == "card_arrival"


def test_a_version_is_written_to_the_standard_output(version: DatasetVersion) -> None:
    out = io.StringIO()
    call_command("export_dataset", "lab/tickets@1", format="csv", stdout=out)
    assert out.getvalue().startswith("id,system,prompt,completion,reference,tags,messages\r\n")


@pytest.mark.parametrize(
    "name,message",
    [
        ("tickets", "is not WORKSPACE/DATASET"),
        ("lab/tickts", "Did you mean 'lab/tickets'"),
        ("lab/tickets@9", "has no version '9'. Versions: 1."),
        ("lab/tickets@x", "has no version 'x'"),
    ],
)
def test_a_wrong_name_is_answered_with_near_ones(version: DatasetVersion, name: str, message: str) -> None:
    with pytest.raises(CommandError) as caught:
        call_command("export_dataset", name)
    assert message in str(caught.value)


def test_a_file_that_can_not_be_written_is_a_clear_error(version: DatasetVersion, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="can't be written"):
        call_command("export_dataset", "lab/tickets", out=tmp_path / "no" / "folder.jsonl")


def test_every_format_can_be_written(version: DatasetVersion, tmp_path: Path) -> None:
    for wanted in ("parquet", "alpaca", "openai"):
        call_command("export_dataset", "lab/tickets", format=wanted, out=tmp_path / wanted)
        assert (tmp_path / wanted).stat().st_size > 100
    call_command("export_dataset", "lab/tickets", zip=True, out=tmp_path / "x.zip")
    assert zipfile.ZipFile(tmp_path / "x.zip").namelist() == ["tickets-v1.jsonl", "README.md"]


def test_bytes_do_not_go_to_a_terminal(version: DatasetVersion) -> None:
    for options in ({"format": "parquet"}, {"zip": True}):
        with pytest.raises(CommandError, match="--out"):
            call_command("export_dataset", "lab/tickets", **options)


def test_terms_are_kept_and_overridden_with_a_reason(version: DatasetVersion, editor: User) -> None:
    rights.state(version.dataset, training="no", redistribution="no", text="Not agreed.", by=editor)
    with pytest.raises(CommandError, match="not allowed as stated"):
        call_command("export_dataset", "lab/tickets", stdout=io.StringIO())
    out = io.StringIO()
    call_command("export_dataset", "lab/tickets", override_terms="Asked by the court.", stdout=out)
    assert len(out.getvalue().splitlines()) == 60

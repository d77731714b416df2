from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

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

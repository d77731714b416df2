from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
import yaml
from django.contrib.auth.models import User

from studio.models import Workspace
from vault import cards, exports, rights
from vault.exporters import ROW_EXPORTERS
from vault.ingest import import_file
from vault.models import DatasetVersion
from vault.rows import Row, assistant, write_jsonl


@pytest.fixture
def mixed(workspace: Workspace, editor: User, tmp_path: Path) -> DatasetVersion:
    """Three rows, of which Alpaca can carry two; with a name that is Markdown."""
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    rows = [
        Row("a", [{"role": "user", "content": "q"}], assistant("x"), meta={"teacher": "openai", "model": "gpt-4o"}),
        Row("b", [{"role": "user", "content": "q2"}], assistant("y")),
        Row("c", [{"role": "user", "content": "q3"}], {"role": "assistant", "content": None, "tool_calls": [call]}),
    ]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    return import_file(tmp_path / "rows.jsonl", workspace=workspace, name="A | *b* <c>", user=editor)


@pytest.mark.parametrize("wanted", list(ROW_EXPORTERS))
def test_a_zip_holds_the_rows_and_their_card(version: DatasetVersion, wanted: str) -> None:
    archive = zipfile.ZipFile(io.BytesIO(b"".join(exports.zipped(version, wanted))))
    name = exports.file_name(version, wanted)
    assert archive.namelist() == [name, "README.md"] and archive.testzip() is None
    assert archive.read(name) == b"".join(exports.stream(version, wanted))
    assert name.startswith("tickets-v1.") and name.endswith(ROW_EXPORTERS[wanted].suffix)


def test_formats_of_one_suffix_have_names_of_their_own(version: DatasetVersion) -> None:
    names = [exports.file_name(version, wanted) for wanted in ROW_EXPORTERS]
    assert len(set(names)) == len(names) and "tickets-v1.trl-messages.jsonl" in names


def test_rows_that_do_not_fit_come_beside_with_their_reason(mixed: DatasetVersion) -> None:
    assert exports.left_out(mixed, "alpaca") == 1 and exports.left_out(mixed, "jsonl") == 0
    archive = zipfile.ZipFile(io.BytesIO(b"".join(exports.zipped(mixed, "alpaca"))))
    assert len(archive.read(exports.file_name(mixed, "alpaca")).splitlines()) == 2
    (line,) = archive.read("left-out.jsonl").splitlines()
    assert json.loads(line)["id"] == "c" and json.loads(line)["left_out"] == "A message calls tools."
    assert "1 rows are not in it" in archive.read("README.md").decode()


def test_the_card_has_a_head_statistics_provenance_and_terms(mixed: DatasetVersion) -> None:
    text = cards.card(mixed, rights.rights_of(mixed), wanted="jsonl", file="rows.jsonl")
    head = yaml.safe_load(text.split("---\n")[1])
    assert head["pretty_name"] == "A | *b* <c>" and head["size_categories"] == ["n<1K"]
    facts = head["distill_studio"]
    assert (facts["rows"], facts["answers"], facts["training"]) == (3, 3, "unknown")
    assert facts["sha256"] == mixed.artifact.sha256
    assert "# A \\| \\*b\\* \\<c\\>" in text
    for part in ("## Statistics", "## Provenance", "## Terms", "## The file", "OpenAI terms", "as of 2026-05-22"):
        assert part in text
    assert "| prompt, characters (median, 95th percentile, most) | 2, 2, 2 |" in text


def test_the_card_prints_a_statement_and_an_override(mixed: DatasetVersion, owner: User) -> None:
    rights.state(mixed.dataset, training="no", redistribution="no", text="Not [agreed](x).", by=owner)
    rights.override(mixed, reason="Only for our lawyers.", by=owner)
    text = cards.card(mixed, rights.rights_of(mixed), wanted="csv", file="x.csv")
    assert "Not \\[agreed\\](x)." in text and "Only for our lawyers." in text


def test_what_is_refused_is_not_written(mixed: DatasetVersion, owner: User) -> None:
    rights.state(mixed.dataset, training="no", redistribution="no", text="Not agreed.", by=owner)
    for write in (exports.stream, exports.zipped):
        with pytest.raises(rights.Refused):
            write(mixed, "jsonl")

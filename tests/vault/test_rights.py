from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import User

from studio.lib.errors import StudioError
from studio.models import AuditEvent, Workspace
from vault import rights
from vault.ingest import import_file
from vault.models import DatasetVersion
from vault.rights import TERMS, May, row_terms, terms_of, worst
from vault.rows import Row, assistant, write_jsonl


def version_of(workspace: Workspace, folder: Path, metas: list[dict[str, str]]) -> DatasetVersion:
    """A dataset with one answered row for each of these facts."""
    rows = [
        Row(f"r{n}", [{"role": "user", "content": f"q{n}"}], assistant("a"), meta=dict(meta))
        for n, meta in enumerate(metas)
    ]
    write_jsonl(folder / "rows.jsonl", rows)
    return import_file(folder / "rows.jsonl", workspace=workspace, name="Rows")


@pytest.mark.parametrize(
    ("teacher", "model", "name", "training"),
    [
        ("openai", "gpt-4.1-mini", "OpenAI terms", May.CONDITIONS),
        ("", "gpt-4o", "OpenAI terms", May.CONDITIONS),
        ("openai_compatible", "openai/gpt-oss-20b", "Apache 2.0 models", May.YES),
        ("anthropic", "claude-sonnet-4-5", "Anthropic commercial terms", May.CONDITIONS),
        ("openai_compatible", "meta-llama/Meta-Llama-3-8B-Instruct", "Llama 2 and Llama 3 licences", May.NO),
        ("openai_compatible", "meta-llama/Llama-2-70b-chat-hf", "Llama 2 and Llama 3 licences", May.NO),
        ("openai_compatible", "meta-llama/Llama-3.3-70B-Instruct", "Llama licences from 3.1 on", May.CONDITIONS),
        ("openai_compatible", "llama3.1:8b", "Llama licences from 3.1 on", May.CONDITIONS),
        ("openai_compatible", "Qwen/Qwen3-32B", "Apache 2.0 models", May.YES),
        ("openai_compatible", "qwen3-max", "not known", May.UNKNOWN),
        ("openai_compatible", "deepseek-ai/DeepSeek-R1", "MIT models", May.YES),
        ("openai_compatible", "gemini-2.5-pro", "Gemini API terms", May.CONDITIONS),
        ("openai_compatible", "TinyLlama-1.1B", "not known", May.UNKNOWN),
        ("recorded", "", "not known", May.UNKNOWN),
    ],
)
def test_the_terms_follow_from_teacher_and_model(teacher: str, model: str, name: str, training: May) -> None:
    found = row_terms({"teacher": teacher, "model": model})
    assert (found.name, found.training) == (name, training)


def test_every_entry_says_when_it_was_written_and_where_to_read() -> None:
    for terms in TERMS:
        assert terms.url.startswith("https://") and len(terms.as_of) == 10 and terms.note.endswith(".")
    assert terms_of(teacher="nobody", model="nothing").name == "not known"


def test_the_worst_decides() -> None:
    assert worst([May.YES, May.CONDITIONS]) is May.CONDITIONS
    assert worst([May.CONDITIONS, May.UNKNOWN]) is May.UNKNOWN
    assert worst([May.UNKNOWN, May.NO]) is May.NO
    assert worst([]) is May.UNKNOWN


def test_one_forbidden_row_keeps_a_version_in(workspace: Workspace, tmp_path: Path) -> None:
    llama = {"teacher": "openai_compatible", "model": "Meta-Llama-3-8B"}
    version = version_of(workspace, tmp_path, [{"teacher": "openai", "model": "gpt-4o"}] * 3 + [llama])
    found = rights.rights_of(version)
    assert found.refused and [(s.model, s.rows) for s in found.sources] == [("gpt-4o", 3), ("Meta-Llama-3-8B", 1)]
    with pytest.raises(rights.Refused, match="not allowed under the Llama 2 and Llama 3 licences"):
        rights.check_export(version)


def test_what_a_person_states_counts_for_more(workspace: Workspace, tmp_path: Path, editor: User) -> None:
    version = version_of(workspace, tmp_path, [{"model": "Meta-Llama-3-8B"}])
    with pytest.raises(StudioError, match="Say why"):
        rights.state(version.dataset, training="yes", redistribution="yes", text=" ", by=editor)
    with pytest.raises(StudioError, match="Choose"):
        rights.state(version.dataset, training="maybe", redistribution="yes", text="x", by=editor)
    rights.state(version.dataset, training="yes", redistribution="no", text="Our own contract.", by=editor)
    found = rights.check_export(DatasetVersion.objects.get(pk=version.pk))
    assert (found.training, found.redistribution) == (May.YES, May.NO) and found.needs_care
    assert found.statement is not None and found.statement.by == "editor-of-lab"
    rights.withdraw(version.dataset, by=editor)
    rights.withdraw(version.dataset, by=editor)
    assert rights.rights_of(DatasetVersion.objects.get(pk=version.pk)).refused
    assert list(AuditEvent.objects.filter(subject="Rows").values_list("verb", flat=True)) == [
        "stated the rights of",
        "withdrew the stated rights of",
    ]


def test_a_statement_can_forbid_too(workspace: Workspace, tmp_path: Path, editor: User) -> None:
    version = version_of(workspace, tmp_path, [{"model": "Qwen/Qwen3-8B"}])
    rights.state(version.dataset, training="no", redistribution="no", text="Customers did not agree.", by=editor)
    with pytest.raises(rights.Refused, match="as stated on the dataset"):
        rights.check_export(version)


def test_an_owner_overrides_one_version_with_a_reason(workspace: Workspace, tmp_path: Path, owner: User) -> None:
    version = version_of(workspace, tmp_path, [{"model": "Meta-Llama-3-8B"}])
    with pytest.raises(StudioError, match="needs its reason"):
        rights.override(version, reason="because", by=owner)
    rights.override(version, reason="The licensor agreed by letter.", by=owner)
    found = rights.check_export(version)
    assert found.override is not None and found.override["reason"] == "The licensor agreed by letter."
    event = AuditEvent.objects.get(verb="allowed an export against the terms of")
    assert event.details["reason"] == "The licensor agreed by letter."
    assert set(version.dataset.rights["override"]) == {"1"}

"""The dataset step: the version it settles on, what it says when there is none, and that it copies nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from pipelines.building import drafts
from pipelines.models import Run, StepRun
from pipelines.running import runs
from pipelines.running.context import StepContext
from pipelines.steps.dataset import Dataset, find_version
from studio.jobs import State
from studio.lib.errors import StepError
from studio.models import Workspace
from tests.pipelines.steps.desk import row
from vault import store
from vault.ingest import record_version
from vault.models import Artifact, DatasetVersion
from vault.rows import write_rows
from vault.scan import Tally


def add_version(workspace: Workspace, folder: Path, *texts: str) -> DatasetVersion:
    """The next version of the dataset ``Letters`` with a row for each text."""
    kept = write_rows(folder / f"rows-{len(texts)}", (row(text, "x") for text in texts))
    tally = Tally(kept=kept)
    return record_version(
        store.place(folder / f"rows-{kept}", kind="dataset"),
        workspace=workspace,
        name="Letters",
        user=None,
        file_name="letters.csv",
        sha256="0" * 64,
        tally=tally,
    )


def run_it(workspace: Workspace, **params: object) -> StepRun:
    """The only step of a finished run with one dataset node."""
    spec = {"schema": 1, "nodes": [{"id": "data", "step": "dataset", "params": {"dataset": "letters", **params}}]}
    pipeline = drafts.create(workspace, name="One step", spec=spec, user=None)
    run = runs.start_run(runs.freeze(pipeline, user=None), user=None)
    runs.run_to_end(run, pause=0.01)
    return Run.objects.get(pk=run.pk).steps.get()


def test_the_output_is_the_versions_own_artifact(workspace: Workspace, tmp_path: Path) -> None:
    version = add_version(workspace, tmp_path, "a", "b")
    step = run_it(workspace)
    assert step.state == State.SUCCEEDED, step.error
    assert step.outputs.get().artifact == version.artifact
    assert Artifact.objects.count() == 1
    assert store.verify(version.artifact) == []
    assert step.summary["headline"] == "2 rows from version 1 of dataset “letters”."


def test_latest_is_settled_when_the_step_starts_and_kept_with_the_run(workspace: Workspace, tmp_path: Path) -> None:
    add_version(workspace, tmp_path, "a")
    first = run_it(workspace)
    second_version = add_version(workspace, tmp_path, "a", "b")
    second = run_it(workspace)
    assert (first.facts["version"], second.facts["version"]) == (1, 2)
    assert second.facts["artifact"] == second_version.artifact.sha256
    assert not runs.sources_unchanged(first.run)
    assert runs.sources_unchanged(second.run)


def test_a_numbered_version_stays_that_version(workspace: Workspace, tmp_path: Path) -> None:
    first = add_version(workspace, tmp_path, "a")
    add_version(workspace, tmp_path, "a", "b")
    assert run_it(workspace, version=1).outputs.get().artifact == first.artifact


def test_an_unknown_dataset_is_told_with_its_neighbours(workspace: Workspace, tmp_path: Path) -> None:
    add_version(workspace, tmp_path, "a")
    with pytest.raises(StepError, match=r"no dataset “leters” in this workspace\. Did you mean 'letters'"):
        find_version("leters", None, workspace_id=workspace.pk)


def test_a_missing_version_names_the_latest(workspace: Workspace, tmp_path: Path) -> None:
    add_version(workspace, tmp_path, "a")
    step = run_it(workspace, version=7)
    assert step.state == State.FAILED
    assert step.error == "Dataset “letters” has no version 7; the latest is 1."


def test_a_dataset_of_another_workspace_is_not_seen(
    workspace: Workspace, other_workspace: Workspace, tmp_path: Path
) -> None:
    add_version(other_workspace, tmp_path, "a")
    with pytest.raises(StepError, match="It has none yet"):
        find_version("letters", None, workspace_id=workspace.pk)


def test_verifying_a_large_version_keeps_the_lease(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = add_version(workspace, tmp_path, "a", "b")
    monkeypatch.setattr("studio.lib.canonical.CHUNK", 16)
    beats: list[int] = []
    monkeypatch.setattr(StepContext, "beat", lambda self, force=False: beats.append(1))
    assert run_it(workspace).state == State.SUCCEEDED
    assert len(beats) >= version.artifact.size // 16


def test_damaged_rows_are_not_passed_on(workspace: Workspace, tmp_path: Path) -> None:
    version = add_version(workspace, tmp_path, "a")
    (store.path(version.artifact) / "rows.parquet").write_bytes(b"something else")
    step = run_it(workspace)
    assert step.state == State.FAILED
    assert "rows.parquet has changed" in step.error
    assert "backup" in step.action


def test_no_dataset_chosen_is_a_bad_parameter() -> None:
    with pytest.raises(ValidationError, match="Choose a dataset"):
        Dataset.Params(dataset=" ")

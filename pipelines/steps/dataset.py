"""Bring a version of a dataset into the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import field_validator

from pipelines.models import StepRun
from pipelines.steps import base
from pipelines.steps.base import Context, InputArtifact, Output, Port, StepResult
from studio.lib.errors import StepError
from studio.lib.params import BaseParams, param
from studio.lib.registry import close_matches
from vault import models as vault_models
from vault import store
from vault.models import Artifact, ArtifactKind, DatasetVersion


class Dataset(base.Step):
    """Gives the rows of one version of a dataset. The output is the version itself, not a copy of it.

    “Latest” is settled when the step starts: the version and its hash are kept with the run.
    """

    label = "Dataset"
    group = "Data"
    help = "Where rows come from: a file somebody uploaded, or a version made from one."
    queue = "io"
    outputs = {"rows": Port("dataset", "The rows of the version")}

    class Params(BaseParams):
        dataset: str = param(label="Dataset", help="One of this workspace's datasets.", widget="dataset", max_length=80)
        version: int | None = param(None, label="Version", help="Empty: the latest when the step starts.", ge=1)

        @field_validator("dataset")
        @classmethod
        def chosen(cls, dataset: str) -> str:
            if not dataset.strip():
                raise ValueError("Choose a dataset")
            return dataset

    def resolve(self, params: Params, *, workspace_id: Any) -> dict[str, Any]:
        """The version these params mean now, and the hash of its rows."""
        version = find_version(params.dataset, params.version, workspace_id=workspace_id)
        return {
            "dataset": version.dataset.slug,
            "version": version.number,
            "rows": version.rows,
            "artifact": version.artifact.sha256,
        }

    def run(self, ctx: Context, params: Params, inputs: Mapping[str, InputArtifact]) -> StepResult:
        # What was resolved a moment ago, not the latest now: the fingerprint speaks of that version.
        facts = StepRun.objects.values_list("facts", flat=True).get(pk=ctx.step_run_id)
        artifact = Artifact.objects.get(
            workspace_id=ctx.workspace_id, kind=ArtifactKind.DATASET, sha256=facts["artifact"]
        )
        name = f"version {facts['version']} of dataset “{facts['dataset']}”"
        if damage := store.verify(artifact, beat=ctx.beat):
            raise StepError(
                f"The files of {name} are not what was stored: {' '.join(damage)}",
                action="Restore the data folder's 'artifacts' from a backup, or upload the file again.",
            )
        rows = facts["rows"]
        headline = f"{rows:,} {'row' if rows == 1 else 'rows'} from {name}."
        summary = {"rows_in": rows, "rows_kept": rows, "dropped": {}, **facts, "headline": headline}
        return StepResult({"rows": Output(store.path(artifact), artifact.meta)}, summary)


def find_version(slug: str, number: int | None, *, workspace_id: Any) -> DatasetVersion:
    """The named version, or the latest for None. Raises ``StepError`` with what there is instead."""
    datasets = vault_models.Dataset.objects.filter(workspace_id=workspace_id)
    dataset = datasets.filter(slug=slug).first()
    if dataset is None:
        known = sorted(datasets.values_list("slug", flat=True))
        there = close_matches(slug, known) if known else "It has none yet."
        raise StepError(
            f"There is no dataset “{slug}” in this workspace. {there}",
            action="Choose another dataset in this step, or upload a file under this name.",
        )
    versions = dataset.versions.select_related("artifact", "dataset").order_by("-number")
    latest = versions.first()
    if latest is None:
        raise StepError(
            f"Dataset “{slug}” has no version yet.", action="Wait for its upload to be imported, or upload a file."
        )
    if number is None:
        return latest
    found = versions.filter(number=number).first()
    if found is None:
        raise StepError(
            f"Dataset “{slug}” has no version {number}; the latest is {latest.number}.",
            action="Choose a version that exists, or leave the field empty for the latest.",
        )
    return found

"""Where a held-out row lies in the Vault: the version that the run began with, or a newer one of the same dataset."""

from __future__ import annotations

from dataclasses import dataclass

from evaluation.models import Scorecard
from pipelines.models import StepOutput
from studio.lib.errors import StudioError
from vault.browsing import open_table
from vault.models import DatasetVersion
from vault.query import Condition, Filter


@dataclass(frozen=True)
class Origin:
    """A row of a version."""

    version: DatasetVersion
    rid: int


def find_origin(card: Scorecard, row_id: str) -> Origin | None:
    """The row with this id in the newest version of a dataset that the run began with, else in the version itself."""
    for version in source_versions(card):
        rid = find_row(version, row_id)
        if rid is not None:
            return Origin(version, rid)
    return None


def source_versions(card: Scorecard) -> list[DatasetVersion]:
    """The datasets that the run began with: each one's newest version, then the version that was used."""
    shas = StepOutput.objects.filter(step_run__run=card.step_run.run, step_run__step="dataset").values(
        "artifact__sha256"
    )
    used = DatasetVersion.objects.filter(
        dataset__workspace=card.workspace_id, artifact__sha256__in=shas
    ).select_related("dataset__workspace", "artifact")
    found: dict[object, DatasetVersion] = {}
    for version in used[:5]:
        latest = version.dataset.versions.select_related("dataset__workspace", "artifact").first()
        for one in (latest, version):
            if one is not None:
                found.setdefault(one.pk, one)
    return list(found.values())


def find_row(version: DatasetVersion, row_id: str) -> int | None:
    """The position of a row by its id, or None (also when the version's files are not on this machine)."""
    try:
        found = open_table(version).positions(Filter(conditions=(Condition("id", "is", row_id),)))
    except StudioError:
        return None
    return int(found[0]) if len(found) else None

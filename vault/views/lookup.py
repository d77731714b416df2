"""What the Vault's pages look up: a version by its address, its rows, the facets that never change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlencode

from django.http import Http404
from django.shortcuts import get_object_or_404

from studio.access import WorkspaceRequest
from vault import store
from vault.models import Dataset, DatasetVersion
from vault.query import Count, Lengths, RowTable, Totals

FACETS = 30


@dataclass(frozen=True)
class Facets:
    """The counts beside a row browser. ``distinct``: how many different answers there are in all."""

    totals: Totals
    labels: list[Count]
    distinct: int
    tags: list[Count]

    @property
    def few_labels(self) -> bool:
        """Whether the answers look like labels: they repeat, so that choosing one narrows the rows."""
        return 0 < self.distinct <= max(self.totals.completions // 2, 12) and self.distinct <= 1000


def get_version(request: WorkspaceRequest, slug: str, number: int | None = None) -> DatasetVersion:
    """A version (the newest without ``number``) of one of the workspace's datasets, or 404."""
    dataset = get_object_or_404(Dataset, workspace=request.workspace, slug=slug)
    versions = dataset.versions.select_related("artifact", "created_by", "dataset__workspace")
    found = versions.order_by("-number").first() if number is None else versions.filter(number=number).first()
    if found is None:
        raise Http404("There is no such version.")
    return found


def table_of(version: DatasetVersion) -> RowTable:
    """The rows of a version; raises ``StudioError`` when its files are not on this machine."""
    return _table(store.path(version.artifact))


def facets_of(version: DatasetVersion) -> Facets:
    """The facets of a version, remembered as long as the process lives: a version's folder never changes."""
    return _facets(store.path(version.artifact))


def lengths_of(version: DatasetVersion) -> tuple[Lengths | None, Lengths | None]:
    """Lengths of prompts and of answers, remembered like the facets."""
    return _lengths(store.path(version.artifact))


def _table(folder: Path) -> RowTable:
    return RowTable(folder, root=folder.parents[1])


@lru_cache(maxsize=128)
def _facets(folder: Path) -> Facets:
    table = _table(folder)
    return Facets(table.totals(), table.labels(limit=FACETS), table.distinct_answers(), table.tags(limit=FACETS))


@lru_cache(maxsize=128)
def _lengths(folder: Path) -> tuple[Lengths | None, Lengths | None]:
    table = _table(folder)
    return table.lengths("prompt"), table.lengths("completion")


def address(path: str, values: Mapping[str, object]) -> str:
    """A path with query parameters, or the path alone when there are none."""
    return f"{path}?{urlencode(values)}" if values else path

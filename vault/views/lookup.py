"""What the Vault's pages look up: a version by its address, its rows, the facets that never change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlencode

from django.conf import settings
from django.http import Http404
from django.shortcuts import get_object_or_404

from studio.access import WorkspaceRequest
from vault import store
from vault.browsing import index_of, open_table
from vault.models import Dataset, DatasetVersion
from vault.query import Count, Index, Lengths, RowTable, Totals

FACETS = 30


@dataclass(frozen=True)
class Facets:
    """The counts beside a row browser. ``distinct``: how many different answers there are in all."""

    totals: Totals
    labels: list[Count]
    distinct: int
    tags: list[Count]
    flags: list[Count]
    languages: list[Count]
    paths: list[str]
    """Paths below ``meta`` that rows have."""

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
    return open_table(version)


def facets_of(version: DatasetVersion, table: RowTable | None = None) -> Facets:
    """The facets of a version, remembered as long as the process lives: a version's folder never changes."""
    found = table or open_table(version)
    return _facets(store.path(version.artifact), found.index, found.facts_file)


def lengths_of(version: DatasetVersion) -> tuple[Lengths | None, Lengths | None]:
    """Lengths of prompts and of answers, remembered like the facets."""
    return _lengths(store.path(version.artifact), index_of(version.artifact))


@lru_cache(maxsize=128)
def _facets(folder: Path, index: Index | None, facts: Path | None) -> Facets:
    table = RowTable(folder, root=settings.DATA_ROOT, index=index, facts=facts)
    flags, languages = table.fact_values()
    labels, tags = table.labels(limit=FACETS), table.tags(limit=FACETS)
    return Facets(table.totals(), labels, table.distinct_answers(), tags, flags, languages, table.meta_paths())


@lru_cache(maxsize=128)
def _lengths(folder: Path, index: Index | None) -> tuple[Lengths | None, Lengths | None]:
    table = RowTable(folder, root=settings.DATA_ROOT, index=index)
    return table.lengths("prompt"), table.lengths("completion")


def address(path: str, values: Mapping[str, object]) -> str:
    """A path with query parameters, or the path alone when there are none."""
    return f"{path}?{urlencode(values, doseq=True)}" if values else path

"""A version's rows with everything that makes them quick and says more about them: index, profile, verdicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from vault import browse_index, derivations, profile, store
from vault.models import Artifact, DatasetVersion, Derivation
from vault.query import Index, RowTable, open_index
from vault.query.sources import ABOUT_FILE
from vault.reviewing.verdicts import positions_with

FEW = 5_000
"""Versions up to this many rows are browsed without an index: reading them whole is quick."""


def open_table(version: DatasetVersion, *, user: Any = None, facts: Path | None = None) -> RowTable:
    """The rows of a version as ``user`` may see them; raises ``StudioError`` when its files are not on this machine.

    ``facts``: the profile to go by, where the caller has looked it up already.
    """
    artifact = version.artifact
    return RowTable(
        store.path(artifact),
        root=settings.DATA_ROOT,
        index=index_of(artifact),
        facts=facts or profile.facts_path(artifact),
        sets=lambda _, value: positions_with(version, value, user=user),
    )


def index_of(artifact: Artifact) -> Index | None:
    """The index, once a worker has made it. Looked up on disk alone: a page asks for it every time."""
    name = f"{browse_index.NAME}-{derivations.params_hash({})[:16]}"
    folder = store.derived_dir(artifact.sha256, name)
    return open_index(folder) if (folder / ABOUT_FILE).exists() else None


def prepare(version: DatasetVersion) -> Derivation | None:
    """Ask for the index unless it is there, under way, or the version too small to need one. Returns what is under way."""
    if version.rows <= FEW or index_of(version.artifact):
        return None
    return derivations.request(version.artifact, browse_index.NAME)


def prepare_new(*, instance: DatasetVersion, created: bool, raw: bool = False, **_: Any) -> None:
    """Signal: a version was saved. Its index is asked for once the transaction that made it is through."""
    if created and not raw:
        transaction.on_commit(lambda: prepare(instance))

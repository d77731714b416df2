from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User

from studio.jobs import State
from studio.models import Workspace
from vault import browsing, derivations, store
from vault.models import Dataset, DatasetVersion, Derivation
from vault.query import Filter
from vault.rows import Row, write_rows


def make_version(workspace: Workspace, count: int) -> DatasetVersion:
    folder = store.scratch_dir("rows")
    write_rows(folder, (Row(f"r{n}", [{"role": "user", "content": f"number {n}"}]) for n in range(count)))
    artifact = store.publish(folder, kind="dataset", workspace=workspace)
    dataset = Dataset.objects.create(workspace=workspace, slug="many", name="Many")
    return DatasetVersion.objects.create(dataset=dataset, number=1, artifact=artifact, rows=count)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Twenty rows are few."""
    monkeypatch.setattr(browsing, "FEW", 20)
    return


def test_a_new_version_asks_for_its_index_once_it_is_there(
    workspace: Workspace, django_capture_on_commit_callbacks: pytest.FixtureRequest
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        version = make_version(workspace, 30)
    made = Derivation.objects.get()
    assert made.artifact == version.artifact and browsing.index_of(version.artifact) is None
    assert browsing.prepare(version) == made
    derivations.run(made.pk)
    made.refresh_from_db()
    assert made.state == State.SUCCEEDED and made.result["rows"] == 30
    index = browsing.index_of(version.artifact)
    assert index is not None and browsing.prepare(version) is None
    table = browsing.open_table(version)
    assert table.index == index and table.positions(Filter(search='"number 2"')).tolist() == [2, *range(20, 30)]


def test_a_small_version_needs_none(
    workspace: Workspace, django_capture_on_commit_callbacks: pytest.FixtureRequest
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        version = make_version(workspace, 20)
    assert not Derivation.objects.exists() and browsing.prepare(version) is None
    assert browsing.open_table(version, user=User()).count(Filter(search="number 1")) == 11


def test_an_index_that_was_swept_away_is_made_again(workspace: Workspace) -> None:
    import shutil

    version = make_version(workspace, 30)
    made = browsing.prepare(version)
    assert made is not None
    derivations.run(made.pk)
    shutil.rmtree(derivations.folder(made))
    assert browsing.index_of(version.artifact) is None
    again = browsing.prepare(version)
    assert again is not None and again.pk == made.pk and again.state == State.PENDING
    assert browsing.open_table(version).page(Filter(search="number 29")).rows[0].rid == 29

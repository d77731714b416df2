"""Artifacts: whole or not there, found by content, swept when nobody points to them."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from studio.models import Workspace
from vault import store
from vault.models import Artifact


def make_folder(root: Path, name: str = "out", **files: str) -> Path:
    folder = root / "scratch" / name
    folder.mkdir(parents=True)
    for file, text in files.items():
        (folder / file).write_text(text)
    return folder


def test_a_published_folder_is_found_by_its_content(data_root: Path, workspace: Workspace) -> None:
    artifact = store.publish(
        make_folder(data_root, a="one", b="two"), kind="dataset", workspace=workspace, meta={"n": 1}
    )
    folder = store.path(artifact)
    assert (folder / "a").read_text() == "one"
    assert artifact.size == 6
    assert store.verify(artifact) == []
    assert not (data_root / "scratch" / "out").exists()


def test_the_same_content_is_stored_once(data_root: Path, workspace: Workspace) -> None:
    first = store.publish(make_folder(data_root, "x", a="one"), kind="dataset", workspace=workspace)
    second = store.publish(make_folder(data_root, "y", a="one"), kind="dataset", workspace=workspace)
    assert first == second
    assert not (data_root / "scratch" / "y").exists()
    assert store.publish(store.path(first), kind="dataset", workspace=workspace) == first
    assert store.path(first).exists()


def test_two_workspaces_share_bytes_but_not_rows(
    data_root: Path, workspace: Workspace, other_workspace: Workspace
) -> None:
    mine = store.publish(make_folder(data_root, "x", a="one"), kind="dataset", workspace=workspace)
    theirs = store.publish(make_folder(data_root, "y", a="one"), kind="dataset", workspace=other_workspace)
    assert mine != theirs
    assert store.path(mine) == store.path(theirs)


def test_a_changed_added_or_missing_file_is_named(data_root: Path, workspace: Workspace) -> None:
    artifact = store.publish(make_folder(data_root, a="one", b="two"), kind="dataset", workspace=workspace)
    folder = store.path(artifact)
    (folder / "a").write_text("ONE")
    (folder / "b").unlink()
    (folder / "c").write_text("new")
    assert sorted(store.verify(artifact)) == ["a has changed.", "b is missing.", "c was added."]


def test_a_kill_before_the_rename_leaves_nothing_in_the_store(
    data_root: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_folder(data_root, a="one")

    def die(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", die)
        with pytest.raises(KeyboardInterrupt):
            store.publish(folder, kind="dataset", workspace=workspace)
    assert not list((data_root / "artifacts").glob("??/*/manifest.json"))
    assert store.verify(store.publish(folder, kind="dataset", workspace=workspace)) == []


def test_a_full_disk_says_so_and_leaves_nothing_behind(
    data_root: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_folder(data_root, a="one")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(store.DiskFull) as caught:
            store.publish(folder, kind="dataset", workspace=workspace)
    assert "disk is full" in str(caught.value) and caught.value.action
    assert Artifact.objects.count() == 0
    assert not list((data_root / "artifacts").glob("??/*"))


def test_a_lost_artifact_is_reported_with_what_to_do(data_root: Path, workspace: Workspace) -> None:
    artifact = Artifact.objects.create(workspace=workspace, kind="dataset", sha256="0" * 64, size=1)
    with pytest.raises(store.Damaged) as caught:
        store.path(artifact)
    assert "backup" in caught.value.action


def test_only_old_folders_without_a_row_are_swept(data_root: Path, workspace: Workspace) -> None:
    kept = store.publish(make_folder(data_root, "x", a="one"), kind="dataset", workspace=workspace)
    orphan = store.place(make_folder(data_root, "y", a="two"), kind="dataset")
    assert list(store.sweep(older_than_seconds=3600)) == []
    os.utime(store.folder_of(orphan.sha256), (1, 1))
    os.utime(store.folder_of(kept.sha256), (1, 1))
    (swept,) = store.sweep(older_than_seconds=3600)
    assert swept.path == store.folder_of(orphan.sha256)
    assert swept.size > len("two"), "the manifest counts too"
    assert store.path(kept).exists()
    assert not store.folder_of(orphan.sha256).exists()


def test_a_symbolic_link_is_refused(data_root: Path, workspace: Workspace) -> None:
    folder = make_folder(data_root, a="one")
    (folder / "link").symlink_to("/etc/passwd")
    with pytest.raises(ValueError, match="symbolic link"):
        store.publish(folder, kind="dataset", workspace=workspace)

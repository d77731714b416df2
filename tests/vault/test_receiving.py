from __future__ import annotations

import errno
import gzip
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from studio.jobs import State
from studio.lib.errors import StudioError
from studio.models import Workspace
from vault import archives, ingest, receiving, store
from vault.arrivals import Received
from vault.models import Upload
from vault.problems import read_problems
from vault.rows import read_rows

Arrived = Callable[[str, "str | bytes"], Received]
CSV = "text,label\nhello,greeting\nbye,farewell\n"
CHAT = '{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}\n'


@pytest.fixture
def arrived(tmp_path: Path) -> Arrived:
    """``arrived(name, content)``: a file that is here whole."""

    def make(name: str, content: str | bytes) -> Received:
        data = content.encode() if isinstance(content, str) else content
        path = tmp_path / f"arrived-{len(list(tmp_path.iterdir()))}"
        path.write_bytes(data)
        return Received(path, name, len(data), "0" * 64, data.count(b"\n"))

    return make


def zipped(**files: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("_csv", ".csv").replace("_md", ".md"), content)
    return out.getvalue()


def run(upload: Upload, **params: object) -> Upload:
    """Import a draft as its guess says."""
    values = ingest.parse_params(upload.reader, {**upload.params, **params})
    assert ingest.start(upload, reader=upload.reader, params=values, good_rows_only=False)
    ingest.run_upload(upload.pk)
    upload.refresh_from_db()
    return upload


def test_several_files_become_one_dataset_whose_rows_name_their_file(
    arrived: Arrived, workspace: Workspace, editor: User
) -> None:
    files = [
        arrived("a.csv", CSV),
        arrived("b.csv", "text,label\nthanks,courtesy\n"),
        arrived("a.csv", "text,label\nhi,greeting\n"),
    ]
    (draft,) = receiving.receive(files, workspace=workspace, name="All", user=editor)
    assert draft.file_name == "a.csv and 2 more" and draft.findings["files"] == ["a.csv", "b.csv", "a.csv"]
    assert draft.params["prompt"] == "{text}" and draft.size == sum(f.size for f in files)
    upload = run(draft, completion="label")
    assert upload.state == State.SUCCEEDED and upload.version is not None, upload.trace
    rows = list(read_rows(store.path(upload.version.artifact)))
    assert [(r.user_text, r.meta["source"]["file"], r.meta["source"]["line"]) for r in rows] == [
        ("hi", "a-2.csv", 2),
        ("hello", "a.csv", 2),
        ("bye", "a.csv", 3),
        ("thanks", "b.csv", 2),
    ]
    assert not (ingest.scratch_of(upload) / "source").exists()


def test_problems_and_repeats_name_the_file(arrived: Arrived, workspace: Workspace, editor: User) -> None:
    files = [arrived("a.csv", "id,text\n1,x\n"), arrived("b.csv", "id,text\nragged\n1,y\n")]
    (draft,) = receiving.receive(files, workspace=workspace, name="All", user=editor)
    upload = run(draft, id="id", repeated="refuse")
    assert upload.state == State.WAITING
    found = [(p.file, p.line, p.reason) for p in read_problems(ingest.problems_path(upload))]
    assert found[0][:2] == ("b.csv", 2) and found[1] == ("b.csv", 3, "The id '1' was already used on line 2 of a.csv.")
    assert [p["file"] for p in upload.findings["problems"]] == ["b.csv", "b.csv"]


def test_each_file_can_become_its_own_dataset(arrived: Arrived, workspace: Workspace, editor: User) -> None:
    files = [arrived("a.csv", CSV), arrived("chat.jsonl", CHAT)]
    drafts = receiving.receive(files, workspace=workspace, name="", user=editor, together=False)
    assert [(d.dataset_name, d.reader) for d in drafts] == [("a", "columns"), ("chat", "openai_chat")]
    assert receiving.batch_of(drafts[0]) == [drafts[1]]
    named = receiving.receive(
        [arrived("x.csv", CSV), arrived("y.csv", CSV)], workspace=workspace, name="T", user=editor, together=False
    )
    assert [d.dataset_name for d in named] == ["T x", "T y"]


def test_files_of_two_kinds_are_not_joined(
    arrived: Arrived, workspace: Workspace, editor: User, data_root: Path
) -> None:
    with pytest.raises(StudioError, match=r"a\.csv is Columns, b\.jsonl is OpenAI chat"):
        receiving.receive([arrived("a.csv", CSV), arrived("b.jsonl", CHAT)], workspace=workspace, name="x", user=editor)
    assert list((data_root / "scratch").glob("upload-*")) == [] and Upload.objects.count() == 0


def test_archives_are_unpacked(arrived: Arrived, workspace: Workspace, editor: User) -> None:
    (one,) = receiving.receive(
        [arrived("chat.jsonl.gz", gzip.compress(CHAT.encode()))], workspace=workspace, name="g", user=editor
    )
    assert one.reader == "openai_chat" and one.file_name == "chat.jsonl.gz" and "files" not in one.findings
    assert run(one).state == State.SUCCEEDED
    packed = zipped(train_csv=CSV, deep__test_csv="text,label\nx,y\n", README_md="no data")
    (several,) = receiving.receive([arrived("all.zip", packed)], workspace=workspace, name="z", user=editor)
    assert several.findings["files"] == ["test.csv", "train.csv"] or len(several.findings["files"]) == 2
    upload = run(several)
    assert upload.version is not None and upload.version.rows == 3


def test_a_refused_file_among_several_leaves_nothing(
    arrived: Arrived, workspace: Workspace, editor: User, data_root: Path
) -> None:
    files = [arrived("a.csv", CSV), arrived("b.pdf", b"%PDF-1.7 x")]
    for together in (True, False):
        files = [arrived("a.csv", CSV), arrived("b.pdf", b"%PDF-1.7 x")]
        with pytest.raises(StudioError, match=r"b\.pdf.*PDF"):
            receiving.receive(files, workspace=workspace, name="x", user=editor, together=together)
    assert list((data_root / "scratch").glob("upload-*")) == [] and Upload.objects.count() == 0


def test_names_never_become_paths(arrived: Arrived, workspace: Workspace, editor: User, data_root: Path) -> None:
    files = [arrived("../../a.csv", CSV), arrived("state.json", CHAT.replace("\n", "")), arrived("..", CHAT)]
    drafts = receiving.receive(files, workspace=workspace, name="x", user=editor, together=False)
    for draft in drafts:
        assert ingest.source_path(draft).resolve().is_relative_to(data_root / "scratch")
    (joined,) = receiving.receive(
        [arrived("state.json", CHAT), arrived("notes", CHAT)], workspace=workspace, name="y", user=editor
    )
    assert run(joined).state == State.SUCCEEDED
    assert joined.version is not None and joined.version.rows == 2


def test_nothing_is_kept_when_a_reader_has_a_bug(
    arrived: Arrived, workspace: Workspace, editor: User, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> str:
        raise ZeroDivisionError("a bug in a reader")

    monkeypatch.setattr(receiving, "recognise", broken)
    with pytest.raises(ZeroDivisionError):
        receiving.receive([arrived("a.csv", CSV)], workspace=workspace, name="x", user=editor)
    assert list((data_root / "scratch").glob("upload-*")) == [] and Upload.objects.count() == 0


def test_a_disk_that_fills_while_an_archive_is_unpacked_is_named(
    arrived: Arrived, workspace: Workspace, editor: User, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(archives, "expand", full)
    with pytest.raises(store.DiskFull):
        receiving.receive(
            [arrived("a.csv.gz", gzip.compress(CSV.encode()))], workspace=workspace, name="x", user=editor
        )
    assert list((data_root / "scratch").glob("upload-*")) == []


def test_a_folder_or_archive_on_this_machine_is_imported_too(workspace: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "train.csv").write_text(CSV)
    (folder / "test.csv").write_text("text,label\nx,y\n")
    assert ingest.import_file(folder, workspace=workspace, name="Folder").rows == 3
    packed = tmp_path / "chat.jsonl.gz"
    packed.write_bytes(gzip.compress(CHAT.encode()))
    version = ingest.import_file(packed, workspace=workspace, name="Packed")
    [row] = read_rows(store.path(version.artifact))
    assert row.meta["source"] == {"file": "chat.jsonl.gz", "line": 1}

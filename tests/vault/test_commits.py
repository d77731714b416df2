from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from studio.jobs import State
from studio.lib.errors import StudioError
from studio.models import AuditEvent
from studio.reaping import reap
from tests.vault.editing.conftest import Edit
from tests.vault.editing.conftest import draft as draft
from tests.vault.editing.conftest import edit as edit
from tests.vault.editing.conftest import second_editor as second_editor
from vault import commits, store
from vault.editing import drafts
from vault.editing.rewriting import rewrite
from vault.models import Artifact, DatasetVersion, Draft
from vault.rows import count_rows, read_rows


def commit(draft: Draft, user: User, message: str = "Cleaned") -> Draft:
    assert drafts.commit(draft, message=message, user=user)
    commits.run(draft.pk)
    draft.refresh_from_db()
    return draft


def rows_of(version: DatasetVersion) -> list[Any]:
    return list(read_rows(store.path(version.artifact)))


def test_a_commit_makes_the_next_version(
    version: DatasetVersion, draft: Draft, edit: Edit, editor: User, second_editor: User
) -> None:
    edit("tag", 0, 1, 59, tag="hard")
    edit("label", 1, user=second_editor, field="completion", text="other")
    edit("reject", 2, reason="spam")
    edit("row", 3, prompt=[{"role": "user", "content": "hello"}])
    made = commit(draft, editor).made
    assert made and made.number == 2 and made.parent == version and made.message == "Cleaned" and made.rows == 59
    rows, before = rows_of(made), rows_of(version)
    assert rows[1].completion_text == "other" and rows[1].meta["edited"]["by"] == "grace"
    assert rows[0].tags == ["Rome", "hard"] and rows[58].tags == ["Lima", "hard"]
    assert (
        rows[2].id == before[3].id and rows[2].user_text == "hello" and rows[2].meta["derived_from"] == [before[3].id]
    )
    assert rows[3:58] == before[4:59]
    assert made.summary["people"] == sorted([editor.username, "grace"]) and made.summary["edited"] == 4
    assert AuditEvent.objects.filter(verb="committed", subject="Tickets v2").exists()


def test_positions_and_search_text_of_the_next_version_are_whole(
    version: DatasetVersion, draft: Draft, edit: Edit, editor: User
) -> None:
    import pyarrow.parquet as pq

    edit("replace", 0, 1, field="prompt", find="card", replacement="Ticket")
    edit("reject", 1, 5)
    made = commit(draft, editor).made
    assert made
    table = pq.read_table(store.path(made.artifact) / "rows.parquet")
    assert table["_rid"].to_pylist() == list(range(58))
    assert "where is my ticket?" in table["_search"][0].as_py()


def test_rejected_rows_are_kept_with_who_and_why(
    version: DatasetVersion, draft: Draft, edit: Edit, editor: User
) -> None:
    edit("tag", 2, tag="seen")
    edit("reject", 2, 4, reason="spam")
    made = commit(draft, editor).made
    assert made
    assert made.summary["rejects"]["rows"] == 2 and made.summary["rejects"]["reasons"] == {"spam": 2}
    artifact = commits.rejects_of(made)
    assert artifact
    left = list(read_rows(store.path(artifact)))
    assert [row.meta["reject"] for row in left] == [{"by": editor.username, "reason": "spam"}] * 2
    assert "seen" in left[0].tags


def test_a_commit_run_twice_makes_one_version(version: DatasetVersion, draft: Draft, edit: Edit, editor: User) -> None:
    edit("tag", 0, tag="x")
    commit(draft, editor)
    commits.run(draft.pk)
    assert version.dataset.versions.count() == 2


def test_a_worker_killed_before_it_recorded_the_version_loses_nothing(
    version: DatasetVersion, draft: Draft, edit: Edit, editor: User
) -> None:
    edit("tag", 0, tag="x")
    drafts.commit(draft, message="", user=editor)
    taken = Draft.claim(draft.pk)
    assert taken
    # It got as far as placing the rows in the store.
    folder = store.scratch_dir("gone")
    rewrite(
        store.path(version.artifact),
        folder / "rows",
        folder / "no",
        [(drafts.change_of(o), commits.within(o)) for o in draft.operations.all()],
        beat=lambda _: None,
    )
    placed = store.place(folder / "rows", kind="dataset")
    reap(Draft, now=timezone.now() + timedelta(hours=1))
    commits.run(draft.pk)
    draft.refresh_from_db()
    assert draft.state == State.SUCCEEDED and draft.made and draft.made.artifact.sha256 == placed.sha256
    assert version.dataset.versions.count() == 2
    with pytest.raises(Exception, match="no longer owns"):
        taken.write(made=None)


def test_a_stopped_commit_is_open_again_with_all_its_edits(
    version: DatasetVersion, draft: Draft, edit: Edit, editor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit("tag", 0, tag="x")
    drafts.commit(draft, message="", user=editor)
    claim = Draft.claim

    def claimed_then_cancelled(pk: Any) -> Draft | None:
        taken = claim(pk)
        Draft.objects.get(pk=pk).request_cancel()
        return taken

    monkeypatch.setattr(Draft, "claim", claimed_then_cancelled)
    commits.run(draft.pk)
    draft.refresh_from_db()
    assert draft.is_open and draft.operations.count() == 1 and version.dataset.versions.count() == 1


@pytest.mark.parametrize("work,said", [("reject", "would be empty"), ("nothing", "change no row")])
def test_a_commit_that_makes_no_sense_fails_and_can_be_reopened(
    version: DatasetVersion, draft: Draft, edit: Edit, editor: User, work: str, said: str
) -> None:
    if work == "reject":
        edit("reject", *range(60))
    else:
        edit("tag", 0, tag="Rome")
    commit(draft, editor)
    assert draft.state == State.FAILED and said in draft.error and draft.action
    assert version.dataset.versions.count() == 1
    assert drafts.reopen(draft) and draft.is_open


def test_a_full_disk_fails_the_commit_and_another_try_goes_on(
    version: DatasetVersion, draft: Draft, edit: Edit, editor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    edit("tag", 0, tag="x")
    monkeypatch.setattr(commits, "rewrite", _raise(OSError(errno.ENOSPC, "No space left on device")))
    commit(draft, editor)
    assert draft.state == State.FAILED and "disk is full" in draft.error
    monkeypatch.undo()
    assert draft.retry()
    commits.run(draft.pk)
    assert version.dataset.versions.count() == 2


def _raise(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


def test_no_scratch_is_left(version: DatasetVersion, draft: Draft, edit: Edit, editor: User, settings: Any) -> None:
    edit("reject", 0)
    commit(draft, editor)
    assert not list((settings.DATA_ROOT / "scratch").glob("commit-*"))


def test_an_old_version_is_restored_as_the_newest(
    version: DatasetVersion, draft: Draft, edit: Edit, editor: User
) -> None:
    edit("reject", 0)
    made = commit(draft, editor).made
    assert made and count_rows(store.path(made.artifact)) == 59
    restored = commits.restore(version, user=editor, message="The rejection was wrong")
    assert (restored.number, restored.parent, restored.artifact) == (3, version, version.artifact)
    assert restored.message == "The rejection was wrong" and Artifact.objects.filter(kind="dataset").count() == 3
    with pytest.raises(StudioError, match="already"):
        commits.restore(version, user=editor)


def test_rows_from_many_row_groups_keep_their_order(
    version: DatasetVersion, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vault import rows as rows_module
    from vault.editing import rewriting
    from vault.editing.changes import change

    monkeypatch.setattr(rows_module, "ROW_GROUP", 7)
    monkeypatch.setattr(rewriting, "ROW_GROUP", 7)
    before = rows_of(version)
    rows_module.write_rows(tmp_path / "a", before)
    gone = change("reject", {}, by="ada", at="now")
    seen: list[int] = []
    outcome = rewrite(
        tmp_path / "a",
        tmp_path / "b",
        tmp_path / "c",
        [(gone, lambda low, high: [r for r in range(low, high) if r % 3 == 0])],
        beat=seen.append,
    )
    assert list(read_rows(tmp_path / "b")) == [row for n, row in enumerate(before) if n % 3]
    assert [row.id for row in read_rows(tmp_path / "c")] == [row.id for row in before[::3]]
    assert (outcome.kept, outcome.rejected, outcome.edited) == (40, 20, 0) and seen[-1] == 60

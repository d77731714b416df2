from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection

from studio.lib.errors import StudioError
from studio.models import AuditEvent
from tests.vault.editing.conftest import Edit
from vault.editing import drafts
from vault.editing.drafts import Changed, Closed
from vault.editing.positions import as_positions
from vault.models import DatasetVersion, Draft
from vault.rows import Row
from vault.views.lookup import table_of


def base(version: DatasetVersion, rid: int) -> Row:
    row = table_of(version).row(rid)
    assert row is not None
    return row


def test_a_version_has_one_open_draft(version: DatasetVersion, draft: Draft, second_editor: User) -> None:
    assert drafts.open_draft(version, user=second_editor) == draft
    assert Draft.objects.count() == 1 and draft.is_open


def test_a_row_stands_as_its_operations_leave_it(version: DatasetVersion, draft: Draft, edit: Edit) -> None:
    edit("tag", 0, 2, tag="hard")
    edit("label", 0, field="completion", text="top_up")
    edit("reject", 2, reason="spam")
    rows = [(rid, base(version, rid)) for rid in range(4)]
    laid = drafts.lay_over(draft, rows)
    assert laid[0].row.tags == ["Rome", "hard"] and laid[0].row.completion_text == "top_up" and laid[0].edited
    assert laid[2].rejected and laid[2].rejected["reason"] == "spam"
    assert not laid[1].edited and laid[1].row == rows[1][1]


def test_anybodys_operation_can_be_undone_and_done_again_in_its_old_place(
    version: DatasetVersion, draft: Draft, edit: Edit, second_editor: User
) -> None:
    first = edit("label", 0, field="completion", text="one")
    edit("replace", 0, field="completion", find="one", replacement="two")
    row = base(version, 0)
    assert drafts.standing(draft, 0, row).row.completion_text == "two"
    assert drafts.undo(first, user=second_editor) and not drafts.undo(first, user=second_editor)
    assert drafts.standing(draft, 0, row).row.completion_text == "card_arrival"
    first.refresh_from_db()
    assert first.undone_by == second_editor
    assert drafts.redo(first, user=second_editor) and not drafts.redo(first, user=second_editor)
    assert drafts.standing(draft, 0, row).row.completion_text == "two"


def test_the_second_of_two_people_is_told_and_nothing_is_written(
    version: DatasetVersion, draft: Draft, editor: User, second_editor: User
) -> None:
    row = base(version, 0)
    seen = drafts.standing(draft, 0, row).stamp
    drafts.edit_row(draft, 0, row, "row", {"completion": "mine"}, seen=seen, user=editor)
    with pytest.raises(Changed):
        drafts.edit_row(draft, 0, row, "row", {"completion": "yours"}, seen=seen, user=second_editor)
    assert draft.operations.count() == 1
    fresh = drafts.standing(draft, 0, row)
    drafts.edit_row(draft, 0, row, "row", {"completion": "yours"}, seen=fresh.stamp, user=second_editor)
    assert drafts.standing(draft, 0, row).row.completion_text == "yours"


def test_an_edit_of_another_row_is_no_conflict(version: DatasetVersion, draft: Draft, editor: User, edit: Edit) -> None:
    row = base(version, 0)
    seen = drafts.standing(draft, 0, row).stamp
    edit("tag", 1, tag="x")
    drafts.edit_row(draft, 0, row, "row", {"completion": "mine"}, seen=seen, user=editor)


def test_a_closed_draft_takes_no_edit(version: DatasetVersion, draft: Draft, edit: Edit, editor: User) -> None:
    operation = edit("tag", 0, tag="x")
    assert drafts.commit(draft, message="why", user=editor)
    assert not drafts.commit(draft, message="again", user=editor)
    for late in (
        lambda: edit("tag", 1, tag="y"),
        lambda: drafts.undo(operation, user=editor),
        lambda: drafts.open_draft(version, user=editor),
    ):
        with pytest.raises(Closed) as refused:
            late()
        assert "being committed" in str(refused.value) and "Nothing you typed is lost" in refused.value.action
    assert draft.operations.count() == 1


def test_an_empty_draft_is_not_committed(draft: Draft, edit: Edit, editor: User) -> None:
    with pytest.raises(StudioError, match="no edit"):
        drafts.commit(draft, message="", user=editor)
    drafts.undo(edit("tag", 0, tag="x"), user=editor)
    with pytest.raises(StudioError, match="no edit"):
        drafts.commit(draft, message="", user=editor)
    draft.refresh_from_db()
    assert draft.is_open


def test_a_discarded_draft_comes_back_unless_another_is_open(
    version: DatasetVersion, draft: Draft, edit: Edit, editor: User
) -> None:
    edit("tag", 0, tag="x")
    assert drafts.discard(draft, user=editor) and not drafts.discard(draft, user=editor)
    assert drafts.live_draft(version) is None
    assert drafts.reopen(draft) and drafts.live_draft(version) == draft
    assert drafts.discard(draft, user=editor)
    other = drafts.open_draft(version, user=editor)
    assert other != draft
    with pytest.raises(StudioError, match="another draft"):
        drafts.reopen(draft)
    verbs = list(AuditEvent.objects.values_list("verb", flat=True))
    assert verbs.count("discarded the edits of") == 2


def test_an_operation_on_no_row_is_refused(edit: Edit) -> None:
    with pytest.raises(StudioError, match="No row"):
        edit("tag", tag="x")


def test_the_bar_counts_edits_and_people(draft: Draft, edit: Edit, editor: User, second_editor: User) -> None:
    edit("tag", 0, 1, tag="x")
    edit("reject", 3, user=second_editor)
    drafts.undo(edit("tag", 5, tag="y"), user=editor)
    found = drafts.tally(draft)
    assert (found.edits, found.rows, found.people) == (2, 3, sorted([editor.username, "grace"]))


def patiently(work: Callable[[], object]) -> None:
    """Wait for the other writers, as a database in a file does by itself and one in memory does not."""
    for _ in range(2000):
        try:
            work()
            return
        except OperationalError as error:
            if "locked" not in str(error):
                raise
            time.sleep(0.005)
    raise TimeoutError


@pytest.mark.django_db(transaction=True)
def test_edits_that_race_each_other_and_a_commit_land_once_or_not_at_all(
    version: DatasetVersion, draft: Draft, editor: User, edit: Edit
) -> None:
    edit("tag", 0, tag="first")
    landed: list[str] = []
    refused: list[str] = []
    gate = threading.Barrier(7)

    def add(mine: Draft, tag: str) -> None:
        gate.wait()
        try:
            patiently(lambda: drafts.add(mine, "tag", {"tag": tag}, rids=as_positions([1]), user=editor))
            landed.append(tag)
        except Closed:
            refused.append(tag)
        finally:
            connection.close()

    def commit(mine: Draft) -> None:
        gate.wait()
        try:
            patiently(lambda: drafts.commit(mine, message="", user=editor))
        finally:
            connection.close()

    def own() -> Draft:
        return Draft.objects.select_related("version__dataset__workspace").get(pk=draft.pk)

    threads = [threading.Thread(target=add, args=(own(), f"t{n}")) for n in range(6)]
    threads.append(threading.Thread(target=commit, args=(own(),)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = [operation.params["tag"] for operation in draft.operations.all()]
    assert sorted(kept) == sorted(["first", *landed]) and len(landed) + len(refused) == 6
    assert [operation.number for operation in draft.operations.all()] == list(range(1, len(kept) + 1))

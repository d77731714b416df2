"""Threads of comments: what is said, who is told, what is open; and their pages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from studio import comments
from studio.comments import Subject
from studio.lib.errors import StudioError
from studio.models import AuditEvent, Comment, Notification, Workspace
from studio.registries import SUBJECTS

HTMX = {"HX-Request": "true"}
PAGE = "/w/lab/vault/"


def find_thing(workspace: Workspace, key: str) -> Subject | None:
    """Every workspace has the things named t1 to t3."""
    return Subject(f"thing {key}", PAGE) if key in {"t1", "t2", "t3"} else None


@pytest.fixture(autouse=True)
def things(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind of subject for these tests."""
    monkeypatch.setattr(SUBJECTS, "table", {**SUBJECTS.table, "thing": "tests.studio.test_comments:find_thing"})


@pytest.fixture
def client(reviewer: User, sign_in: Callable[[User], Client]) -> Client:
    """Signed in as a reviewer."""
    return sign_in(reviewer)


def address(key: str = "t1", kind: str = "thing") -> str:
    return reverse("comments", args=["lab", kind, key])


def act(name: str, comment: Comment) -> str:
    return reverse(f"comment_{name}", args=["lab", comment.pk])


def say(
    workspace: Workspace, by: User, text: str = "Hm.", *, key: str = "t1", parent: Comment | None = None
) -> Comment:
    subject = find_thing(workspace, key)
    assert subject is not None
    return comments.say(workspace, kind="thing", key=key, subject=subject, text=text, by=by, parent=parent)


def told() -> list[tuple[str, str]]:
    return [(n.user.username.partition("-")[0], n.title.partition(" ")[2]) for n in Notification.objects.order_by("pk")]


# --- what is open ----------------------------------------------------------------------------------------------------


def test_threads_are_open_until_they_are_resolved(workspace: Workspace, reviewer: User) -> None:
    first, second = say(workspace, reviewer), say(workspace, reviewer)
    say(workspace, reviewer, parent=first)
    say(workspace, reviewer, key="t2")
    assert comments.count_open(workspace, "thing", "t1") == 2
    assert comments.count_open_under(workspace, "thing", "t") == {"t1": 2, "t2": 1}
    comments.resolve(first, by=reviewer)
    comments.resolve(second, by=reviewer)
    assert comments.count_open(workspace, "thing", "t1") == 0
    assert comments.count_open_under(workspace, "thing", "t") == {"t2": 1}
    comments.reopen(first)
    assert comments.count_open(workspace, "thing", "t1") == 1


def test_a_thread_of_which_nothing_is_left_is_not_open(workspace: Workspace, reviewer: User) -> None:
    thread = say(workspace, reviewer)
    answer = say(workspace, reviewer, parent=thread)
    comments.delete(thread, by=reviewer)
    assert comments.count_open(workspace, "thing", "t1") == 1
    comments.delete(answer, by=reviewer)
    assert comments.count_open(workspace, "thing", "t1") == 0


def test_workspaces_kinds_and_keys_do_not_mix(workspace: Workspace, other_workspace: Workspace, reviewer: User) -> None:
    say(workspace, reviewer)
    assert comments.count_open(other_workspace, "thing", "t1") == 0
    assert comments.count_open(workspace, "node", "t1") == 0
    assert comments.count_open(workspace, "thing", "t11") == 0
    comments.move(workspace, "thing", "t1", "t3")
    assert comments.count_open_under(workspace, "thing", "") == {"t3": 1}


def test_an_answer_has_no_answers_and_stays_with_its_subject(workspace: Workspace, reviewer: User) -> None:
    thread = say(workspace, reviewer)
    answer = say(workspace, reviewer, parent=thread)
    with pytest.raises(StudioError):
        say(workspace, reviewer, parent=answer)
    with pytest.raises(StudioError):
        say(workspace, reviewer, key="t2", parent=thread)


def test_nobody_writes_as_fast_as_a_script(workspace: Workspace, reviewer: User, editor: User) -> None:
    for _ in range(comments.OFTEN):
        say(workspace, reviewer)
    with pytest.raises(StudioError, match="within a minute"):
        say(workspace, reviewer)
    say(workspace, editor)


# --- who is told -----------------------------------------------------------------------------------------------------


def test_a_mention_tells_members_but_not_strangers_or_oneself(
    workspace: Workspace, reviewer: User, editor: User, stranger: User
) -> None:
    text = f"@{editor.username} @{reviewer.username} @{stranger.username} what do you think?"
    comment = say(workspace, reviewer, text)
    assert told() == [("editor", "mentioned you in thing t1")]
    notice = Notification.objects.get()
    assert notice.tone == "mention"
    assert notice.url == f"{PAGE}#comment-{comment.pk}"
    assert notice.text == text


def test_an_answer_tells_those_who_wrote_in_the_thread_once(
    workspace: Workspace, reviewer: User, editor: User, owner: User
) -> None:
    thread = say(workspace, editor)
    say(workspace, owner, parent=thread)
    assert told() == [("editor", "answered in thing t1")]
    Notification.objects.all().delete()
    say(workspace, reviewer, f"@{owner.username} yes", parent=thread)
    assert sorted(told()) == [("editor", "answered in thing t1"), ("owner", "mentioned you in thing t1")]


def test_a_change_tells_only_those_it_newly_mentions(
    workspace: Workspace, reviewer: User, editor: User, owner: User
) -> None:
    comment = say(workspace, reviewer, f"@{editor.username} look")
    subject = Subject("thing t1", PAGE)
    comments.change(comment, text=f"@{editor.username} @{owner.username} look", by=reviewer, subject=subject)
    comments.change(comment, text=f"@{editor.username} @{owner.username} look", by=reviewer, subject=subject)
    assert [who for who, _ in told()] == ["editor", "owner"]
    comment.refresh_from_db()
    assert comment.edited_at is not None


# --- the pages -------------------------------------------------------------------------------------------------------


def test_a_reviewer_comments_with_and_without_script(client: Client, workspace: Workspace) -> None:
    page = client.get(address())
    assert "<html" in page.text and "thing t1" in page.text and f'href="{PAGE}"' in page.text
    answer = client.post(address(), {"text": "First & <b>"})
    comment = Comment.objects.get()
    assert answer["Location"] == f"{address()}#comment-{comment.pk}"
    part = client.post(address(), {"text": "Second"}, headers=HTMX)
    assert "<html" not in part.text and "First &amp; &lt;b&gt;" in part.text and "Second" in part.text
    assert 'data-open-threads="2"' in part.text


def test_the_same_form_sent_twice_is_one_comment_and_one_notice(
    client: Client, workspace: Workspace, editor: User
) -> None:
    for _ in range(2):
        client.post(address(), {"text": f"@{editor.username}", "request_key": "abc"}, headers=HTMX)
    assert Comment.objects.count() == Notification.objects.count() == 1
    client.post(address(), {"text": "more", "request_key": "def"}, headers=HTMX)
    assert Comment.objects.count() == 2


def test_a_request_key_of_another_person_gives_nothing_away(
    client: Client, editor_client: Client, workspace: Workspace
) -> None:
    client.post(address(), {"text": "mine", "request_key": "abc"}, headers=HTMX)
    page = editor_client.post(address("t2"), {"text": "other", "request_key": "abc"}, headers=HTMX)
    assert page.status_code == 422 and "Reload the page" in page.text and "mine" not in page.text
    assert Comment.objects.count() == 1


def test_bad_input_is_shown_and_what_was_typed_is_kept(client: Client, workspace: Workspace, reviewer: User) -> None:
    empty = client.post(address(), {"text": "  "}, headers=HTMX)
    assert empty.status_code == 422 and "Write something first." in empty.text
    long = client.post(address(), {"text": "y" * 5_001}, headers=HTMX)
    assert long.status_code == 422 and "at most 5000" in long.text and "y" * 5_001 in long.text
    nul = client.post(address(), {"text": "a\0b"}, headers=HTMX)
    assert nul.status_code == 422
    thread = say(workspace, reviewer)
    answer = client.post(address(), {"text": "z" * 5_001, "parent": thread.pk}, headers=HTMX)
    assert answer.status_code == 422 and answer.text.count("z" * 5_001) == 1
    changed = client.post(act("change", thread), {"text": ""}, headers=HTMX)
    assert changed.status_code == 422
    assert Comment.objects.count() == 1


def test_viewers_read_and_do_not_write(
    viewer_client: Client, workspace: Workspace, reviewer: User, viewer: User
) -> None:
    comment = say(workspace, reviewer, "Read me")
    page = viewer_client.get(address(), headers=HTMX)
    assert "Read me" in page.text and "<textarea" not in page.text and "Reviewers and above" in page.text
    assert viewer_client.post(address(), {"text": "no"}).status_code == 403
    for name in ("change", "delete", "resolve"):
        assert viewer_client.post(act(name, comment), {"text": "no"}).status_code == 403


def test_strangers_and_unknown_subjects_are_not_found(
    stranger_client: Client, client: Client, workspace: Workspace, reviewer: User
) -> None:
    comment = say(workspace, reviewer)
    assert stranger_client.get(address()).status_code == 404
    assert stranger_client.post(address(), {"text": "x"}).status_code == 404
    for name in ("change", "delete", "resolve"):
        assert stranger_client.post(act(name, comment)).status_code == 404
        assert client.get(act(name, comment)).status_code == 405
    for key, kind in (("t9", "thing"), ("t1", "nothing"), ("x", "node"), ("x", "report"), ("x:1", "report_row")):
        assert client.get(address(key, kind)).status_code == 404
    assert client.post(address(), {"text": "x", "parent": "999"}).status_code == 404
    assert client.post(address(), {"text": "x", "parent": "x"}).status_code == 404


def test_a_thread_of_another_workspace_is_out_of_reach(
    stranger_client: Client, other_workspace: Workspace, workspace: Workspace, reviewer: User
) -> None:
    comment = say(workspace, reviewer)
    for name in ("change", "delete", "resolve"):
        path = reverse(f"comment_{name}", args=["elsewhere", comment.pk])
        assert stranger_client.post(path, {"text": "x"}).status_code == 404
    path = reverse("comments", args=["elsewhere", "thing", "t1"])
    assert stranger_client.post(path, {"text": "x", "parent": comment.pk}).status_code == 404


def test_only_the_author_changes_and_only_author_or_owner_delete(
    client: Client,
    editor_client: Client,
    workspace: Workspace,
    reviewer: User,
    owner: User,
    sign_in: Callable[[User], Client],
) -> None:
    comment = say(workspace, reviewer, "Mine")
    assert editor_client.post(act("change", comment), {"text": "Theirs"}).status_code == 404
    assert editor_client.post(act("delete", comment)).status_code == 404
    assert sign_in(owner).post(act("change", comment), {"text": "Theirs"}).status_code == 404
    page = client.post(act("change", comment), {"text": "Mine, better"}, headers=HTMX)
    assert "Mine, better" in page.text and "edited" in page.text
    page = sign_in(owner).post(act("delete", comment), headers=HTMX)
    assert "was deleted by owner-of-lab" in page.text and "better" not in page.text
    comment.refresh_from_db()
    assert comment.text == ""
    assert AuditEvent.objects.get(verb="deleted a comment of").subject == reviewer.username
    assert client.post(act("change", comment), {"text": "again"}).status_code == 404
    assert client.post(act("delete", comment), headers=HTMX).status_code == 200


def test_a_deleted_comment_leaves_a_trace_where_it_stood(client: Client, workspace: Workspace, reviewer: User) -> None:
    thread = say(workspace, reviewer, "Question")
    say(workspace, reviewer, "Answer", parent=thread)
    page = client.post(act("delete", thread), headers=HTMX)
    assert f"A comment of {reviewer.username} was deleted." in page.text
    assert "Answer" in page.text and "Question" not in page.text
    assert not AuditEvent.objects.exists()


def test_anybody_who_writes_resolves_and_reopens(editor_client: Client, workspace: Workspace, reviewer: User) -> None:
    thread = say(workspace, reviewer, "Settled soon")
    answer = say(workspace, reviewer, parent=thread)
    page = editor_client.post(act("resolve", thread), headers=HTMX)
    assert "1 resolved thread" in page.text and "Resolved by editor-of-lab" in page.text
    assert 'data-open-threads="0"' in page.text
    page = editor_client.post(act("resolve", thread), {"back": "1"}, headers=HTMX)
    assert 'data-open-threads="1"' in page.text
    assert editor_client.post(act("resolve", answer)).status_code == 404


def test_comments_of_somebody_who_left_stay(client: Client, workspace: Workspace, editor: User) -> None:
    say(workspace, editor, "Old words")
    editor.delete()
    assert "somebody who left" in client.get(address()).text


def test_threads_cost_the_same_number_of_queries_however_many_there_are(
    client: Client,
    workspace: Workspace,
    reviewer: User,
    editor: User,
    django_assert_max_num_queries: Callable[..., object],
) -> None:
    for _ in range(5):
        thread = say(workspace, editor)
        say(workspace, reviewer, parent=thread)
    with django_assert_max_num_queries(12):  # type: ignore[attr-defined]
        client.get(address(), headers=HTMX)

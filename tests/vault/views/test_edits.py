from __future__ import annotations

import html
import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from studio.jobs import State
from studio.models import Membership, Role, Workspace
from vault import commits
from vault.editing import drafts
from vault.models import DatasetVersion, Draft

URL = "/w/lab/vault/datasets/tickets/"
V1 = URL + "v1/"
ROW = V1 + "rows/0/"
HX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def with_version(version: DatasetVersion) -> None:
    """Every test here edits the tickets."""


@pytest.fixture
def grace_client(workspace: Workspace, sign_in: Callable[[User], Client]) -> Client:
    """A second editor."""
    user = User.objects.create_user(username="grace")
    Membership.objects.create(workspace=workspace, user=user, role=Role.EDITOR)
    return sign_in(user)


def form_of(page: str) -> dict[str, str]:
    """What a browser would send back of the edit form in this page."""
    found = {
        name: value
        for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page)
        if name in ("seen", "next")
    }
    for name, text in re.findall(r'<textarea[^>]*name="(\w+)"[^>]*>\n?(.*?)</textarea>', page, re.DOTALL):
        found[name] = html.unescape(text).replace("\n", "\r\n")
    return found


def commit(client: Client, message: str = "Cleaned") -> None:
    client.post(V1 + "draft/commit/", {"message": message})
    commits.run(Draft.objects.get(state=State.PENDING, ready=True).pk)


# --- one row ----------------------------------------------------------------------------------------------------------


def test_a_row_is_edited_in_a_form_and_shown_as_edited(editor_client: Client) -> None:
    form = form_of(editor_client.get(ROW + "edit/").text)
    assert form["message1"] == "Where is my card?" and form["completion"] == "card_arrival" and form["tags"] == "Rome"
    page = editor_client.post(ROW + "edit/", form | {"completion": "lost_card", "tags": "Rome\r\nhard"}, follow=True)
    assert "is in the draft until you commit" in page.text
    rows = editor_client.get(V1).text
    assert "lost_card" in rows and ">edited<" in rows and "1 edit by editor-of-lab not yet committed" in rows


def test_a_form_sent_back_as_it_was_changes_nothing(editor_client: Client) -> None:
    editor_client.post(ROW + "edit/", form_of(editor_client.get(ROW + "edit/").text))
    assert not Draft.objects.exists()


def test_the_second_person_sees_the_firsts_change_beside_his_own_text_and_chooses(
    editor_client: Client, grace_client: Client, version: DatasetVersion
) -> None:
    first, second = (form_of(client.get(ROW + "edit/").text) for client in (editor_client, grace_client))
    editor_client.post(ROW + "edit/", first | {"completion": "first <b>"})
    page = grace_client.post(ROW + "edit/", second | {"completion": "second"})
    assert page.status_code == 409
    assert "editor-of-lab changed this row" in page.text and "first &lt;b&gt;" in page.text
    again = form_of(page.text)
    assert again["completion"] == "second" and again["seen"] != second["seen"]
    assert grace_client.post(ROW + "edit/", again).status_code == 302
    draft = drafts.live_draft(version)
    assert draft and [operation.params for operation in draft.operations.all()] == [
        {"completion": "first <b>"},
        {"completion": "second"},
    ]


def test_an_edit_that_comes_after_the_commit_is_refused_and_kept_in_the_form(
    editor_client: Client, grace_client: Client
) -> None:
    form = form_of(grace_client.get(ROW + "edit/").text)
    editor_client.post(V1 + "rows/1/change/", {"do": "tag", "do_tag": "x"})
    editor_client.post(V1 + "draft/commit/", {"message": "Done"})
    page = grace_client.post(ROW + "edit/", form | {"completion": "my long text"})
    assert page.status_code == 409 and "being committed right now" in page.text
    assert form_of(page.text)["completion"] == "my long text"


@pytest.mark.parametrize("typed", [{"message0": "", "message1": " "}, {"tags": "x" * 200}])
def test_what_can_not_be_saved_is_said_and_kept(editor_client: Client, typed: dict[str, str]) -> None:
    form = form_of(editor_client.get(ROW + "edit/").text) | typed
    page = editor_client.post(ROW + "edit/", form)
    assert page.status_code == 422 and "callout" in page.text
    assert form_of(page.text) == form
    assert not Draft.objects.exists()


def test_a_text_with_line_breaks_of_another_system_or_a_first_empty_line_survives_the_form() -> None:
    from vault.editing.forms import RowForm
    from vault.rows import Row, assistant

    row = Row("r", [{"role": "user", "content": "a\r\nb"}], assistant("\n\nx"), tags=["two  spaces"])
    sent = RowForm.of(row)
    sent.prompt = [text.replace("\r\n", "\n") for text in sent.prompt]
    assert sent.changes(row) == {}


def test_rejecting_strikes_the_row_through_until_it_is_kept(editor_client: Client) -> None:
    page = editor_client.post(ROW + "change/", {"do": "reject", "next": ROW}, follow=True)
    assert "Rejected by editor-of-lab" in page.text
    assert 'class="is-rejected"' in editor_client.get(V1).text
    editor_client.post(ROW + "change/", {"do": "unreject"})
    assert 'class="is-rejected"' not in editor_client.get(V1).text


def test_anybodys_edit_is_undone_and_redone_from_the_row(editor_client: Client, grace_client: Client) -> None:
    editor_client.post(ROW + "change/", {"do": "tag", "do_tag": "hard"})
    page = grace_client.post(V1 + "draft/1/undo/", {"next": ROW}, follow=True)
    assert "undone by grace" in page.text and "Redo" in page.text
    page = grace_client.post(V1 + "draft/1/redo/", {"next": ROW}, follow=True)
    assert "undone by" not in page.text and "Undo" in page.text


@pytest.mark.parametrize("next_url", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", ""])
def test_only_addresses_of_the_studio_are_gone_back_to(editor_client: Client, next_url: str) -> None:
    page = editor_client.post(ROW + "change/", {"do": "tag", "do_tag": "x", "next": next_url})
    assert page.status_code == 302 and page["Location"] == V1


# --- many rows --------------------------------------------------------------------------------------------------------


def test_a_bulk_action_is_previewed_with_its_count_and_then_done(editor_client: Client) -> None:
    asked = {"do": "replace", "do_field": "prompt", "do_find": "number 5", "do_replacement": "Nr. <5>", "tag": "Lima"}
    page = editor_client.get(V1 + "bulk/", asked)
    assert page.status_code == 200 and "<strong>7 rows</strong> of 57 will change" in page.text
    assert "<del>number" in page.text and "<ins>Nr. &lt;" in page.text
    assert not Draft.objects.exists()
    page = editor_client.post(V1 + "bulk/", asked, follow=True)
    assert "Replaced “number 5” by “Nr. &lt;5&gt;” in the prompt of 7 rows" in page.text
    assert page.redirect_chain[-1][0] == f"{V1}?tag=Lima"


def test_the_preview_alone_answers_what_is_typed(editor_client: Client) -> None:
    headers = HX | {"HX-Target": "section#bulk-preview"}
    text = editor_client.get(V1 + "bulk/", {"do": "tag", "do_tag": "x"}, headers=headers).text
    assert text.strip().startswith("<section") and "<strong>60 rows</strong>" in text
    assert "Write the tag" in editor_client.get(V1 + "bulk/", {"do": "tag"}, headers=headers).text


def test_find_and_replace_looks_at_rows_as_they_stand_in_the_draft(editor_client: Client) -> None:
    editor_client.post(V1 + "bulk/", {"do": "label", "do_field": "completion", "do_text": "parcel", "rid": ["0", "1"]})
    found = editor_client.get(V1 + "bulk/", {"do": "replace", "do_field": "completion", "do_find": "parcel"})
    assert "<strong>2 rows</strong>" in found.text
    gone = editor_client.get(V1 + "bulk/", {"do": "replace", "do_field": "completion", "do_find": "card_arrival"})
    assert "No row would change" in gone.text


def test_ticked_rows_go_before_the_filter(editor_client: Client) -> None:
    page = editor_client.get(V1 + "bulk/", {"do": "reject", "rid": ["3", "4", "999999", "x"], "q": "card"})
    assert "<strong>2 rows</strong>" in page.text


@pytest.mark.parametrize(
    "asked,said",
    [
        ({"do": "replace", "do_find": "(", "do_regex": "on"}, "is not a pattern"),
        ({"do": "replace", "do_find": "a", "do_replacement": r"\2", "do_regex": "on"}, "speaks of group"),
        ({"do": "replace", "do_find": "a", "do_field": "meta"}, "not a field"),
        ({"do": "tag", "do_tag": "x" * 101}, "101 characters"),
        ({"do": "tag", "do_tag": "x", "has": "nonsense"}, "no row was chosen"),
        ({"do": "tag", "do_tag": "x", "min": "abc"}, "no row was chosen"),
    ],
)
def test_what_makes_no_sense_is_refused_and_touches_no_row(
    editor_client: Client, asked: dict[str, str], said: str
) -> None:
    assert said in editor_client.get(V1 + "bulk/", asked).text
    page = editor_client.post(V1 + "bulk/", asked)
    assert page.status_code == 422 and said in page.text
    assert not Draft.objects.exists()


def test_null_characters_are_left_out(editor_client: Client) -> None:
    assert editor_client.post(V1 + "bulk/", {"do": "tag", "do_tag": "a\0b"}).status_code == 302
    draft = Draft.objects.get()
    assert draft.operations.get().params == {"tag": "ab"}


# --- the draft --------------------------------------------------------------------------------------------------------


def test_a_draft_is_reviewed_committed_and_read_as_the_next_version(editor_client: Client) -> None:
    editor_client.post(V1 + "bulk/", {"do": "reject", "do_reason": "spam", "tag": "Oslo"})
    editor_client.post(ROW + "change/", {"do": "tag", "do_tag": "hard"})
    page = editor_client.get(V1 + "draft/").text
    assert "Rejected row 2: spam" in page and "Added the tag “hard” to row 1" in page and "Commit version" in page
    commit(editor_client, "Spam is gone")
    page = editor_client.get(V1 + "draft/").text
    assert "Committed as version 2" in page and "Spam is gone" in page
    assert "hard" in editor_client.get(URL + "v2/").text
    rejects = editor_client.get(URL + "v2/rejects/")
    assert rejects.status_code == 200 and "spam" in rejects.text and "&lt;script&gt;" in rejects.text
    assert editor_client.get(V1 + "rejects/").status_code == 404


def test_a_commit_clicked_twice_makes_one_version(editor_client: Client, version: DatasetVersion) -> None:
    editor_client.post(ROW + "change/", {"do": "tag", "do_tag": "x"})
    commit(editor_client)
    assert editor_client.post(V1 + "draft/commit/", {"message": "again"}).status_code == 302
    assert (
        version.dataset.versions.count() == 2
        and not Draft.objects.filter(ready=True).exclude(state="succeeded").exists()
    )


def test_a_commit_without_a_message_is_not_begun(editor_client: Client) -> None:
    editor_client.post(ROW + "change/", {"do": "tag", "do_tag": "x"})
    page = editor_client.post(V1 + "draft/commit/", {"message": "  "}, follow=True)
    assert "message is empty" in page.text and Draft.objects.get().is_open


def test_a_commit_under_way_shows_progress_and_can_be_stopped(editor_client: Client) -> None:
    editor_client.post(ROW + "change/", {"do": "tag", "do_tag": "x"})
    editor_client.post(V1 + "draft/commit/", {"message": "m"})
    page = editor_client.get(V1 + "draft/").text
    assert "becomes the next version" in page and 'hx-trigger="every 2s"' in page
    assert "being committed" in editor_client.get(V1).text
    editor_client.post(V1 + "draft/stop/")
    assert Draft.objects.get().is_open


def test_a_discarded_draft_is_brought_back(editor_client: Client) -> None:
    editor_client.post(ROW + "change/", {"do": "tag", "do_tag": "hard"})
    page = editor_client.post(V1 + "draft/discard/", follow=True)
    assert "Bring back" in page.text and "not yet committed" not in editor_client.get(V1).text
    draft = Draft.objects.get()
    editor_client.post(V1 + f"draft/reopen/{draft.pk}/")
    assert "not yet committed" in editor_client.get(V1).text


def test_a_failed_commit_says_why_and_goes_on(editor_client: Client) -> None:
    editor_client.post(V1 + "bulk/", {"do": "reject"})
    commit(editor_client)
    page = editor_client.get(V1 + "draft/").text
    assert "would be empty" in page and "Try again" in page and "Go on editing" in page
    assert "failed" in editor_client.get(V1).text
    editor_client.post(V1 + f"draft/reopen/{Draft.objects.get().pk}/")
    assert Draft.objects.get().is_open


READS = [V1 + "draft/", URL + "versions/", URL + "lineage/", URL + "diff/1/1/"]
WRITES = [
    ROW + "edit/",
    ROW + "change/",
    V1 + "bulk/",
    V1 + "draft/commit/",
    V1 + "draft/discard/",
    V1 + "draft/retry/",
    V1 + "draft/stop/",
    V1 + "draft/1/undo/",
    V1 + "draft/1/redo/",
    V1 + "restore/",
]


@pytest.mark.parametrize("url", READS)
def test_viewers_read_and_strangers_find_nothing(viewer_client: Client, stranger_client: Client, url: str) -> None:
    assert viewer_client.get(url).status_code == 200
    assert stranger_client.get(url).status_code == 404


@pytest.mark.parametrize("url", WRITES)
def test_only_editors_change_rows(viewer_client: Client, stranger_client: Client, url: str) -> None:
    assert viewer_client.post(url).status_code == 403
    assert stranger_client.post(url).status_code == 404


def test_viewers_see_the_edits_and_no_buttons(viewer_client: Client, editor_client: Client) -> None:
    editor_client.post(ROW + "change/", {"do": "tag", "do_tag": "hard"})
    for url in (V1, ROW, V1 + "draft/"):
        text = viewer_client.get(url).text
        assert "hard" in text and "Undo" not in text and "data-bulk" not in text and "Commit version" not in text


@pytest.mark.parametrize(
    "url", [V1 + "rows/60/edit/", V1 + "rows/99999999999/edit/", URL + "v9/draft/", URL + "v9/bulk/"]
)
def test_what_is_not_there_is_not_found(editor_client: Client, url: str) -> None:
    assert editor_client.get(url).status_code == 404

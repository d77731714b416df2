from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from studio.models import AuditEvent
from vault import commits, diffs
from vault.editing import drafts
from vault.editing.positions import as_positions
from vault.models import DatasetVersion

URL = "/w/lab/vault/datasets/tickets/"


@pytest.fixture
def second(version: DatasetVersion, editor: User) -> DatasetVersion:
    """Version 2: one row rejected, two answers changed, one tag more."""
    draft = drafts.open_draft(version, user=editor)
    drafts.add(draft, "reject", {"reason": "spam"}, rids=as_positions([1]), user=editor)
    drafts.add(draft, "label", {"field": "completion", "text": "<b>lost</b>"}, rids=as_positions([0, 5]), user=editor)
    drafts.add(draft, "tag", {"tag": "hard"}, rids=as_positions([7]), user=editor)
    drafts.commit(draft, message="Spam & labels", user=editor)
    commits.run(draft.pk)
    draft.refresh_from_db()
    assert draft.made
    return draft.made


def test_versions_say_who_why_from_what_and_how_many(viewer_client: Client, second: DatasetVersion) -> None:
    text = viewer_client.get(URL + "versions/").text
    assert "Spam &amp; labels" in text and "from v1" in text and "3 edits by editor-of-lab" in text
    assert "1 row rejected" in text and URL + "diff/1/2/" in text and "Imported from tickets.csv" in text
    assert "Restore" not in text


def test_a_diff_shows_words_flips_and_tags(viewer_client: Client, second: DatasetVersion) -> None:
    page = viewer_client.get(URL + "diff/1/2/")
    assert page.status_code == 200
    assert "&lt;b&gt;lost&lt;/b&gt;" in page.text and "<b>lost" not in page.text
    assert "4 differences" in page.text and "hard" in page.text and "by editor-of-lab" in page.text
    removed = viewer_client.get(URL + "diff/1/2/", {"kind": "removed"}).text
    assert "1 difference<" in removed and "alert(1)" in removed
    flip = viewer_client.get(URL + "diff/1/2/", {"from": "card_arrival", "to": "<b>lost</b>"}).text
    assert "1 difference<" in flip and "Where is my card?" in flip


def test_a_diff_backwards_turns_it_round_and_with_itself_is_empty(
    viewer_client: Client, second: DatasetVersion
) -> None:
    text = viewer_client.get(URL + "diff/2/1/", {"kind": "added"}).text
    assert "alert(1)" in text and "1 difference<" in text
    assert "The same rows" in viewer_client.get(URL + "diff/1/1/").text


@pytest.mark.parametrize("query", [{"kind": "nonsense"}, {"after": "x"}, {"after": "9" * 30}, {"from": "\0"}])
def test_a_choice_that_makes_no_sense_breaks_nothing(
    viewer_client: Client, second: DatasetVersion, query: dict[str, str]
) -> None:
    assert viewer_client.get(URL + "diff/1/2/", query).status_code == 200


def test_a_diff_under_way_asks_for_itself(
    viewer_client: Client, second: DatasetVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diffs, "AT_ONCE", 1)
    text = viewer_client.get(URL + "diff/1/2/").text
    assert 'hx-trigger="every 1s"' in text and "Comparing" in text


def test_choosing_two_versions_leads_to_their_diff(viewer_client: Client, second: DatasetVersion) -> None:
    assert viewer_client.get(URL + "diff/", {"old": "2", "new": "1"})["Location"] == URL + "diff/2/1/"
    assert viewer_client.get(URL + "diff/")["Location"] == URL + "diff/1/2/"
    assert viewer_client.get(URL + "diff/1/9/").status_code == 404


def test_an_old_version_is_restored(editor_client: Client, second: DatasetVersion, version: DatasetVersion) -> None:
    page = editor_client.post(URL + "v1/restore/", follow=True)
    assert "Version 3 now holds the rows of version 1" in page.text and "the rows of v1" in page.text
    assert AuditEvent.objects.filter(verb="restored").exists()
    page = editor_client.post(URL + "v1/restore/", follow=True)
    assert "holds these very rows already" in page.text and version.dataset.versions.count() == 3


def test_the_lineage_goes_from_the_file_to_the_versions(viewer_client: Client, second: DatasetVersion) -> None:
    text = viewer_client.get(URL + "lineage/").text
    assert "tickets.csv" in text and "v2 · 59 rows" in text and "lineage-edited" in text
    assert text.count(URL + "v2/") >= 2

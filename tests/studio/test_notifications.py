"""The list behind the bell, and the page of choices."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.mail import EmailMultiAlternatives
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from studio import mail, notices
from studio.jobs import State
from studio.models import Delivery, Membership, Notification, NotificationChoice, Workspace
from studio.views.notifications import PAGE
from tests.studio.test_notices import news

HTMX = {"HX-Request": "true", "HX-Target": "drawer", "HX-Current-URL": "http://testserver/w/lab/runs/?state=failed"}


def address(name: str = "notifications", *args: object) -> str:
    return reverse(name, args=["lab", *args])


@pytest.fixture
def told(workspace: Workspace, editor: User) -> Notification:
    """One unread notice of the editor's."""
    notices.tell(workspace, news(owner=editor.pk, title="Run 1 of <b>Toy</b> failed"))
    return Notification.objects.get()


def test_the_list_shows_own_notices_and_links_to_what_they_are_about(
    editor_client: Client, viewer_client: Client, told: Notification
) -> None:
    page = editor_client.get(address())
    assert "Run 1 of &lt;b&gt;Toy&lt;/b&gt; failed" in page.text
    assert f'href="{told.url}"' in page.text
    assert "Toy" not in viewer_client.get(address()).text
    assert "Nothing yet" in viewer_client.get(address()).text


def test_every_page_counts_what_is_unread_and_the_poll_keeps_it_fresh(
    editor_client: Client, told: Notification
) -> None:
    assert 'class="bell-count">1<' in editor_client.get(address("members")).text
    poll = editor_client.get(address("activity"), headers={"HX-Request": "true"})
    assert 'hx-target="#bell"' in poll.text and 'class="bell-count">1<' in poll.text
    notices.mark_read(told.user, told.workspace)
    assert "bell-count" not in editor_client.get(address("members")).text
    assert "bell-count" not in editor_client.get(address("activity")).text


def test_the_drawer_closes_to_the_page_it_was_opened_on(editor_client: Client, told: Notification) -> None:
    drawer = editor_client.get(address(), headers=HTMX)
    assert "<studio-drawer>" in drawer.text and "<html" not in drawer.text
    assert 'href="/w/lab/runs/?state=failed"' in drawer.text


def test_one_or_all_are_marked_read(editor_client: Client, workspace: Workspace, told: Notification) -> None:
    answer = editor_client.post(address("notification_read", told.pk), {"next": "/w/lab/runs/"})
    assert (answer.status_code, answer["Location"]) == (302, "/w/lab/runs/")
    assert "Nothing unread" in editor_client.get(address() + "?show=unread").text
    for _ in range(2):
        notices.tell(workspace, news(owner=told.user_id))
    assert editor_client.post(address("notifications_read")).status_code == 302
    assert notices.count_unread(told.user, workspace) == 0


def test_a_script_marks_read_without_a_page(editor_client: Client, told: Notification) -> None:
    assert editor_client.post(address("notification_read", told.pk), {"quiet": "1"}).status_code == 204
    told.refresh_from_db()
    assert told.read_at is not None


def test_going_back_never_leaves_the_studio(editor_client: Client, told: Notification) -> None:
    for target in ("https://elsewhere.example", "//elsewhere.example", "javascript:alert(1)"):
        answer = editor_client.post(address("notification_read", told.pk), {"next": target})
        assert answer["Location"] == address()


def test_nobody_reads_or_marks_what_is_told_to_another(
    viewer_client: Client, stranger_client: Client, told: Notification
) -> None:
    assert viewer_client.post(address("notification_read", told.pk)).status_code == 404
    for name in ("notifications", "notification_choices"):
        assert stranger_client.get(address(name)).status_code == 404
    for name in ("notifications_read", "notification_address"):
        assert stranger_client.post(address(name)).status_code == 404
        assert viewer_client.get(address(name)).status_code == 405
    told.refresh_from_db()
    assert told.read_at is None


def test_older_ones_are_a_page_away(editor_client: Client, workspace: Workspace, editor: User) -> None:
    for number in range(PAGE + 2):
        notices.tell(workspace, news(owner=editor.pk, title=f"Run no{number}."))
    first = editor_client.get(address() + "?show=unread")
    assert "no2." in first.text and "no1." not in first.text
    oldest = Notification.objects.order_by("-pk")[PAGE - 1].pk
    assert f"?show=unread&amp;before={oldest}" in first.text
    second = editor_client.get(f"{address()}?before={oldest}")
    assert "no1." in second.text and "no2." not in second.text
    assert editor_client.get(address() + "?before=x").status_code == 200


# --- choices ---------------------------------------------------------------------------------------------------------


def test_a_member_chooses_what_to_be_told_of(viewer_client: Client, viewer: User) -> None:
    page = viewer_client.get(address("notification_choices"))
    assert 'value="mine" checked' in page.text
    answer = viewer_client.post(address("notification_choices"), {"about": "all", "mail": "trouble"})
    assert answer.status_code == 302
    viewer_client.post(address("notification_choices"), {"about": "none", "mail": "trouble"})
    chosen = NotificationChoice.objects.get()
    assert (chosen.membership, chosen.about, chosen.mail) == (Membership.objects.get(user=viewer), "none", "trouble")


def test_a_choice_that_is_none_is_shown_and_not_kept(viewer_client: Client) -> None:
    page = viewer_client.post(address("notification_choices"), {"about": "everything", "mail": "never"})
    assert page.status_code == 422
    assert "not one of the available choices" in page.text
    assert not NotificationChoice.objects.exists()


def test_a_studio_without_a_mail_server_says_so(viewer_client: Client, settings: Settings) -> None:
    settings.EMAIL_URL = ""
    assert "STUDIO_EMAIL_URL is not set" in viewer_client.get(address("notification_choices")).text
    page = viewer_client.post(address("notification_address"), {"email": "me@example.org"})
    assert page.status_code == 422


def test_an_address_counts_once_the_link_sent_there_was_used(
    viewer_client: Client,
    viewer: User,
    editor_client: Client,
    settings: Settings,
    mailoutbox: list[EmailMultiAlternatives],
) -> None:
    settings.EMAIL_URL = "smtp://mail.example.org"
    assert viewer_client.post(address("notification_address"), {"email": "me@example.org"}).status_code == 302
    [message] = mailoutbox
    link = next(word for word in message.body.split() if "/account/address/" in word)
    path = link.removeprefix(settings.STUDIO_URL)
    assert editor_client.get(path).status_code == 403
    assert "me@example.org" in viewer_client.get(path).text
    viewer.refresh_from_db()
    assert viewer.email == ""
    assert viewer_client.post(path).status_code == 302
    viewer.refresh_from_db()
    assert viewer.email == "me@example.org"
    assert viewer_client.post(path[:-3] + "/").status_code == 403
    assert viewer_client.post(address("notification_address"), {"email": ""}).status_code == 302
    viewer.refresh_from_db()
    assert viewer.email == ""


def test_confirmation_mails_are_not_sent_as_fast_as_one_can_click(
    viewer_client: Client, settings: Settings, mailoutbox: list[EmailMultiAlternatives]
) -> None:
    settings.EMAIL_URL = "smtp://mail.example.org"
    for victim in ("a@example.org", "b@example.org"):
        page = viewer_client.post(address("notification_address"), {"email": victim})
    assert page.status_code == 422 and "in a minute" in page.text
    assert len(mailoutbox) == 1


def test_a_mail_server_that_refuses_is_told_on_the_page(
    viewer_client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise mail.MailRefused("The mail server did not take it: refused.", action="Ask the operator.")

    settings.EMAIL_URL = "smtp://mail.example.org"
    monkeypatch.setattr(mail, "_send", refuse)
    page = viewer_client.post(address("notification_address"), {"email": "me@example.org"})
    assert page.status_code == 422 and "did not take it" in page.text
    assert viewer_client.post(address("notification_address"), {"email": "nonsense"}).status_code == 422


def test_a_mail_that_was_lost_is_shown_to_its_person(
    editor_client: Client, viewer_client: Client, told: Notification
) -> None:
    Delivery.objects.create(
        workspace=told.workspace,
        notification=told,
        event="run.failed",
        state=State.FAILED,
        finished_at=told.created_at,
        error="The mail server does not take mail for x.",
    )
    assert "does not take mail" in editor_client.get(address("notification_choices")).text
    assert "does not take mail" not in viewer_client.get(address("notification_choices")).text


def test_people_share_the_indicator_of_what_is_at_work_but_not_each_others_bell(
    editor_client: Client, viewer_client: Client, told: Notification, settings: Settings
) -> None:
    settings.SHARED_POLL_SECONDS = 1.0
    url = reverse("activity", args=["lab"])
    mine, theirs = editor_client.get(url, headers=HTMX).text, viewer_client.get(url, headers=HTMX).text
    assert "unread</span>" in mine
    assert "unread</span>" not in theirs

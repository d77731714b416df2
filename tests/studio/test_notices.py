"""Who is told what."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from pytest_django.fixtures import Settings

from studio import notices
from studio.jobs import State
from studio.models import Delivery, Membership, Notification, NotificationChoice, Webhook, Workspace
from studio.notices import News

MAIL = "smtp://mail.example.org"


def news(**changes: object) -> News:
    values: dict[str, object] = {
        "event": "run.failed",
        "tone": "failed",
        "title": "Run 1 of Toy failed",
        "text": "The teacher said 401.",
        "path": "/w/lab/runs/1/",
    }
    return News(**{**values, **changes})  # type: ignore[arg-type]


def choose(user: User, about: str = "mine", mail: str = "never") -> None:
    membership = Membership.objects.get(user=user)
    NotificationChoice.objects.update_or_create(membership=membership, defaults={"about": about, "mail": mail})


def told() -> list[str]:
    return sorted(n.user.username.partition("-")[0] for n in Notification.objects.all())


def test_without_a_choice_a_person_is_told_of_their_own_runs(workspace: Workspace, editor: User, owner: User) -> None:
    notices.tell(workspace, news(owner=editor.pk))
    assert told() == ["editor"]
    notices.tell(workspace, news(owner=None))
    assert told() == ["editor"]


def test_people_are_told_of_what_they_chose(workspace: Workspace, editor: User, owner: User, viewer: User) -> None:
    choose(owner, "all")
    choose(editor, "none")
    notices.tell(workspace, news(owner=editor.pk))
    assert told() == ["owner"]


def test_who_did_it_left_or_may_not_sign_in_is_not_told(
    workspace: Workspace, editor: User, owner: User, viewer: User, stranger: User
) -> None:
    for user in (editor, owner, viewer):
        choose(user, "all")
    User.objects.filter(pk=viewer.pk).update(is_active=False)
    notices.tell(workspace, news(owner=editor.pk), by=editor)
    notices.tell(workspace, news(owner=stranger.pk), by=editor)
    assert told() == ["owner", "owner"]


@pytest.mark.parametrize(
    ("mail", "tone", "sent"),
    [
        ("never", "failed", 0),
        ("trouble", "failed", 1),
        ("trouble", "waiting", 1),
        ("trouble", "mention", 1),
        ("trouble", "succeeded", 0),
        ("all", "succeeded", 1),
    ],
)
def test_mails_go_to_those_who_chose_them(
    workspace: Workspace, editor: User, settings: Settings, mail: str, tone: str, sent: int
) -> None:
    settings.EMAIL_URL = MAIL
    User.objects.filter(pk=editor.pk).update(email="ed@example.org")
    choose(editor, mail=mail)
    notices.tell(workspace, news(owner=editor.pk, tone=tone))
    assert Notification.objects.count() == 1
    assert Delivery.objects.count() == sent


def test_no_mail_is_queued_without_an_address_or_a_mail_server(
    workspace: Workspace, editor: User, settings: Settings
) -> None:
    choose(editor, mail="all")
    settings.EMAIL_URL = MAIL
    notices.tell(workspace, news(owner=editor.pk))
    User.objects.filter(pk=editor.pk).update(email="ed@example.org")
    settings.EMAIL_URL = ""
    notices.tell(workspace, news(owner=editor.pk))
    assert Notification.objects.count() == 2
    assert not Delivery.objects.exists()


def test_webhooks_get_the_events_they_asked_for_unless_they_are_paused(
    workspace: Workspace, other_workspace: Workspace
) -> None:
    for number, (room, events, active) in enumerate(
        [
            (workspace, ["run.failed"], True),
            (workspace, ["run.succeeded"], True),
            (workspace, ["run.failed"], False),
            (other_workspace, ["run.failed"], True),
        ]
    ):
        Webhook.objects.create(
            workspace=room, url=f"https://host/{number}", events=events, active=active, encrypted=b"x"
        )
    notices.tell(workspace, news(title="Run 1 of\n Toy  failed", facts={"run": {"number": 1}}))
    [delivery] = Delivery.objects.all()
    assert delivery.webhook is not None and delivery.webhook.url == "https://host/0"
    assert delivery.payload["text"] == "Run 1 of Toy failed"
    assert delivery.payload["type"] == "run.failed"
    assert delivery.payload["run"] == {"number": 1}
    assert delivery.payload["url"].endswith("/w/lab/runs/1/") and delivery.payload["url"].startswith("http")
    assert delivery.queue_name == "io"


def test_what_is_rolled_back_was_never_told(workspace: Workspace, editor: User) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        notices.tell(workspace, news(owner=editor.pk))
        raise RuntimeError
    assert not Notification.objects.exists()


def test_long_words_are_cut_to_what_is_kept(workspace: Workspace, editor: User) -> None:
    notices.tell(workspace, news(owner=editor.pk, title="t" * 500, text="x" * 9_000))
    notice = Notification.objects.get()
    assert (len(notice.title), len(notice.text)) == (200, 2_000)


def test_reading_counts_for_one_person_in_one_workspace(workspace: Workspace, editor: User, owner: User) -> None:
    choose(owner, "all")
    for _ in range(3):
        notices.tell(workspace, news(owner=editor.pk))
    first = Notification.objects.filter(user=editor).first()
    assert first is not None
    assert notices.mark_read(editor, workspace, pk=first.pk) == 1
    assert notices.count_unread(editor, workspace) == 2
    assert notices.mark_read(editor, workspace) == 2
    assert (notices.count_unread(editor, workspace), notices.count_unread(owner, workspace)) == (0, 3)


def test_what_no_longer_waits_is_read_by_everybody(workspace: Workspace, editor: User) -> None:
    notices.tell(workspace, news(owner=editor.pk, tone="waiting", path="/w/lab/runs/1/steps/say/"))
    notices.tell(workspace, news(owner=editor.pk, tone="waiting", path="/w/lab/runs/12/steps/say/"))
    notices.tell(workspace, news(owner=editor.pk, tone="failed", path="/w/lab/runs/1/"))
    notices.settle_waiting(workspace, path="/w/lab/runs/1/")
    unread = Notification.objects.filter(read_at__isnull=True)
    assert sorted(n.url for n in unread) == ["/w/lab/runs/1/", "/w/lab/runs/12/steps/say/"]


def test_old_notices_and_deliveries_are_forgotten(workspace: Workspace, editor: User) -> None:
    hook = Webhook.objects.create(workspace=workspace, url="https://host", events=["run.failed"], encrypted=b"x")
    for _ in range(3):
        notices.tell(workspace, news(owner=editor.pk))
    now = timezone.now()
    old, unread_old, _ = Notification.objects.order_by("pk")
    Notification.objects.filter(pk=old.pk).update(read_at=now - timedelta(days=91))
    Notification.objects.filter(pk=unread_old.pk).update(created_at=now - timedelta(days=91))
    long_ago, waiting, _ = hook.deliveries.all()
    Delivery.objects.filter(pk=long_ago.pk).update(state=State.SUCCEEDED, finished_at=now - timedelta(days=31))
    Delivery.objects.filter(pk=waiting.pk).update(created_at=now - timedelta(days=31))
    notices.forget_old()
    assert Notification.objects.count() == 2
    assert hook.deliveries.count() == 2 and not hook.deliveries.filter(pk=long_ago.pk).exists()

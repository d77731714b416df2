"""What waits for whose signature."""

from __future__ import annotations

from django.contrib.auth.models import User

from evaluation.models import Scorecard
from evaluation.signoff import records
from evaluation.signoff.waiting import waiting_items
from studio import waiting
from studio.models import Membership
from tests.evaluation.signoff.conftest import say


def test_a_report_waits_only_once_the_team_was_asked(card: Scorecard, reviewer: User, owner: User) -> None:
    assert waiting_items(reviewer, card.workspace) == []
    found = records.ask(card, by=owner)
    (item,) = waiting.items(reviewer, card.workspace)
    assert item["url"] == found.get_absolute_url()
    assert "run 1" in item["title"]


def test_the_author_viewers_and_who_has_said_something_are_not_asked(
    card: Scorecard, reviewer: User, editor: User, viewer: User, owner: User
) -> None:
    records.ask(card, by=owner)
    assert waiting_items(editor, card.workspace) == []
    assert waiting_items(viewer, card.workspace) == []
    say(card, editor)
    assert waiting_items(reviewer, card.workspace)
    say(card, reviewer)
    assert waiting_items(owner, card.workspace) == [], "it is approved"


def test_the_author_is_asked_where_nobody_else_may_sign(card: Scorecard, editor: User) -> None:
    Membership.objects.exclude(user=editor).delete()
    records.ask(card, by=editor)
    assert len(waiting_items(editor, card.workspace)) == 1

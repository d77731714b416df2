"""Links to a report: made once, hashed, counted, ended."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from evaluation.models import ReportShare, Scorecard
from evaluation.report import sharing
from studio.lib.errors import StudioError
from studio.models import AuditEvent


def make(card: Scorecard, by: User, **more: object) -> tuple[ReportShare, str]:
    return sharing.make(card, **{"days": 7, "with_rows": False, "note": "", "by": by, **more})  # type: ignore[arg-type]


def test_the_token_is_not_in_the_database(scorecard: Scorecard, editor: User) -> None:
    share, token = make(scorecard, editor)
    assert len(token) >= 40
    assert token not in str(ReportShare.objects.values().get())
    assert token not in str(list(AuditEvent.objects.values()))
    assert sharing.open_link(token).pk == share.pk


def test_openings_are_counted_and_the_first_is_in_the_audit_trail(scorecard: Scorecard, editor: User) -> None:
    share, token = make(scorecard, editor)
    for _ in range(3):
        sharing.open_link(token)
    share.refresh_from_db()
    assert share.opened == 3
    assert AuditEvent.objects.filter(verb="was opened first:").count() == 1


def test_it_opens_only_so_often_a_minute(scorecard: Scorecard, editor: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "OPENINGS", 2)
    _, token = make(scorecard, editor)
    sharing.open_link(token)
    sharing.open_link(token)
    with pytest.raises(sharing.TooOften):
        sharing.open_link(token)
    ReportShare.objects.update(window_at=timezone.now() - timedelta(minutes=2))
    sharing.open_link(token)


def test_an_expired_a_revoked_and_an_unknown_link_say_so(scorecard: Scorecard, editor: User) -> None:
    share, token = make(scorecard, editor)
    ReportShare.objects.update(expires_at=timezone.now())
    with pytest.raises(sharing.Gone, match="expired"):
        sharing.open_link(token)
    assert sharing.revoke(share, by=editor)
    assert not sharing.revoke(share, by=editor)
    with pytest.raises(sharing.Gone, match="revoked"):
        sharing.open_link(token)
    with pytest.raises(sharing.Gone, match="no such link"):
        sharing.open_link("guess")
    assert AuditEvent.objects.filter(verb="revoked a link to").count() == 1


def test_a_link_does_not_live_forever_and_there_are_not_endlessly_many(
    scorecard: Scorecard, editor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StudioError, match="A link lives"):
        make(scorecard, editor, days=3650)
    monkeypatch.setattr(sharing, "MOST_LIVE", 1)
    make(scorecard, editor)
    with pytest.raises(StudioError, match="open links"):
        make(scorecard, editor)

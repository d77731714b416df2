"""Read-only links to a report: make, revoke, open. The token is shown once; the database keeps its hash."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from evaluation.models import ReportShare, Scorecard
from evaluation.signoff.reading import subject_of
from studio import audit
from studio.lib.errors import StudioError

DAYS = (1, 7, 30, 90)
"""How long a link may live."""
MOST_LIVE = 20
"""Links to one report that are open at once."""
OPENINGS = 60
"""A link is opened at most so often in a minute."""
WINDOW = timedelta(minutes=1)


class Gone(StudioError):
    """The link leads nowhere (any more); its text says why."""


class TooOften(StudioError):
    """The link was opened too often in a minute."""

    def __init__(self) -> None:
        super().__init__("This link was opened very often just now.", action="Try again in a minute.")


def hash_of(token: str) -> str:
    """What the database keeps of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


@transaction.atomic
def make(card: Scorecard, *, days: int, with_rows: bool, note: str, by: User) -> tuple[ReportShare, str]:
    """A new link and its token, which is not to be had again. Raises ``StudioError`` for too long a life or too many links."""
    if days not in DAYS:
        raise StudioError(
            f"A link lives {', '.join(map(str, DAYS[:-1]))} or {DAYS[-1]} days.", action="Choose one of them."
        )
    live = card.shares.filter(revoked_at=None, expires_at__gt=timezone.now()).count()
    if live >= MOST_LIVE:
        raise StudioError(f"This report has {live} open links.", action="Revoke those that are no longer needed.")
    token = secrets.token_urlsafe(32)
    share = ReportShare.objects.create(
        scorecard=card,
        token_sha256=hash_of(token),
        note=note.strip()[:120],
        with_rows=with_rows,
        expires_at=timezone.now() + timedelta(days=days),
        created_by=by,
    )
    audit.record(
        card.workspace,
        actor=by,
        verb="made a link to",
        subject=subject_of(card),
        details={"link": str(share.pk), "days": days, "with_rows": with_rows, "note": share.note},
    )
    return share, token


@transaction.atomic
def revoke(share: ReportShare, *, by: User) -> bool:
    """End a link now; False when it had been revoked already."""
    found = ReportShare.objects.filter(pk=share.pk, revoked_at=None)
    if not found.update(revoked_at=timezone.now(), revoked_by=by.get_username()):
        return False
    card = share.scorecard
    audit.record(
        card.workspace, actor=by, verb="revoked a link to", subject=subject_of(card), details={"link": str(share.pk)}
    )
    return True


def open_link(token: str) -> ReportShare:
    """The share behind a token, its opening counted. Raises :class:`Gone` or :class:`TooOften`."""
    known = ReportShare.objects.select_related(
        "scorecard__workspace", "scorecard__report", "scorecard__step_run__run__version__pipeline"
    )
    share = known.filter(token_sha256=hash_of(token)).first()
    if share is None:
        raise Gone("There is no such link.", action="Check that it was copied whole.")
    if share.revoked_at is not None:
        raise Gone("This link was revoked.", action="Ask whoever sent it for another.")
    now = timezone.now()
    if share.expires_at <= now:
        raise Gone(f"This link expired on {share.expires_at:%d %B %Y}.", action="Ask whoever sent it for another.")
    mine = ReportShare.objects.filter(pk=share.pk)
    # The first opening of a new minute starts the count; others add to it while there is room.
    fresh = mine.filter(Q(window_at=None) | Q(window_at__lt=now - WINDOW)).update(window_at=now, window_count=1)
    if not fresh and not mine.filter(window_count__lt=OPENINGS).update(window_count=F("window_count") + 1):
        raise TooOften
    if not share.opened:
        audit.record(
            share.scorecard.workspace,
            actor="link",
            verb="was opened first:",
            subject=subject_of(share.scorecard),
            details={"link": str(share.pk)},
        )
    mine.update(opened=F("opened") + 1, last_opened_at=now)
    return share

"""Drafts: add an operation, undo it, do it again, see a row as it stands.

Whoever changes a draft first touches its row under the condition that it is open. That one UPDATE is what orders edits and
commits: an edit either lands before the commit closes the draft, or is refused with :class:`Closed` and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet, Sum
from django.utils import timezone

from studio import audit
from studio.jobs import LIVE, State
from studio.lib.errors import StudioError
from vault.editing.changes import Change, Record, change, folded, stamp
from vault.editing.positions import Positions, pack, unpack
from vault.models import DatasetVersion, Draft, EditOperation
from vault.rows import Row

MOST = 10_000
"""Operations in one draft: with more, a commit is due."""


class Closed(StudioError):
    """The draft is being committed, or was, while somebody edited."""


class Changed(StudioError):
    """Somebody else changed this row after the form was filled."""


def live_draft(version: DatasetVersion) -> Draft | None:
    """The version's draft that is open, being committed, or failed to be."""
    return version.drafts.filter(state__in=(*LIVE, State.FAILED)).first()


def open_draft(version: DatasetVersion, *, user: Any) -> Draft:
    """The version's open draft, made when there is none. Raises :class:`Closed` while one is being committed."""
    found = live_draft(version)
    if found is None:
        try:
            with transaction.atomic():
                return Draft.objects.create(version=version, ready=False, created_by=user)
        except IntegrityError:
            # Two people began at once.
            found = live_draft(version)
    if found is None or not found.is_open:
        raise closed(found)
    return found


def closed(draft: Draft | None) -> Closed:
    """Why nothing can be added now, and what to do."""
    if draft is not None and draft.state == State.FAILED:
        return Closed(
            f"The commit of this version's edits failed: {draft.error}",
            action="Open the draft, then try the commit again or go on editing.",
        )
    if draft is not None and draft.state == State.SUCCEEDED and draft.made:
        return Closed(
            f"These edits were committed as version {draft.made.number} a moment ago; your change is not in it.",
            action=f"Nothing you typed is lost: make the change in version {draft.made.number}.",
        )
    return Closed(
        "The edits of this version are being committed right now; your change is not among them.",
        action="Nothing you typed is lost: wait for the new version and make the change there.",
    )


def _hold(draft: Draft, *, adding: int = 0) -> None:
    """Inside a transaction: be the only one to change this draft, or raise :class:`Closed`."""
    held = Draft.objects.filter(pk=draft.pk, state=State.PENDING, ready=False)
    if not held.update(last_number=F("last_number") + adding):
        draft.refresh_from_db()
        raise closed(draft)
    draft.refresh_from_db(fields=["last_number"])


def add(draft: Draft, kind: str, params: Mapping[str, Any], *, rids: Positions, user: Any) -> EditOperation:
    """Lay one operation over these rows. Raises :class:`Closed`, or ``StudioError`` when it does nothing or is one too many."""
    if not len(rids):
        raise StudioError("No row would be changed.", action="Choose other rows, or another filter.")
    if draft.last_number >= MOST:
        raise StudioError(
            f"This draft holds {MOST:,} edits, as many as one may.", action="Commit them, and go on in the new version."
        )
    change(kind, params, by="", at="")
    packed = pack(rids)
    with transaction.atomic():
        _hold(draft, adding=1)
        return EditOperation.objects.create(
            draft=draft,
            number=draft.last_number,
            kind=kind,
            params=dict(params),
            rids=packed,
            low=int(rids[0]),
            high=int(rids[-1]),
            count=len(rids),
            author=user,
        )


@dataclass(frozen=True)
class Standing:
    """One row as it stands in a draft. ``stamp`` differs when what a person sees of it does; forms send it back."""

    base: Row
    record: Record
    operations: Sequence[EditOperation] = field(default_factory=list)

    @property
    def row(self) -> Row:
        """The row with all edits."""
        return self.record.row()

    @property
    def stamp(self) -> str:
        """See :func:`vault.editing.changes.stamp`."""
        return stamp(self.record)

    @property
    def rejected(self) -> dict[str, str] | None:
        """Who rejected it and why, or None."""
        return self.record.rejected

    @property
    def edited(self) -> bool:
        """Whether its content is not the version's."""
        return self.record.edited is not None

    @property
    def last(self) -> EditOperation | None:
        """The newest operation in force."""
        return self.operations[-1] if self.operations else None


def operations_on(draft: Draft, *, low: int, high: int) -> QuerySet[EditOperation]:
    """The operations that may concern rows from ``low`` to ``high``, the undone ones too."""
    return draft.operations.filter(low__lte=high, high__gte=low).select_related("author", "undone_by")


def standing(draft: Draft | None, rid: int, row: Row) -> Standing:
    """One row with the draft's operations."""
    return lay_over(draft, [(rid, row)])[rid]


def lay_over(draft: Draft | None, rows: Sequence[tuple[int, Row]]) -> dict[int, Standing]:
    """Rows of a page with the draft's operations, by position."""
    if draft is None or not rows:
        return {rid: Standing(row, folded(row, [])) for rid, row in rows}
    rids = [rid for rid, _ in rows]
    low, high = min(rids), max(rids)
    mine: dict[int, list[EditOperation]] = {rid: [] for rid in rids}
    for operation in operations_on(draft, low=low, high=high).filter(undone_at__isnull=True):
        for rid in unpack(operation.rids, low=low, high=high + 1).tolist():
            if rid in mine:
                mine[rid].append(operation)
    changes: dict[int, Change] = {}
    for operation in {one.number: one for many in mine.values() for one in many}.values():
        changes[operation.number] = change_of(operation)
    return {rid: Standing(row, folded(row, [changes[o.number] for o in mine[rid]]), mine[rid]) for rid, row in rows}


def change_of(operation: EditOperation) -> Change:
    """What an operation does, as plain data."""
    author = operation.author.get_username() if operation.author else "somebody"
    at = operation.created_at.isoformat(timespec="seconds")
    return change(operation.kind, operation.params, by=author, at=at, number=operation.number)


def edit_row(
    draft: Draft, rid: int, row: Row, kind: str, params: Mapping[str, Any], *, seen: str, user: Any
) -> EditOperation:
    """One person's edit of one row, if the row is still as ``seen`` (its stamp). Raises :class:`Changed` or :class:`Closed`."""
    with transaction.atomic():
        _hold(draft)
        present = standing(draft, rid, row)
        if seen and seen != present.stamp:
            raise Changed("This row was changed meanwhile.", action="Look at both and choose.")
        return add(draft, kind, params, rids=np.array([rid], dtype=np.int64), user=user)


def undo(operation: EditOperation, *, user: Any) -> bool:
    """Take an operation back, one's own or another's. False when it was undone already. Raises :class:`Closed`."""
    with transaction.atomic():
        _hold(operation.draft)
        alive = EditOperation.objects.filter(pk=operation.pk, undone_at__isnull=True)
        return bool(alive.update(undone_at=timezone.now(), undone_by=user))


def redo(operation: EditOperation, *, user: Any) -> bool:
    """Do an undone operation again, at its old place in the order. False when it was in force. Raises :class:`Closed`."""
    with transaction.atomic():
        _hold(operation.draft)
        dead = EditOperation.objects.filter(pk=operation.pk, undone_at__isnull=False)
        return bool(dead.update(undone_at=None, undone_by=None))


def commit(draft: Draft, *, message: str, user: Any) -> bool:
    """Close the draft and have the next version made. False when somebody else did. Raises ``StudioError`` when it is empty."""
    with transaction.atomic():
        if not draft.operations.filter(undone_at__isnull=True).exists():
            raise StudioError("There is no edit to commit.", action="Edit some rows first, or discard the draft.")
        if not draft.close(message=message, user=user):
            return False
        audit.record(
            draft.version.dataset.workspace,
            actor=user,
            verb="began to commit edits of",
            subject=str(draft.version),
            details={"message": message, "operations": draft.operations.filter(undone_at__isnull=True).count()},
        )
    draft.ring()
    return True


def discard(draft: Draft, *, user: Any) -> bool:
    """Lay a draft aside; it can be reopened. False when it was neither open nor failed."""
    with transaction.atomic():
        if not draft.discard():
            return False
        audit.record(
            draft.version.dataset.workspace,
            actor=user,
            verb="discarded the edits of",
            subject=str(draft.version),
            details={"operations": draft.operations.filter(undone_at__isnull=True).count()},
        )
    return True


def reopen(draft: Draft) -> bool:
    """Go on editing a draft that was discarded or whose commit failed. Raises ``StudioError`` when another one is open."""
    try:
        with transaction.atomic():
            return draft.reopen()
    except IntegrityError:
        raise StudioError(
            "Somebody has begun another draft of this version.", action="Commit or discard that one first."
        ) from None


@dataclass(frozen=True)
class Tally:
    """What the draft bar says. ``rows`` counts a row once for each operation on it."""

    edits: int
    rows: int
    people: list[str]


def tally(draft: Draft) -> Tally:
    """Counts over the operations in force."""
    alive = draft.operations.filter(undone_at__isnull=True)
    names: Iterable[str] = alive.order_by().values_list("author__username", flat=True).distinct()
    return Tally(alive.count(), alive.aggregate(n=Sum("count"))["n"] or 0, sorted(name or "somebody" for name in names))

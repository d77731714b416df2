"""The audit trail: one hash-chained list of events a workspace."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import transaction
from django.utils import timezone

from studio.lib.canonical import fingerprint
from studio.models import AuditEvent, Workspace

FIRST = "0" * 64


def _digest(event: AuditEvent) -> str:
    return fingerprint(
        {
            "workspace": str(event.workspace_id),
            "number": event.number,
            "at": event.at.isoformat(),
            "actor": event.actor,
            "verb": event.verb,
            "subject": event.subject,
            "details": event.details,
            "previous": event.previous,
        }
    )


@transaction.atomic
def record(
    workspace: Workspace, *, actor: Any, verb: str, subject: str, details: dict[str, Any] | None = None
) -> AuditEvent:
    """Append an event. ``actor`` is a user, or a name such as ``"worker"``. Details must be plain JSON and hold no secret."""
    # Locking the workspace keeps two writers from taking the same number; SQLite's immediate transactions do it anyway.
    Workspace.objects.select_for_update().get(pk=workspace.pk)
    last = AuditEvent.objects.filter(workspace=workspace).order_by("-number").first()
    event = AuditEvent(
        workspace=workspace,
        number=last.number + 1 if last else 1,
        at=timezone.now(),
        actor=actor if isinstance(actor, str) else actor.get_username(),
        verb=verb,
        subject=subject[:200],
        details=details or {},
        previous=last.digest if last else FIRST,
    )
    event.digest = _digest(event)
    event.save(force_insert=True)
    return event


def verify(workspace: Workspace) -> Iterator[str]:
    """Every break in a workspace's chain, in words; nothing when it is whole."""
    previous, number = FIRST, 0
    for event in AuditEvent.objects.filter(workspace=workspace).order_by("number").iterator():
        number += 1
        if event.number != number:
            yield f"Event {number} is missing (the next one is {event.number})."
            number = event.number
        if event.previous != previous:
            yield f"Event {event.number} does not follow from the one before it."
        if event.digest != _digest(event):
            yield f"Event {event.number} ({event.verb} {event.subject}) was changed after it was written."
        previous = event.digest

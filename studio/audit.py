"""The audit trail: one hash-chained list of events a workspace.

Each event's digest covers its workspace, number, time, actor, verb, subject and details, and the digest of the event before
it. A change, a gap or a swap breaks the chain. Events cut off at the end leave a chain that is whole in itself: they are noticed
against a head that was exported before (see :func:`head`) and is kept elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from django.db import transaction
from django.utils import timezone

from studio.lib.canonical import canonical_json, fingerprint
from studio.models import AuditEvent, Workspace

FIRST = "0" * 64
COVERED = ("workspace", "number", "at", "actor", "verb", "subject", "details", "previous")
"""Fields of an exported event that its digest covers."""


class Break(NamedTuple):
    """Where a chain is broken: the number of the event, and what is wrong with it."""

    number: int
    text: str


class Head(NamedTuple):
    """The end of a chain at some time: kept elsewhere, it shows what was cut off since."""

    workspace: str
    number: int
    digest: str


def describe(event: AuditEvent) -> dict[str, Any]:
    """An event as it is exported: everything its digest covers, and the digest."""
    return {
        "workspace": str(event.workspace_id),
        "number": event.number,
        "at": event.at.isoformat(),
        "actor": event.actor,
        "verb": event.verb,
        "subject": event.subject,
        "details": event.details,
        "previous": event.previous,
        "digest": event.digest,
    }


def digest_of(event: Mapping[str, Any]) -> str:
    """The digest that an exported event must have."""
    return fingerprint({name: event[name] for name in COVERED})


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
        actor=(actor if isinstance(actor, str) else actor.get_username())[:150],
        verb=verb[:60],
        subject=subject[:200],
        # Through text and back: what is hashed is what the database gives back.
        details=json.loads(canonical_json(details or {})),
        previous=last.digest if last else FIRST,
    )
    event.digest = digest_of(describe(event))
    event.save(force_insert=True)
    return event


def head(workspace: Workspace) -> Head:
    """The chain's last number and digest; number 0 for an empty one."""
    last = AuditEvent.objects.filter(workspace=workspace).order_by("-number").first()
    return Head(str(workspace.pk), last.number if last else 0, last.digest if last else FIRST)


def export(workspace: Workspace, *, after: int = 0) -> Iterator[str]:
    """The chain as JSON lines, oldest first; ``after`` leaves out events up to this number."""
    events = AuditEvent.objects.filter(workspace=workspace, number__gt=after).order_by("number")
    for event in events.iterator():
        yield canonical_json(describe(event)) + "\n"


def find_breaks(events: Iterable[Mapping[str, Any]], *, known: Head | None = None) -> Iterator[Break]:
    """Every break in a chain of exported events from its first on, in order. ``known``: a head that it must still contain."""
    previous, number, seen = FIRST, 0, ""
    for event in events:
        number += 1
        if event["number"] != number:
            yield Break(number, f"Event {number} is missing (the next one is {event['number']}).")
            number = int(event["number"])
        if event["previous"] != previous:
            yield Break(number, f"Event {number} does not follow from the one before it.")
        if event["digest"] != digest_of(event):
            yield Break(
                number, f"Event {number} ({event['verb']} {event['subject']}) was changed after it was written."
            )
        previous = event["digest"]
        if known is not None and number == known.number:
            seen = previous
    if known is None or known.number == 0:
        return
    if number < known.number:
        yield Break(
            number + 1,
            f"Events {number + 1} to {known.number} were cut off: the exported head is number {known.number}.",
        )
    elif seen != known.digest:
        yield Break(
            known.number, f"Event {known.number} is not the one whose head was exported: the chain was rewritten."
        )


def verify(workspace: Workspace, *, known: Head | None = None) -> Iterator[str]:
    """Every break in a workspace's chain, in words; nothing when it is whole."""
    events = AuditEvent.objects.filter(workspace=workspace).order_by("number").iterator()
    for found in find_breaks(map(describe, events), known=known):
        yield found.text

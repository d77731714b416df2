"""The audit trail: a chain that shows any change."""

from __future__ import annotations

from studio import audit
from studio.models import AuditEvent, Workspace


def test_events_are_numbered_and_chained(workspace: Workspace, other_workspace: Workspace) -> None:
    first = audit.record(workspace, actor="worker", verb="made", subject="x")
    audit.record(other_workspace, actor="worker", verb="made", subject="y")
    second = audit.record(workspace, actor="worker", verb="made", subject="z", details={"n": 1})
    assert (first.number, second.number) == (1, 2)
    assert second.previous == first.digest
    assert list(audit.verify(workspace)) == []


def test_a_changed_event_is_found(workspace: Workspace) -> None:
    for subject in "abc":
        audit.record(workspace, actor="worker", verb="made", subject=subject)
    AuditEvent.objects.filter(workspace=workspace, number=2).update(actor="someone else")
    assert list(audit.verify(workspace)) == ["Event 2 (made b) was changed after it was written."]


def test_a_removed_event_is_found(workspace: Workspace) -> None:
    for subject in "abc":
        audit.record(workspace, actor="worker", verb="made", subject=subject)
    AuditEvent.objects.filter(workspace=workspace, number=2).delete()
    found = list(audit.verify(workspace))
    assert found[0].startswith("Event 2 is missing")
    assert "does not follow" in found[1]

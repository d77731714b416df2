"""The audit trail: a chain that shows any change."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

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


def write(workspace: Workspace, *subjects: str) -> None:
    """An event for each subject."""
    for subject in subjects:
        audit.record(workspace, actor="worker", verb="made", subject=subject, details={"n": 1, "share": 0.5})


@pytest.mark.parametrize("field", ["actor", "verb", "subject", "details", "at"])
def test_every_field_of_an_event_is_covered(workspace: Workspace, field: str) -> None:
    write(workspace, "a", "b")
    event = AuditEvent.objects.get(workspace=workspace, number=1)
    others = {"details": {"n": 2}, "at": event.at + timedelta(microseconds=1)}
    AuditEvent.objects.filter(pk=event.pk).update(**{field: others.get(field, "other")})
    assert len(list(audit.verify(workspace))) == 1


def test_what_was_cut_off_at_the_end_is_seen_against_an_exported_head(workspace: Workspace) -> None:
    write(workspace, *"abc")
    known = audit.head(workspace)
    AuditEvent.objects.filter(workspace=workspace, number=3).delete()
    assert list(audit.verify(workspace)) == []
    assert list(audit.verify(workspace, known=known)) == ["Events 3 to 3 were cut off: the exported head is number 3."]
    write(workspace, "another")
    assert list(audit.verify(workspace, known=known)) == [
        "Event 3 is not the one whose head was exported: the chain was rewritten."
    ]


def test_a_chain_that_grew_still_fits_its_old_head(workspace: Workspace) -> None:
    empty = audit.head(workspace)
    write(workspace, "a")
    known = audit.head(workspace)
    write(workspace, "b")
    assert list(audit.verify(workspace, known=known)) == []
    assert list(audit.verify(workspace, known=empty)) == []


def test_a_chain_rewritten_from_an_event_on_is_seen_at_the_head_alone(workspace: Workspace) -> None:
    """Somebody with the database rewrites everything and its hashes: only a head kept elsewhere tells."""
    write(workspace, *"ab")
    known = audit.head(workspace)
    AuditEvent.objects.filter(workspace=workspace).delete()
    write(workspace, *"xy")
    assert list(audit.verify(workspace)) == []
    assert len(list(audit.verify(workspace, known=known))) == 1


def test_the_command_says_that_all_is_well_and_writes_heads_and_trail(workspace: Workspace, tmp_path: Path) -> None:
    write(workspace, *"ab")
    out, head, trail = StringIO(), tmp_path / "heads.json", tmp_path / "lab.jsonl"
    call_command("verify_audit", workspace="lab", write_head=head, export=trail, stdout=out)
    assert out.getvalue().startswith("lab: 2 events, whole. Head ")
    assert [json.loads(line)["subject"] for line in trail.read_text().splitlines()] == ["a", "b"]
    call_command("verify_audit", head=head, stdout=out)
    call_command("verify_audit", file=trail, head=head, stdout=out)
    assert "lab.jsonl: 2 events, whole." in out.getvalue()


def test_the_command_names_the_first_broken_event_and_fails(
    workspace: Workspace, other_workspace: Workspace, tmp_path: Path
) -> None:
    write(workspace, *"abc")
    write(other_workspace, "fine")
    AuditEvent.objects.filter(workspace=workspace, number=2).update(subject="other")
    out, head = StringIO(), tmp_path / "heads.json"
    with pytest.raises(CommandError, match="1 audit trail is broken"):
        call_command("verify_audit", write_head=head, stdout=out)
    assert "lab: broken. Event 2 (made other) was changed after it was written." in out.getvalue()
    assert "elsewhere: 1 events, whole" in out.getvalue()
    assert not head.exists(), "no head is written of a broken chain"


def test_the_command_sees_a_cut_trail_by_the_head(workspace: Workspace, tmp_path: Path) -> None:
    write(workspace, *"abc")
    head = tmp_path / "heads.json"
    call_command("verify_audit", write_head=head, stdout=StringIO())
    AuditEvent.objects.filter(workspace=workspace, number__gt=1).delete()
    call_command("verify_audit", stdout=StringIO())
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("verify_audit", head=head, stdout=out)
    assert "Events 2 to 3 were cut off" in out.getvalue()


def test_an_exported_trail_that_was_edited_is_broken(workspace: Workspace, tmp_path: Path) -> None:
    write(workspace, *"ab")
    trail = tmp_path / "lab.jsonl"
    trail.write_text("".join(audit.export(workspace)).replace('"subject":"a"', '"subject":"z"'))
    out = StringIO()
    with pytest.raises(CommandError, match="exported audit trail is broken"):
        call_command("verify_audit", file=trail, stdout=out)
    assert "Event 1 (made z)" in out.getvalue()
    trail.write_text('{"number": 1}\n')
    with pytest.raises(CommandError, match=r"Line 1 of lab\.jsonl"):
        call_command("verify_audit", file=trail)


@pytest.mark.parametrize(
    ("options", "said"), [({"workspace": "nowhere"}, "no workspace"), ({"export": Path("x")}, "name its --workspace")]
)
def test_wrong_options_are_said(workspace: Workspace, options: dict[str, object], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        call_command("verify_audit", **options)


def test_an_owner_checks_and_exports_the_trail_on_its_page(
    workspace: Workspace, owner: User, sign_in: Callable[[User], Client]
) -> None:
    write(workspace, *"ab")
    client, page = sign_in(owner), reverse("audit", args=["lab"])
    assert "The chain is whole" in client.get(page, {"check": "1"}).content.decode()
    AuditEvent.objects.filter(number=1).update(subject="z")
    assert "Event 1 (made z) was changed" in client.get(page, {"check": "1"}).content.decode()
    answer = client.get(reverse("audit_export", args=["lab"]))
    lines = b"".join(answer.streaming_content).splitlines()  # type: ignore[attr-defined]
    assert [json.loads(line)["number"] for line in lines] == [1, 2]


def test_others_do_not_export_it(workspace: Workspace, editor_client: Client, stranger_client: Client) -> None:
    assert editor_client.get(reverse("audit_export", args=["lab"])).status_code == 403
    assert stranger_client.get(reverse("audit_export", args=["lab"])).status_code == 404

"""``verify_audit``: is every audit trail what was written? Also exports trails and their heads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from studio import audit
from studio.models import Workspace


class Command(BaseCommand):
    """Exits with 1 and names the first broken event when a chain is broken."""

    help = "Check the hash chain of every audit trail; export trails and their heads."

    def add_arguments(self, parser: CommandParser) -> None:
        """What to check, against what, and what to write."""
        parser.add_argument("--workspace", default="", help="slug of one workspace; all without it")
        parser.add_argument(
            "--head", type=Path, help="heads written earlier by --write-head: shows what was cut off since"
        )
        parser.add_argument("--write-head", type=Path, help="write the heads here, to be kept elsewhere")
        parser.add_argument("--export", type=Path, help="write the trail as JSON lines (needs --workspace)")
        parser.add_argument("--file", type=Path, help="check an exported trail instead of the database")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check first; nothing is written about a broken chain."""
        known = read_heads(options["head"]) if options["head"] else {}
        if options["file"]:
            self.check_file(options["file"], known)
            return
        found = list(Workspace.objects.order_by("slug"))
        if options["workspace"]:
            found = [workspace for workspace in found if workspace.slug == options["workspace"]]
            if not found:
                raise CommandError(f"There is no workspace “{options['workspace']}”.")
        if options["export"] and not options["workspace"]:
            raise CommandError("--export writes one trail: name its --workspace.")
        broken = sum(self.check_chain(workspace, known.get(str(workspace.pk))) for workspace in found)
        gone = known.keys() - {str(workspace.pk) for workspace in Workspace.objects.all()}
        for missing in sorted(gone):
            self.stdout.write(f"The workspace {missing} of the exported heads is gone.")
        if broken or gone:
            raise CommandError(
                f"{broken + len(gone)} audit trail{'s are' if broken + len(gone) != 1 else ' is'} broken."
            )
        if options["write_head"]:
            heads = [audit.head(workspace)._asdict() for workspace in found]
            options["write_head"].write_text(json.dumps(heads, indent=1) + "\n", encoding="utf-8")
        if options["export"]:
            with options["export"].open("w", encoding="utf-8") as out:
                out.writelines(audit.export(found[0]))

    def check_chain(self, workspace: Workspace, known: audit.Head | None) -> bool:
        """Say how a workspace's chain is; True when it is broken."""
        breaks = list(audit.verify(workspace, known=known))
        if breaks:
            self.stdout.write(f"{workspace.slug}: broken. {breaks[0]}")
            if len(breaks) > 1:
                self.stdout.write(f"  and {len(breaks) - 1} more after it.")
            return True
        end = audit.head(workspace)
        self.stdout.write(f"{workspace.slug}: {end.number} events, whole. Head {end.digest}.")
        return False

    def check_file(self, path: Path, known: dict[str, audit.Head]) -> None:
        """The same for an exported trail."""
        events = list(read_events(path))
        of = next((known[e["workspace"]] for e in events[:1] if e["workspace"] in known), None)
        breaks = list(audit.find_breaks(events, known=of))
        if breaks:
            self.stdout.write(f"{path.name}: broken. {breaks[0].text}")
            raise CommandError("The exported audit trail is broken.")
        self.stdout.write(f"{path.name}: {len(events)} events, whole.")


def read_heads(path: Path) -> dict[str, audit.Head]:
    """Workspace → head, as ``--write-head`` wrote it. Raises ``CommandError`` for anything else."""
    try:
        return {h["workspace"]: audit.Head(**h) for h in json.loads(path.read_text(encoding="utf-8"))}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CommandError(f"{path.name} can't be read as heads: {error}") from None


def read_events(path: Path) -> Iterator[dict[str, Any]]:
    """The events of an exported trail. Raises ``CommandError`` with the line that is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise CommandError(f"{path.name} can't be read: {error}") from None
    for number, line in enumerate(lines, start=1):
        try:
            event = json.loads(line)
            if not {*audit.COVERED, "digest"} <= event.keys():
                raise ValueError("it is no event")
        except (ValueError, AttributeError) as error:
            raise CommandError(f"Line {number} of {path.name} can't be read: {error}.") from None
        yield event

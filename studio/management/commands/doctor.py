"""``manage.py doctor``: what is wrong with this installation, and what to do about it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from studio import diagnosis

MARKS = {"ok": "ok   ", "note": "note ", "problem": "WRONG"}


class Command(BaseCommand):
    """Print every finding; exit code 1 when something is wrong."""

    help = "Look at Python, packages, disk, database, broker and GPU, and say what to do about what is wrong."
    requires_system_checks: Any = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Findings appear as they are made."""
        problems = 0
        for finding in diagnosis.examine():
            problems += finding.level == "problem"
            self.stdout.write(f"{MARKS[finding.level]}  {finding.what}")
            if finding.fix:
                self.stdout.write(f"       -> {finding.fix}")
        if problems:
            raise CommandError(f"{problems} thing(s) to mend.")

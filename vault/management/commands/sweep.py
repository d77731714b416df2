"""``manage.py sweep``: delete what the data folder no longer needs, and say what that was."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from vault import housekeeping


class Command(BaseCommand):
    """Do now what the clock does once a day."""

    help = "Delete artifacts nothing refers to, left-over working folders and abandoned uploads. docs/operations.md has the rules."

    def handle(self, *args: Any, **options: Any) -> None:
        """Name each thing that was deleted, then the sum."""
        count = total = 0
        for path, size in housekeeping.sweep():
            count, total = count + 1, total + size
            self.stdout.write(f"{size / 1e6:10,.1f} MB  {path.relative_to(settings.DATA_ROOT)}")
        if count:
            self.stdout.write(f"{total / 1e6:10,.1f} MB freed.")
        else:
            self.stdout.write("There was nothing to delete.")

"""``manage.py prepare``: what ``up`` does before it starts anything, for set-ups that start their parts themselves."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from studio import preparation, startup
from studio.lib.errors import StudioError


class Command(BaseCommand):
    """Make folders, migrate, gather static files, make the first owner."""

    help = "Bring the database and static files up to date and make the first owner. Safe to run again."
    requires_system_checks: Any = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the owner's sign-in link as long as they have never signed in."""
        try:
            startup.prepare_folders(settings.DATA_ROOT)
            link = preparation.prepare(self.stdout.write)
        except StudioError as error:
            raise CommandError(f"{error}\n{error.action}".strip()) from error
        if link:
            self.stdout.write(f"Sign in for the first time (works once, for a day): {settings.STUDIO_URL}{link}")
        self.stdout.write("Ready.")

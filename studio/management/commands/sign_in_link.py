"""``manage.py sign_in_link NAME``: a way in for somebody who forgot their password."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from studio import accounts
from studio.lib.registry import close_matches


class Command(BaseCommand):
    """Print a link that signs the person in once."""

    help = "Print a link that signs a person in once, within a day."

    def add_arguments(self, parser: CommandParser) -> None:
        """The person's user name."""
        parser.add_argument("username", nargs="?", default="owner", help="user name (default: owner)")

    def handle(self, *args: Any, username: str, **options: Any) -> None:
        """Fails with close matches for an unknown name."""
        users = get_user_model().objects
        user = users.filter(username=username, is_active=True).first()
        if user is None:
            names = list(users.filter(is_active=True).values_list("username", flat=True))
            raise CommandError(f"There is no active user '{username}'. {close_matches(username, names)}")
        self.stdout.write(f"{settings.STUDIO_URL}{accounts.make_sign_in_link(user)}")

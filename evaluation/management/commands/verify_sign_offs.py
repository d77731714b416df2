"""``verify_sign_offs``: read every byte of what was signed, and void what is no longer so."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from evaluation.models import SignOff
from evaluation.models.signing import LIVE_STATES
from evaluation.signoff.settling import settle
from studio.models import Workspace


class Command(BaseCommand):
    """Exits with 1 when a sign-off had to be voided."""

    help = "Read every byte of what was signed off and void what has changed."

    def add_arguments(self, parser: CommandParser) -> None:
        """One workspace, or all."""
        parser.add_argument("--workspace", default="", help="slug of one workspace; all without it")

    def handle(self, *args: Any, **options: Any) -> None:
        """Look at each, say what was found."""
        live = SignOff.objects.filter(state__in=LIVE_STATES).exclude(digest="")
        if options["workspace"]:
            if not Workspace.objects.filter(slug=options["workspace"]).exists():
                raise CommandError(f"There is no workspace “{options['workspace']}”.")
            live = live.filter(scorecard__workspace__slug=options["workspace"])
        voided = 0
        for found in live.order_by("created_at"):
            settle(found, deep=True)
            if found.is_live:
                self.stdout.write(f"{found.scorecard.workspace.slug}: {found} holds.")
            else:
                voided += 1
                self.stdout.write(f"{found.scorecard.workspace.slug}: {found} is void: {' '.join(found.reasons)}")
        if voided:
            raise CommandError(f"{voided} sign-off{'s' if voided != 1 else ''} voided.")

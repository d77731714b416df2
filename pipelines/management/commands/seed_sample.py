"""``manage.py seed_sample``: the sample project, made and started once."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from pipelines import samples
from studio import audit
from studio.lib.errors import StudioError
from studio.models import AuditEvent, Workspace

VERB = "seeded the sample project"


class Command(BaseCommand):
    """Does nothing when the sample was ever made here, so that a deleted sample stays deleted."""

    help = "Make the sample project in the first workspace and start its pipeline, unless that was ever done."

    def handle(self, *args: Any, **options: Any) -> None:
        """Dataset, pipeline, run and the note that it was done: all of them, or none."""
        workspace = Workspace.objects.order_by("created_at").first()
        if workspace is None:
            raise CommandError("There is no workspace yet. Run `python manage.py prepare` first.")
        if AuditEvent.objects.filter(workspace=workspace, verb=VERB).exists():
            return
        try:
            with transaction.atomic():
                samples.seed(workspace)
                audit.record(workspace, actor="studio", verb=VERB, subject=f"workspace {workspace.slug}")
        except StudioError as error:
            raise CommandError(f"The sample project could not be made: {error} {error.action}".strip()) from error
        self.stdout.write("The sample project is made and its pipeline is started.")

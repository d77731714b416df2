"""Files on their way into the Vault."""

from __future__ import annotations

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.urls import reverse

from studio.jobs import Job
from studio.models import Workspace
from vault.models.datasets import DatasetVersion


class Upload(Job):
    """A file on its way to becoming a dataset version. The file lies in scratch under this row's id."""

    task = "vault.tasks.ingest_upload"

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="uploads")
    dataset_name = models.CharField(max_length=120)
    file_name = models.CharField(max_length=255)
    """The name the user's file had: shown, never used as a path."""
    size = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    reader = models.CharField(max_length=40, blank=True)
    params: Any = models.JSONField(default=dict)
    good_rows_only = models.BooleanField(default=False)
    findings: Any = models.JSONField(default=dict)
    """Counts and the first problems, as the preview and the import found them."""
    version = models.ForeignKey(
        DatasetVersion, null=True, blank=True, on_delete=models.SET_NULL, related_name="uploads"
    )
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta(Job.Meta):
        abstract = False
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.file_name} → {self.dataset_name}"

    @property
    def queue_name(self) -> str:
        """Reading files waits for the disk, not for a processor."""
        return "io"

    @classmethod
    def list_running(cls) -> models.QuerySet[Self]:
        """Imports at work, with their workspaces."""
        return super().list_running().select_related("workspace")

    def get_absolute_url(self) -> str:
        """The import's page."""
        return reverse("upload", args=[self.workspace.slug, self.pk])

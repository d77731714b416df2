"""Datasets on their way from the Hugging Face hub."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models

from studio.jobs import Job
from studio.models import Workspace
from vault.models.uploads import Upload


class HubFetch(Job):
    """One download of a dataset's data files. What arrives becomes an upload, to be mapped and imported like any other.

    ``revision`` is what was asked for (a branch, tag or commit), ``commit`` the full hash that was fetched. ``findings``
    holds the number of files, their bytes and the licence that the dataset's card names.
    """

    task = "vault.tasks.fetch_from_hub"

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="hub_fetches")
    dataset_name = models.CharField(max_length=120)
    repo = models.CharField(max_length=200)
    revision = models.CharField(max_length=200, default="main")
    commit = models.CharField(max_length=64, blank=True)
    findings: Any = models.JSONField(default=dict)
    upload = models.ForeignKey(Upload, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta(Job.Meta):
        abstract = False
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.repo}@{self.commit[:12] or self.revision}"

    @property
    def queue_name(self) -> str:
        """Downloading waits for the network, not for a processor."""
        return "io"

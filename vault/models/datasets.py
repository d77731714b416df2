"""Immutable things and the names people give them: artifacts, datasets, versions."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.urls import reverse

from studio.models import Workspace


class ArtifactKind(models.TextChoices):
    """What an artifact's folder holds; the same names as the kinds of step ports."""

    DATASET = "dataset", "Dataset"
    ADAPTER = "adapter", "Adapter"
    REPORT = "report", "Report"
    GGUF = "gguf", "GGUF"
    ANSWERS = "answers", "Answers"
    BENCHMARKS = "benchmarks", "Benchmarks"


class Artifact(models.Model):
    """An immutable folder, found by the hash of its content. Its path is never stored: see ``vault.store``."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="artifacts")
    kind = models.CharField(max_length=10, choices=ArtifactKind.choices)
    sha256 = models.CharField(max_length=64, db_index=True)
    size = models.BigIntegerField()
    meta: Any = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "kind", "sha256"], name="one_artifact_a_content")]

    def __str__(self) -> str:
        return f"{self.kind} {self.sha256[:12]}"


class Dataset(models.Model):
    """A named line of versions."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="datasets")
    slug = models.SlugField(max_length=80)
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    rights: Any = models.JSONField(default=dict)
    """What a person stated about training on it and passing it on; empty: what ``vault.rights`` finds in its rows."""
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "slug"], name="one_dataset_a_slug")]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """The dataset's page."""
        return reverse("dataset", args=[self.workspace.slug, self.slug])

    @property
    def latest(self) -> DatasetVersion | None:
        """The newest version, or None before the first import is done."""
        return self.versions.order_by("-number").first()


class DatasetVersion(models.Model):
    """One frozen state of a dataset."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    artifact = models.ForeignKey(Artifact, on_delete=models.PROTECT, related_name="dataset_versions")
    rows = models.PositiveBigIntegerField()
    message = models.CharField(max_length=300, blank=True)
    summary: Any = models.JSONField(default=dict)
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="children")
    """The version this one was edited from or restored as; None for an import."""
    held_out = models.BooleanField(default=False)
    """Marked by a person as held out: ``leakage_guard`` keeps its rows, and rows made from them, out of training."""
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["dataset", "number"], name="one_version_a_number")]
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"{self.dataset} v{self.number}"

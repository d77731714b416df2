"""Pipelines: drafts, frozen specs, and a team's own templates."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.urls import reverse

from studio.models import Workspace


class Pipeline(models.Model):
    """A named pipeline: its draft, which anyone may edit, and its frozen versions."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="pipelines")
    slug = models.SlugField(max_length=80)
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    draft: Any = models.JSONField(default=dict)
    revision = models.PositiveIntegerField(default=1)
    """Counts saves of the draft, so that a second tab can't overwrite the first in silence."""
    layout: Any = models.JSONField(default=dict)
    """Where the boxes stand on the canvas, and its notes; see ``pipelines.building.layout``. Not part of the spec."""
    saved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    """Who saved the draft last."""
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "slug"], name="one_pipeline_a_slug")]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """The pipeline's page."""
        return reverse("pipeline", args=[self.workspace.slug, self.slug])


class PipelineVersion(models.Model):
    """A frozen spec. Starting a run freezes the draft when it differs from the newest version."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    pipeline = models.ForeignKey(Pipeline, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    spec: Any = models.JSONField()
    digest = models.CharField(max_length=64)
    message = models.CharField(max_length=300, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pipeline", "number"], name="one_spec_a_number")]
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"{self.pipeline} v{self.number}"


class PipelineTemplate(models.Model):
    """A spec that a team starts pipelines from, beside the Studio's own templates. Pipelines made from it share nothing with it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="pipeline_templates")
    name = models.CharField(max_length=120)
    promise = models.CharField(max_length=300, blank=True)
    """What it is for, in a line."""
    spec: Any = models.JSONField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="one_template_a_name")]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

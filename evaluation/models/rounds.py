"""Runs that were started to do better where an earlier student lost."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models

from evaluation.models.scorecards import Scorecard
from pipelines.models import Run


class NextRound(models.Model):
    """A run meant for groups of lost rows of an earlier evaluation. ``groups``: ``{"number", "name", "rids", "near"}`` each,
    rows as positions in that evaluation, copied so that they stay what they were when the run was started."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    scorecard = models.ForeignKey(Scorecard, on_delete=models.CASCADE, related_name="next_rounds")
    run = models.OneToOneField(Run, on_delete=models.CASCADE, related_name="meant_for")
    kind = models.CharField(max_length=10)
    """``more`` (a teacher wrote prompts) or ``add`` (rows of a dataset)."""
    groups: Any = models.JSONField(default=list)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.run}, after run {self.scorecard.step_run.run.number}"

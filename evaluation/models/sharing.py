"""Links by which a report is read without an account."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

from evaluation.models.scorecards import Scorecard


class ReportShare(models.Model):
    """A read-only link to one report. Only the hash of its token is kept; it ends at ``expires_at`` or when revoked."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    scorecard = models.ForeignKey(Scorecard, on_delete=models.CASCADE, related_name="shares")
    token_sha256 = models.CharField(max_length=64, unique=True)
    note = models.CharField(max_length=120, blank=True)
    """For whom it is."""
    with_rows = models.BooleanField(default=False)
    expires_at = models.DateTimeField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.CharField(max_length=150, blank=True)
    opened = models.PositiveIntegerField(default=0)
    last_opened_at = models.DateTimeField(null=True, blank=True)
    window_at = models.DateTimeField(null=True, blank=True)
    """When the minute began in which ``window_count`` openings were counted."""
    window_count = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"Link to the report of run {self.scorecard.step_run.run.number}"

    @property
    def is_live(self) -> bool:
        """Whether it opens now."""
        return self.revoked_at is None and self.expires_at > timezone.now()

"""Runs that start by themselves."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models

from pipelines.models.pipelines import Pipeline
from vault.models import Dataset


class Schedule(models.Model):
    """Starts runs of a pipeline by itself: at an hour, or when a dataset gets a new version. See ``pipelines.running.schedules``."""

    class Every(models.TextChoices):
        """What makes it due."""

        DAY = "day", "Every day"
        WEEK = "week", "Every week"
        VERSION = "version", "A new version of a dataset"

    class Weekday(models.IntegerChoices):
        """Days as Python counts them."""

        MONDAY = 0, "Monday"
        TUESDAY = 1, "Tuesday"
        WEDNESDAY = 2, "Wednesday"
        THURSDAY = 3, "Thursday"
        FRIDAY = 4, "Friday"
        SATURDAY = 5, "Saturday"
        SUNDAY = 6, "Sunday"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    pipeline = models.ForeignKey(Pipeline, on_delete=models.CASCADE, related_name="schedules")
    every = models.CharField(max_length=10, choices=Every.choices)
    weekday = models.PositiveSmallIntegerField(choices=Weekday.choices, null=True, blank=True)
    at = models.TimeField(null=True, blank=True)
    """The hour on the clocks of ``zone``."""
    zone = models.CharField(max_length=60, default="UTC")
    dataset = models.ForeignKey(Dataset, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    seen_version = models.PositiveIntegerField(default=0)
    """The newest version of the dataset that was there when it was looked at last."""
    next_due_at = models.DateTimeField(null=True, blank=True, db_index=True)
    waits = models.BooleanField(default=True)
    """Whether it starts nothing while a run of it is still going."""
    given: Any = models.JSONField(default=dict, blank=True)
    """Values laid over the pipeline's for its runs: node → parameter → value."""
    active = models.BooleanField(default=True)
    looked_at = models.DateTimeField(null=True, blank=True)
    """When it was due last."""
    note = models.CharField(max_length=400, blank=True)
    """What happened then, in words."""
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(every="version", dataset__isnull=False) | models.Q(at__isnull=False),
                name="a_schedule_knows_when",
            )
        ]
        ordering = ["created_at"]

    def __str__(self) -> str:
        if self.every == self.Every.VERSION:
            return f"at every new version of {self.dataset}"
        day = f"every {self.get_weekday_display()}" if self.every == self.Every.WEEK else "every day"
        return f"{day} at {self.at:%H:%M} ({self.zone})"

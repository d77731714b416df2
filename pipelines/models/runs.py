"""Runs of pipelines."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from pipelines.models.pipelines import PipelineVersion
from studio.jobs import FINISHED, State
from studio.models import Workspace


class Priority(models.IntegerChoices):
    """Which runs' steps are taken first when several wait for a worker."""

    LOW = -1, "Low"
    NORMAL = 0, "Normal"
    HIGH = 1, "High"


class Run(models.Model):
    """One execution of a pipeline version. Its state is derived from its steps by ``pipelines.running.runs.advance``."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="runs")
    version = models.ForeignKey(PipelineVersion, on_delete=models.PROTECT, related_name="runs")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING, db_index=True)
    request_key = models.CharField(max_length=64, blank=True)
    """Made with the form that started the run: a second submit of the same form finds this run instead of making another."""
    priority = models.SmallIntegerField(choices=Priority.choices, default=Priority.NORMAL)
    schedule = models.ForeignKey(
        "Schedule", null=True, blank=True, on_delete=models.SET_NULL, related_name="runs", editable=False
    )
    """What it belongs to, when a schedule started it or somebody started it in a schedule's place."""
    given: Any = models.JSONField(default=dict)
    """Values given at its start, ``{node: {param: value}}``, laid over those of its version; see ``pipelines.building.overrides``."""
    pause_after: Any = models.JSONField(default=list)
    """Nodes at whose end the run pauses."""
    paused_at = models.DateTimeField(null=True, blank=True)
    """Since when nothing new begins; see ``pipelines.running.pausing``."""
    paused_by_node = models.CharField(max_length=60, blank=True)
    """The node at whose end that was, blank when somebody paused it at once."""
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "number"], name="one_run_a_number"),
            models.UniqueConstraint(
                fields=["workspace", "request_key"], condition=~models.Q(request_key=""), name="one_run_a_request"
            ),
        ]
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"Run {self.number} of {self.version.pipeline}"

    def get_absolute_url(self) -> str:
        """The run's page."""
        return reverse("run", args=[self.workspace.slug, self.number])

    @property
    def is_finished(self) -> bool:
        """Whether it will not change by itself any more."""
        return self.state in FINISHED

    @property
    def is_paused(self) -> bool:
        """Whether nothing new begins, though what is running may still be at work."""
        return self.paused_at is not None and not self.is_finished

    @property
    def status(self) -> str:
        """The word of its pill: the state, or "paused" once what was running has ended."""
        return "paused" if self.is_paused and self.state == State.WAITING else self.state

    @property
    def pause_text(self) -> str:
        """How it stands with pausing, for people; blank when it is not paused."""
        if not self.is_paused:
            return ""
        after = f" after {self.paused_by_node}" if self.paused_by_node else ""
        if self.state == State.WAITING:
            return f"Paused{after}"
        return f"Pausing{after}: what is running goes on to its end, nothing new begins"

    @property
    def seconds(self) -> float:
        """Seconds from its start to its end, or to now."""
        return ((self.finished_at or timezone.now()) - self.created_at).total_seconds()

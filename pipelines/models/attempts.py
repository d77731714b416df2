"""Every try of every step, and what an attempt had made whose result was put aside."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils import timezone

from pipelines.models.steps import StepRun
from vault.models import Artifact


class StepAttempt(models.Model):
    """One try of one step: who made it, when, how it ended, and what it used. Never changed once it has ended.

    Sizes in bytes, None where the machine does not tell. See ``pipelines.running.attempts``, the only writer.
    """

    class Outcome(models.TextChoices):
        """How it ended; blank while it is under way."""

        SUCCEEDED = "succeeded", "Succeeded"
        REUSED = "reused", "Reused"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"
        RELEASED = "released", "To be tried again"
        WAITING = "waiting", "Waited for a person"
        LOST = "lost", "Lost its worker"

    step_run = models.ForeignKey(StepRun, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    owner = models.CharField(max_length=120, blank=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=10, choices=Outcome.choices, blank=True)
    error = models.TextField(blank=True)
    action = models.TextField(blank=True)
    trace = models.TextField(blank=True)
    sampled_at = models.DateTimeField(null=True, blank=True)
    """When the figures below were taken last."""
    memory_bytes = models.BigIntegerField(null=True, blank=True)
    """Resident memory of the processes that did the work, at the last sample."""
    peak_memory_bytes = models.BigIntegerField(null=True, blank=True)
    cpu_seconds = models.FloatField(null=True, blank=True)
    gpu_memory_bytes = models.BigIntegerField(null=True, blank=True)
    """The most that torch held on the GPUs."""
    bytes_read = models.BigIntegerField(null=True, blank=True)
    bytes_written = models.BigIntegerField(null=True, blank=True)
    replaced_at = models.DateTimeField(null=True, blank=True)
    """When its result was put aside because the step was to be done again; see ``pipelines.running.redoing``."""
    summary: Any = models.JSONField(default=dict)
    """The step's summary, kept when the result was put aside."""
    curves: Any = models.JSONField(default=dict)
    """``{"name": [[at, value], …]}`` of what was put aside, at most 1,000 points each."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["step_run", "number"], name="one_record_an_attempt"),
            models.CheckConstraint(
                condition=models.Q(outcome="", ended_at__isnull=True)
                | (~models.Q(outcome="") & models.Q(ended_at__isnull=False)),
                name="an_ended_attempt_has_an_outcome",
            ),
        ]
        ordering = ["started_at", "number"]

    def __str__(self) -> str:
        return f"Attempt {self.number} of {self.step_run}"

    @property
    def is_live(self) -> bool:
        """Whether it is under way."""
        return self.ended_at is None

    @property
    def status(self) -> str:
        """The word of its pill."""
        looks = {"reused": "cached", "released": "warning", "lost": "warning"}
        return looks.get(self.outcome, self.outcome) or "running"

    @property
    def says(self) -> str:
        """How it ended, for people."""
        return self.get_outcome_display() if self.outcome else "Running"

    @property
    def seconds(self) -> float:
        """Seconds it took, until now when it is under way."""
        return max(((self.ended_at or timezone.now()) - self.started_at).total_seconds(), 0.0)


class EarlierOutput(models.Model):
    """An artifact that a step made in an attempt whose result was put aside."""

    attempt = models.ForeignKey(StepAttempt, on_delete=models.CASCADE, related_name="outputs")
    port = models.CharField(max_length=60)
    artifact = models.ForeignKey(Artifact, on_delete=models.PROTECT, related_name="earlier_outputs")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["attempt", "port"], name="one_earlier_output_a_port")]
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.attempt}.{self.port}"

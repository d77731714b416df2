"""The steps of runs, as the workers see them, and what comes out of them."""

from __future__ import annotations

from typing import Any, Self

from django.db import models
from django.urls import reverse

from pipelines.models.runs import Run
from studio.jobs import Job
from studio.workers import WORK_QUEUES
from vault.models import Artifact

RUNG_AT_ONCE = 16
"""Steps of one queue that the reaper rings for at once: more than a machine has workers, fewer than a long line."""


class Force(models.TextChoices):
    """How a step is done again although it could be reused."""

    AGAIN = "again", "Do it again; a teacher's kept answers are used"
    ANEW = "anew", "Do it again and ask the teacher anew"


class StepRun(Job):
    """One node of a run."""

    task = "pipelines.tasks.execute_step"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps")
    node = models.CharField(max_length=60)
    position = models.PositiveIntegerField()
    """Place in the topological order, for display."""
    step = models.CharField(max_length=60)
    version = models.PositiveIntegerField()
    queue = models.CharField(max_length=10)
    params: Any = models.JSONField(default=dict)
    wiring: Any = models.JSONField(default=dict)
    """Input port → ``{"node", "port"}`` it is fed from."""
    facts: Any = models.JSONField(default=dict)
    """What ``Step.resolve`` found: outside facts that decide the output."""
    fingerprint = models.CharField(max_length=64, blank=True, db_index=True)
    reused_from = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="reused_by")
    reason = models.TextField(blank=True)
    """Why it was done, or was not done again, in words."""
    force = models.CharField(max_length=6, choices=Force.choices, blank=True)
    """Whether somebody wants it done although an earlier result would do. Not part of the fingerprint."""
    answers_after = models.BigIntegerField(null=True, blank=True)
    """Set where the teacher is asked anew: the last call that is not to be used. An id, for clocks of machines differ."""
    summary: Any = models.JSONField(default=dict)
    answers: Any = models.JSONField(default=dict)
    """What a person decided while it waited (``{"cost_cap_usd": 20.0}``): laid over the params, kept with the run."""

    class Meta(Job.Meta):
        abstract = False
        constraints = [
            *Job.Meta.constraints,
            models.UniqueConstraint(fields=["run", "node"], name="one_step_a_node"),
        ]
        indexes = [
            models.Index(fields=["queue", "state", "ready"], name="steps_in_line"),
            models.Index(fields=["queue", "started_at"], name="steps_by_start"),
        ]
        ordering = ["position"]

    def __str__(self) -> str:
        return f"{self.node} of run {self.run.number}"

    @property
    def queue_name(self) -> str:
        """The queue its step class asks for."""
        return self.queue

    @property
    def room(self) -> Any:
        """Its run's workspace."""
        return self.run.workspace_id

    @classmethod
    def list_running(cls) -> models.QuerySet[Self]:
        """Steps at work, with their runs."""
        return super().list_running().select_related("run__workspace")

    @classmethod
    def pick_for_ringing(cls, due: models.QuerySet[Self]) -> list[Self]:
        """A few of each queue: whoever is rung takes the best step there, so that one ring is as good as another."""
        by_age = due.order_by("created_at")
        return [step for queue in WORK_QUEUES for step in by_age.filter(queue=queue)[:RUNG_AT_ONCE]]

    def get_absolute_url(self) -> str:
        """The step's page."""
        return reverse("run_step", args=[self.run.workspace.slug, self.run.number, self.node])

    @classmethod
    def claim(cls, pk: Any) -> Self | None:
        """Take a ready step, unless this worker's code would do something else than the run was started with."""
        from pipelines.running import codes

        return super().claim(pk) if codes.may_do(pk) else None

    def note_begin(self) -> None:
        """Begin the record of this attempt."""
        from pipelines.running import attempts

        attempts.begin(self)

    def note_end(self, outcome: str, *, error: str = "", action: str = "", trace: str = "") -> None:
        """End the record of this attempt."""
        from pipelines.running import attempts

        attempts.end(self, outcome, error=error, action=action, trace=trace)

    @classmethod
    def note_lost(cls) -> None:
        """End the records of attempts that lost their lease."""
        from pipelines.running import attempts

        attempts.close_lost()

    @classmethod
    def settle(cls) -> None:
        """Bring runs up to date with steps that the reaper moved."""
        from pipelines.running import runs

        runs.advance_stale()


class StepOutput(models.Model):
    """An artifact a step made, under the port it left by."""

    step_run = models.ForeignKey(StepRun, on_delete=models.CASCADE, related_name="outputs")
    port = models.CharField(max_length=60)
    artifact = models.ForeignKey(Artifact, on_delete=models.PROTECT, related_name="step_outputs")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["step_run", "port"], name="one_output_a_port")]
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.step_run}.{self.port}"


class MetricPoint(models.Model):
    """One point of a live curve. ``at`` is the curve's x value (the optimiser step)."""

    step_run = models.ForeignKey(StepRun, on_delete=models.CASCADE, related_name="metric_points")
    name = models.CharField(max_length=60)
    at = models.PositiveBigIntegerField()
    value = models.FloatField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["step_run", "name", "at"], name="one_point_an_x")]
        ordering = ["name", "at"]

    def __str__(self) -> str:
        return f"{self.name}[{self.at}] = {self.value}"

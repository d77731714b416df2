"""Specs as people keep them, and runs as the workers see them."""

from __future__ import annotations

import uuid
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from studio.jobs import FINISHED, Job, State
from studio.models import Workspace
from studio.workers import WORK_QUEUES
from vault.models import Artifact, Dataset

RUNG_AT_ONCE = 16
"""Steps of one queue that the reaper rings for at once: more than a machine has workers, fewer than a long line."""


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


class TeacherCall(models.Model):
    """A teacher's answer, paid for and kept: the cache and the bill. ``fingerprint`` covers teacher, model, messages, sampling and sample."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="teacher_calls")
    fingerprint = models.CharField(max_length=64)
    step_run = models.ForeignKey(
        StepRun, null=True, blank=True, on_delete=models.SET_NULL, related_name="teacher_calls"
    )
    teacher = models.CharField(max_length=40)
    model = models.CharField(max_length=200)
    """The model's name as the provider returned it."""
    answer: Any = models.JSONField()
    finish_reason = models.CharField(max_length=40, blank=True)
    prompt_tokens = models.PositiveIntegerField(default=0)
    completion_tokens = models.PositiveIntegerField(default=0)
    cached_tokens = models.PositiveIntegerField(default=0)
    cost_usd = models.FloatField(null=True, blank=True)
    """Of every try of this question together."""
    latency_ms = models.FloatField(default=0)
    problem = models.CharField(max_length=300, blank=True)
    """Why the answer can't be used (empty, cut off, refused); blank for a good one."""
    tries = models.PositiveIntegerField(default=1)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "fingerprint"], name="one_answer_a_question")]

    def __str__(self) -> str:
        return f"{self.teacher} {self.model} {self.fingerprint[:12]}"


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

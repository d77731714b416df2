"""Figures kept in the database so that lists and comparisons need not open a report."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.urls import reverse

from pipelines.models import StepRun
from studio.models import Workspace
from vault.models import Artifact


class Tone(models.TextChoices):
    """How the verdict is meant: ``good`` (within the margin), ``bad``, ``unclear`` (too few rows), ``plain`` (a figure only)."""

    GOOD = "good", "Within the margin"
    BAD = "bad", "Outside the margin"
    UNCLEAR = "unclear", "Too few rows to tell"
    PLAIN = "plain", "No margin to judge by"


class Scorecard(models.Model):
    """One evaluation: who answered the same held-out rows, and the verdict. The report itself is the artifact."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="scorecards")
    step_run = models.ForeignKey(StepRun, on_delete=models.CASCADE, related_name="scorecards")
    replaced_at = models.DateTimeField(null=True, blank=True)
    """When the step was set back to be done again: the report stays, as that of an earlier attempt."""
    report = models.ForeignKey(Artifact, on_delete=models.PROTECT, related_name="scorecards")
    held_out_sha = models.CharField(max_length=64)
    row_set = models.CharField(max_length=16, blank=True, db_index=True)
    """Equal for evaluations over the same rows with the same right answers, whatever the artifact; empty for old ones."""
    student_sha = models.CharField(max_length=64, db_index=True)
    rows = models.PositiveBigIntegerField()
    task = models.CharField(max_length=10)
    tone = models.CharField(max_length=10, choices=Tone.choices, default=Tone.PLAIN)
    verdict = models.TextField()
    retained = models.FloatField(null=True, blank=True)
    own_metrics = models.JSONField(default=dict, blank=True)
    """Metrics of one's own that it was judged by: name → label, unit, which end is better, whether it can judge."""
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["step_run"], condition=models.Q(replaced_at=None), name="one_standing_scorecard_a_step"
            )
        ]
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"Evaluation in {self.step_run}"

    def get_absolute_url(self) -> str:
        """The report's page."""
        return reverse("evaluation", args=[self.workspace.slug, self.pk])

    @property
    def name_in_run(self) -> str:
        """The step's name where its run evaluates more than once, so that its reports can be told apart; else empty."""
        own = self.step_run
        evaluated = [node["id"] for node in own.run.version.spec.get("nodes", []) if node.get("step") == own.step]
        return own.node if len(evaluated) > 1 else ""


class Score(models.Model):
    """One figure of one candidate with its 95 % interval. Proportions are 0..1."""

    scorecard = models.ForeignKey(Scorecard, on_delete=models.CASCADE, related_name="scores")
    candidate = models.CharField(max_length=60)
    kind = models.CharField(max_length=10)
    metric = models.CharField(max_length=40)
    value = models.FloatField()
    low = models.FloatField(null=True, blank=True)
    high = models.FloatField(null=True, blank=True)
    n = models.PositiveBigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["scorecard", "candidate", "metric"], name="one_score_a_candidate_a_metric")
        ]
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.candidate} {self.metric} = {self.value:.4g}"


class FlaggedRow(models.Model):
    """A held-out row that somebody put on the list of rows to look into. What it said is copied, so that the list can be read
    and taken away without the report."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="flagged_rows")
    scorecard = models.ForeignKey(Scorecard, on_delete=models.CASCADE, related_name="flagged_rows")
    rid = models.PositiveBigIntegerField()
    row_id = models.TextField()
    question = models.TextField(blank=True)
    right = models.TextField(blank=True)
    answer = models.TextField(blank=True)
    note = models.CharField(max_length=500, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["scorecard", "rid"], name="one_flag_a_row")]
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"Row {self.rid + 1} of {self.scorecard}"

    def get_absolute_url(self) -> str:
        """The row among the rows of its evaluation."""
        return f"{reverse('evaluation_rows', args=[self.workspace.slug, self.scorecard_id])}?row={self.rid}"

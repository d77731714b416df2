"""What teachers answered and what it cost."""

from __future__ import annotations

from typing import Any

from django.db import models

from pipelines.models.steps import StepRun
from studio.models import Workspace


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

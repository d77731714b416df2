"""What people think of answers by a rubric: the set that a judge is held against."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models

from studio.models import Workspace


class GoldenSet(models.Model):
    """All grades of one workspace by one rubric on one scale. A grade belongs to the answer, not to a report: it counts
    wherever the same answer to the same prompt comes up again."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="golden_sets")
    rubric_id = models.CharField(max_length=16)
    """See ``evaluation.judging.rubrics.rubric_id``."""
    rubric = models.TextField()
    scale = models.CharField(max_length=20)
    with_reference = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "rubric_id"], name="one_golden_set_a_rubric")]
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"Golden set {self.rubric_id}"


class GoldenItem(models.Model):
    """One answer to one prompt, copied, so that it can be put before any judge later."""

    set = models.ForeignKey(GoldenSet, on_delete=models.CASCADE, related_name="items")
    key = models.CharField(max_length=32)
    """See ``evaluation.judging.cases.item_key``."""
    prompt: Any = models.JSONField()
    answer = models.TextField()
    reference = models.TextField(null=True, blank=True)  # noqa: DJ001 -- an empty reference is not a missing one
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["set", "key"], name="one_golden_item_an_answer")]
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.key[:8]} in {self.set}"


class GoldenGrade(models.Model):
    """One person's grade, given without seeing whose answer it is or what a judge said. The grade stays when the person leaves.

    ``score`` None: the person skipped it.
    """

    item = models.ForeignKey(GoldenItem, on_delete=models.CASCADE, related_name="grades")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    name = models.CharField(max_length=150)
    score = models.SmallIntegerField(null=True, blank=True)
    note = models.CharField(max_length=500, blank=True)
    graded_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["item", "user"], name="one_golden_grade_a_person")]
        ordering = ["-graded_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.name} on {self.item}"

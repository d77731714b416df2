"""People judging answers without knowing whose they are."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse

from evaluation.models.scorecards import Scorecard


class BlindKind(models.TextChoices):
    """What is asked."""

    PAIRS = "pairs", "Which of two answers is better"
    RATING = "rating", "Each answer from 1 to 5"


class BlindPlan(models.TextChoices):
    """Which rows are drawn."""

    RANDOM = "random", "A random sample of all rows"
    DIFFER = "differ", "Only rows on which the answers differ"


class BlindReview(models.Model):
    """Some rows of one report, each looked at by ``per_row`` people who see answers and no names."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    scorecard = models.ForeignKey(Scorecard, on_delete=models.CASCADE, related_name="blind_reviews")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=10, choices=BlindKind.choices)
    plan = models.CharField(max_length=10, choices=BlindPlan.choices)
    sources: Any = models.JSONField()
    """Names of the two candidates."""
    criteria: Any = models.JSONField(default=list)
    """What is rated; empty for pairs."""
    seed = models.PositiveIntegerField()
    per_row = models.PositiveSmallIntegerField()
    population = models.PositiveIntegerField()
    """Rows that both candidates answered."""
    differing = models.PositiveIntegerField()
    """Of them, rows on which their answers differ."""
    outcome: Any = models.JSONField(default=dict)
    """See ``evaluation.blind.results``; empty while it is open."""
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["scorecard", "number"], name="one_blind_review_a_number")]
        ordering = ["number"]

    def __str__(self) -> str:
        return f"Blind review {self.number}"

    def get_absolute_url(self) -> str:
        """Its page."""
        return reverse("blind_review", args=[self.scorecard.workspace.slug, self.scorecard_id, self.number])

    @property
    def is_open(self) -> bool:
        """Whether votes are still taken."""
        return self.closed_at is None


class BlindSeat(models.Model):
    """One person who judges. The name and the votes stay when the person leaves."""

    review = models.ForeignKey(BlindReview, on_delete=models.CASCADE, related_name="seats")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    name = models.CharField(max_length=150)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["review", "user"], name="one_blind_seat_a_person")]
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.name} in {self.review}"


class BlindItem(models.Model):
    """A row of the review; of a rating, one candidate's answer to it."""

    review = models.ForeignKey(BlindReview, on_delete=models.CASCADE, related_name="items")
    position = models.PositiveIntegerField()
    rid = models.PositiveIntegerField()
    source = models.CharField(max_length=60, blank=True)
    differs = models.BooleanField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["review", "position"], name="one_blind_item_a_position")]
        ordering = ["position"]

    def __str__(self) -> str:
        return f"item {self.position} of {self.review}"


class BlindTask(models.Model):
    """One person's look at one item: open until ``choice`` is there. ``revision`` counts every change."""

    class Choice(models.TextChoices):
        """What was said; for a rating, that it was rated."""

        FIRST = "first", "First source"
        SECOND = "second", "Second source"
        BOTH = "both", "Both good"
        NEITHER = "neither", "Neither"
        RATED = "rated", "Rated"
        SKIP = "skip", "Skipped"

    item = models.ForeignKey(BlindItem, on_delete=models.CASCADE, related_name="tasks")
    seat = models.ForeignKey(BlindSeat, on_delete=models.CASCADE, related_name="tasks")
    swapped = models.BooleanField(default=False)
    """Whether the second source stands on the left for this person."""
    choice = models.CharField(max_length=10, choices=Choice.choices, blank=True)
    scores: Any = models.JSONField(default=dict)
    """Criterion → 1..5."""
    revision = models.PositiveIntegerField(default=0)
    judged_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["item", "seat"], name="one_blind_task_a_person"),
            models.CheckConstraint(
                condition=Q(choice="", judged_at=None) | (~Q(choice="") & Q(judged_at__isnull=False)),
                name="a_blind_vote_has_its_time",
            ),
        ]
        ordering = ["item__position"]

    def __str__(self) -> str:
        return f"{self.seat.name} on {self.item}"

"""People looking at rows: a round over a version, its rows, who looks at which, and what they said."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.urls import reverse

from vault.models.datasets import Dataset, DatasetVersion


class Order(models.TextChoices):
    """Which rows a round takes first."""

    WORTH = "worth", "Most worth a look first"
    RANDOM = "random", "Random sample"
    ROWS = "rows", "In row order"


class Answer(models.TextChoices):
    """What a reviewer says of a row."""

    ACCEPT = "accept", "Accepted"
    EDIT = "edit", "Edited"
    REJECT = "reject", "Rejected"
    SKIP = "skip", "Skipped"


class ReviewRound(models.Model):
    """Some rows of one version, looked at by some people, each row by ``per_row`` of them who don't see each other's verdicts."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="rounds")
    version = models.ForeignKey(DatasetVersion, on_delete=models.CASCADE, related_name="rounds")
    number = models.PositiveIntegerField()
    title = models.CharField(max_length=120, blank=True)
    order = models.CharField(max_length=10, choices=Order.choices, default=Order.WORTH)
    query = models.TextField(blank=True)
    """The row browser's address (its part after "?") that chose the rows; empty for the whole version."""
    seed = models.PositiveIntegerField(default=1)
    per_row = models.PositiveSmallIntegerField(default=1)
    population = models.PositiveBigIntegerField(default=0)
    """How many rows the filter left when the round began: what a random sample speaks for."""
    outcome: Any = models.JSONField(default=dict)
    """Counts of what closing it did; empty while it is open."""
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["dataset", "number"], name="one_round_a_number")]
        ordering = ["-number"]

    def __str__(self) -> str:
        return self.title or f"Round {self.number}"

    def get_absolute_url(self) -> str:
        """The round's page."""
        return reverse("review_round", args=[self.dataset.workspace.slug, self.dataset.slug, self.number])

    @property
    def is_open(self) -> bool:
        """Whether verdicts are still taken."""
        return self.closed_at is None


class ReviewSeat(models.Model):
    """One person who reviews in a round. The name stays when the account is deleted."""

    round = models.ForeignKey(ReviewRound, on_delete=models.CASCADE, related_name="seats")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="review_seats"
    )
    name = models.CharField(max_length=150)
    compared_at = models.DateTimeField(null=True, blank=True)
    """When this person first saw what the others said: from then on his verdicts stay."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["round", "user"], name="one_seat_a_person")]
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.name} in {self.round}"


class ReviewItem(models.Model):
    """One row of a round, with why it is worth a look and, where reviewers differed, what an editor decided."""

    round = models.ForeignKey(ReviewRound, on_delete=models.CASCADE, related_name="items")
    position = models.PositiveIntegerField()
    rid = models.PositiveBigIntegerField()
    score = models.FloatField(default=0.0)
    reasons: Any = models.JSONField(default=list)
    stands_for = models.PositiveIntegerField(default=1)
    """How many near-copies of one another it stands for, itself included."""
    decision = models.CharField(max_length=10, choices=Answer.choices, blank=True)
    decided_text = models.TextField(null=True, blank=True)  # noqa: DJ001 -- an empty answer is not "no answer"
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["round", "position"], name="one_item_a_position"),
            models.UniqueConstraint(fields=["round", "rid"], name="one_item_a_row"),
        ]
        ordering = ["position"]

    def __str__(self) -> str:
        return f"row {self.rid + 1} in {self.round}"


class ReviewTask(models.Model):
    """One person's look at one row: open until ``answer`` is there.

    ``revision`` counts every change, so that a verdict from a page that shows an older state is noticed.
    """

    item = models.ForeignKey(ReviewItem, on_delete=models.CASCADE, related_name="tasks")
    seat = models.ForeignKey(ReviewSeat, on_delete=models.CASCADE, related_name="tasks")
    answer = models.CharField(max_length=10, choices=Answer.choices, blank=True)
    text = models.TextField(null=True, blank=True)  # noqa: DJ001 -- null: not edited; "" : the right answer is empty
    tags: Any = models.JSONField(default=list)
    comment = models.TextField(blank=True)
    revision = models.PositiveIntegerField(default=0)
    judged_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["item", "seat"], name="one_task_a_person_and_row"),
            models.CheckConstraint(
                condition=models.Q(answer="", judged_at=None)
                | (~models.Q(answer="") & models.Q(judged_at__isnull=False)),
                name="a_verdict_has_its_time",
            ),
        ]
        ordering = ["item__position"]

    def __str__(self) -> str:
        return f"{self.seat.name} on {self.item}"

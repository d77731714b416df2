"""Sign-off of a report: the team's rules, one sign-off after the other, and every decision as a record."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse

from evaluation.models.scorecards import Scorecard
from studio.models import Role, Workspace


class SignOffPolicy(models.Model):
    """A workspace's rules for signing a report; see ``evaluation.signoff.policy``. Without a row the defaults hold."""

    workspace = models.OneToOneField(Workspace, on_delete=models.CASCADE, related_name="sign_off_policy")
    rules: Any = models.JSONField(default=dict)
    revision = models.PositiveIntegerField(default=1)
    """Counts changes, so that two people who change the rules at once notice each other."""
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    changed_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"Sign-off rules of {self.workspace}"


class SignOffState(models.TextChoices):
    """Where a sign-off stands. The first three may still change; the last two are final."""

    OPEN = "open", "Open"
    CHANGES = "changes", "Changes requested"
    APPROVED = "approved", "Approved"
    REJECTED = "rejected", "Rejected"
    VOID = "void", "Void"


LIVE_STATES = (SignOffState.OPEN, SignOffState.CHANGES, SignOffState.APPROVED)


class Verdict(models.TextChoices):
    """What a person says of a report."""

    APPROVE = "approve", "Approved"
    CHANGES = "changes", "Requested changes"
    REJECT = "reject", "Rejected"


class SignOff(models.Model):
    """One round of signing one report. What was signed is frozen with the first decision; a change of it voids the round."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    scorecard = models.ForeignKey(Scorecard, on_delete=models.CASCADE, related_name="sign_offs")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=SignOffState.choices, default=SignOffState.OPEN, db_index=True)
    revision = models.PositiveIntegerField(default=0)
    """Counts changes of the state, which are conditional updates on it."""
    policy: Any = models.JSONField(default=dict)
    """The rules as used: a copy."""
    frozen: Any = models.JSONField(default=dict)
    """What is signed, by hash; empty until the first decision. See ``evaluation.signoff.freezing``."""
    digest = models.CharField(max_length=64, blank=True)
    """Fingerprint of ``policy`` and ``frozen``."""
    gates: Any = models.JSONField(default=list)
    """What the gates said when it was approved."""
    alone = models.BooleanField(default=False)
    """Signed by the only person who could sign."""
    reasons: Any = models.JSONField(default=list)
    """Why it is void."""
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    asked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    """When it came to its present state, once that is no longer open."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["scorecard", "number"], name="one_sign_off_a_number"),
            models.UniqueConstraint(
                fields=["scorecard"], condition=Q(state__in=LIVE_STATES), name="one_live_sign_off_a_report"
            ),
        ]
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"Sign-off {self.number} of the report of run {self.scorecard.step_run.run.number}"

    def get_absolute_url(self) -> str:
        """The page of the report's sign-off."""
        return reverse("sign_off", args=[self.scorecard.workspace.slug, self.scorecard_id])

    @property
    def is_live(self) -> bool:
        """Whether decisions are still taken."""
        return self.state in LIVE_STATES


class Decision(models.Model):
    """What one person said, with the hashes of what was in front of them. Never changed but for ``current``.

    A person's newer decision takes the older one's place; a withdrawn one has ``withdrawn_at``.
    """

    sign_off = models.ForeignKey(SignOff, on_delete=models.CASCADE, related_name="decisions")
    number = models.PositiveIntegerField()
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    name = models.CharField(max_length=150)
    role = models.CharField(max_length=10, choices=Role.choices)
    is_author = models.BooleanField(default=False)
    """Whether this person started the run."""
    verdict = models.CharField(max_length=10, choices=Verdict.choices)
    reason = models.TextField(blank=True)
    checked: Any = models.JSONField(default=list)
    """The items of the checklist that were ticked."""
    digest = models.CharField(max_length=64)
    """Fingerprint of the policy and of everything frozen, as this person saw it."""
    frozen: Any = models.JSONField(default=dict)
    current = models.BooleanField(default=True)
    at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    withdrawn_why = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["sign_off", "number"], name="one_decision_a_number"),
            models.UniqueConstraint(
                fields=["sign_off", "user"], condition=Q(current=True), name="one_current_decision_a_person"
            ),
        ]
        ordering = ["number"]

    def __str__(self) -> str:
        return f"{self.name}: {self.get_verdict_display()}"

"""What people change in a version before it becomes the next one: a draft, and the operations laid over the rows."""

from __future__ import annotations

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from studio.jobs import LIVE, Job, State
from vault.models.datasets import DatasetVersion


class Draft(Job):
    """The edits to one version that nobody has committed yet; its commit is the job.

    ::

        open       pending, not ready     operations are added, undone, done again
        committing pending and ready, then running
        committed  succeeded              ``made`` is the version that came of it
        failed     failed                 try again, or reopen
        discarded  cancelled              can be reopened while no other draft of the version is open

    One a version is open, committing or failed at any time.
    """

    task = "vault.tasks.commit_draft"

    version = models.ForeignKey(DatasetVersion, on_delete=models.CASCADE, related_name="drafts")
    message = models.CharField(max_length=300, blank=True)
    last_number = models.PositiveIntegerField(default=0)
    """The number of the newest operation: raised by whoever adds one, in the same transaction."""
    made = models.ForeignKey(DatasetVersion, null=True, blank=True, on_delete=models.SET_NULL, related_name="made_by")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    committed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta(Job.Meta):
        abstract = False
        ordering = ["-created_at"]
        constraints = [
            *Job.Meta.constraints,
            models.UniqueConstraint(
                fields=["version"], condition=Q(state__in=(*LIVE, State.FAILED)), name="one_live_draft_a_version"
            ),
        ]

    def __str__(self) -> str:
        return f"draft of {self.version}"

    @property
    def queue_name(self) -> str:
        """A commit reads and writes a whole version: a processor's work."""
        return "cpu"

    @property
    def room(self) -> Any:
        """The workspace of its dataset."""
        return self.version.dataset.workspace_id

    @classmethod
    def list_running(cls) -> models.QuerySet[Self]:
        """Commits at work, with their datasets."""
        return super().list_running().select_related("version__dataset")

    @property
    def is_open(self) -> bool:
        """Whether edits may be added."""
        return self.state == State.PENDING and not self.ready

    @property
    def is_committing(self) -> bool:
        """Whether a worker has it, or will."""
        return self.state == State.RUNNING or (self.state == State.PENDING and self.ready)

    def close(self, *, message: str, user: Any) -> bool:
        """A person said commit. False when it was closed before (a second click, somebody else)."""
        changed = Draft.objects.filter(pk=self.pk, state=State.PENDING, ready=False).update(
            ready=True, message=message, committed_by=user, rung_at=None
        )
        self.refresh_from_db()
        return bool(changed)

    def discard(self) -> bool:
        """Open or failed → cancelled. The operations stay, so that it can be reopened. False when it was neither."""
        mine = Draft.objects.filter(pk=self.pk).filter(Q(state=State.PENDING, ready=False) | Q(state=State.FAILED))
        changed = mine.update(state=State.CANCELLED, ready=False, finished_at=timezone.now())
        self.refresh_from_db()
        return bool(changed)

    def reopen(self) -> bool:
        """Failed or cancelled → open again, with everything that was in it. False when it was neither.

        Raises ``IntegrityError`` when another draft of this version is open by now.
        """
        changed = Draft.objects.filter(pk=self.pk, state__in=(State.FAILED, State.CANCELLED)).update(
            state=State.PENDING,
            ready=False,
            cancel_requested_at=None,
            finished_at=None,
            lease_until=None,
            rung_at=None,
            not_before=None,
            error="",
            action="",
            trace="",
            max_attempts=F("attempt") + 3,
        )
        self.refresh_from_db()
        return bool(changed)


class Kind(models.TextChoices):
    """What an operation does to its rows; ``params`` says with what."""

    ROW = "row", "Edited"
    TAG = "tag", "Tagged"
    UNTAG = "untag", "Untagged"
    REJECT = "reject", "Rejected"
    UNREJECT = "unreject", "Kept again"
    LABEL = "label", "Answer set"
    REPLACE = "replace", "Found and replaced"


class EditOperation(models.Model):
    """One thing somebody did to one row or to a million. Undone ones stay, so that they can be done again.

    ``rids`` are positions in the draft's version: see ``vault.editing.positions`` for the form they are kept in.
    """

    draft = models.ForeignKey(Draft, on_delete=models.CASCADE, related_name="operations")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=10, choices=Kind.choices)
    params: Any = models.JSONField(default=dict)
    rids = models.BinaryField()
    low = models.PositiveBigIntegerField()
    high = models.PositiveBigIntegerField()
    """The smallest and the largest position, to find the operations of a page of rows."""
    count = models.PositiveBigIntegerField()
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["draft", "number"], name="one_operation_a_number")]
        ordering = ["number"]

    def __str__(self) -> str:
        return f"{self.kind} {self.number} in {self.draft}"

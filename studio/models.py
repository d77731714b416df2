"""Who works where, with which secrets, what was done, who does the work, who is told of it and what people say.

Workspaces, members, credentials, sign-in links, audit events; workers; notifications, comments, webhooks and what was sent.
"""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlsplit

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models

from studio.jobs import Job
from studio.lib.errors import StudioError


class Role(models.TextChoices):
    """What a member may do, each including those below it: owner, editor, reviewer, viewer."""

    OWNER = "owner", "Owner"
    EDITOR = "editor", "Editor"
    REVIEWER = "reviewer", "Reviewer"
    VIEWER = "viewer", "Viewer"


RANK = {Role.VIEWER: 0, Role.REVIEWER: 1, Role.EDITOR: 2, Role.OWNER: 3}


class Workspace(models.Model):
    """A team's own room: everything belongs to exactly one."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.SlugField(unique=True, max_length=60)
    name = models.CharField(max_length=120)
    created_at = models.DateTimeField(auto_now_add=True)
    members = models.ManyToManyField(settings.AUTH_USER_MODEL, through="Membership", related_name="workspaces")

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """One person in one workspace, with one role."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.VIEWER)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "user"], name="one_membership_a_person")]

    def __str__(self) -> str:
        return f"{self.user} in {self.workspace} ({self.role})"

    def at_least(self, role: str) -> bool:
        """Whether this member may do what ``role`` may do."""
        return RANK[Role(self.role)] >= RANK[Role(role)]


def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])


def encrypt(secret: str) -> bytes:
    """A secret as it may be stored: under the newest encryption key."""
    return _fernet().encrypt(secret.encode())


def decrypt(stored: bytes) -> str | None:
    """A stored secret, or None when no known key opens it."""
    try:
        return _fernet().decrypt(stored).decode()
    except InvalidToken:
        return None


class ProviderCredential(models.Model):
    """An API key of a provider, encrypted at rest. Specs and params name it; only a running step reads it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="credentials")
    name = models.SlugField(max_length=60)
    provider = models.CharField(max_length=40)
    base_url = models.CharField(max_length=300, blank=True)
    """The only place the key is ever sent to. Blank: the provider's own public address."""
    encrypted = models.BinaryField()
    hint = models.CharField(max_length=12, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="one_credential_a_name")]
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name} ({self.provider}, ends in {self.hint})"

    def seal(self, secret: str) -> None:
        """Store ``secret`` encrypted, with its last characters as a hint."""
        self.encrypted = encrypt(secret)
        self.hint = secret[-4:] if len(secret) >= 12 else ""

    def reveal(self) -> str:
        """The secret; raises ``StudioError`` when no known key decrypts it."""
        secret = decrypt(bytes(self.encrypted))
        if secret is None:
            raise StudioError(
                f"The key of credential '{self.name}' can't be decrypted with the present encryption keys.",
                action="Enter the provider's key again, or restore the old key in STUDIO_ENCRYPTION_KEYS.",
            )
        return secret


class SignInLink(models.Model):
    """A link that signs one person in once. Only the hash of its token is kept."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sign_in_links")
    token_sha256 = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"sign-in link of {self.user}, until {self.expires_at:%Y-%m-%d %H:%M}"


class AuditEvent(models.Model):
    """One thing somebody did, chained by hash to the one before it in its workspace. Never changed, never deleted."""

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="audit_events")
    number = models.PositiveIntegerField()
    at = models.DateTimeField()
    actor = models.CharField(max_length=150)
    verb = models.CharField(max_length=60)
    subject = models.CharField(max_length=200)
    details: Any = models.JSONField(default=dict)
    previous = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "number"], name="audit_chain_has_no_fork")]
        ordering = ["workspace", "number"]

    def __str__(self) -> str:
        return f"{self.actor} {self.verb} {self.subject}"


class Worker(models.Model):
    """One Celery worker on one machine: written by its processes, read by the workers page. Outlives restarts, so that a
    drained worker stays drained."""

    machine = models.CharField(max_length=120)
    label = models.CharField(max_length=60)
    """The part of its Celery name before the @: "gpu", "cpu"."""
    queues: Any = models.JSONField(default=list)
    concurrency = models.PositiveIntegerField(default=1)
    """How many jobs it can do at once."""
    gpus: Any = models.JSONField(default=list)
    """``[{"name", "memory_bytes"}]`` of the GPUs that its jobs may use."""
    memory_bytes = models.BigIntegerField(null=True, blank=True)
    cpus = models.PositiveIntegerField(default=1)
    code = models.CharField(max_length=60, blank=True)
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField()
    stopped_at = models.DateTimeField(null=True, blank=True)
    """When it said good-bye; a killed one says nothing and falls silent."""
    draining_since = models.DateTimeField(null=True, blank=True)
    drained_by = models.CharField(max_length=150, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["machine", "label"], name="one_worker_a_name")]
        ordering = ["machine", "label"]

    def __str__(self) -> str:
        return f"{self.label} on {self.host}"

    @property
    def host(self) -> str:
        """The machine's name as people know it, without the id of its process namespace."""
        name, _, namespace = str(self.machine).rpartition(".")
        return name if name and namespace.isdigit() else str(self.machine)


class WorkerProcess(models.Model):
    """A process of a worker: with its machine's name it is the ``owner`` of the jobs it claimed."""

    worker = models.ForeignKey(Worker, on_delete=models.CASCADE, related_name="processes")
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["worker", "pid"], name="one_row_a_process")]
        ordering = ["started_at"]

    def __str__(self) -> str:
        return f"{self.worker}, process {self.pid}"


class Notification(models.Model):
    """One thing one person is told in the app."""

    class Tone(models.TextChoices):
        """The word of its pill: how it went."""

        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"
        WAITING = "waiting", "Waiting for a person"
        MENTION = "mention", "Mentioned"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notifications")
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    tone = models.CharField(max_length=10, choices=Tone.choices)
    title = models.CharField(max_length=200)
    text = models.TextField(blank=True)
    url = models.CharField(max_length=300)
    created_at = models.DateTimeField(auto_now_add=True)
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["user", "read_at"])]
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.title} (to {self.user})"


class Comment(models.Model):
    """Something a member said about a subject (see ``studio.comments``), or an answer to it: answers have no answers."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="comments")
    kind = models.CharField(max_length=30)
    """A name of ``studio.registries.SUBJECTS``."""
    key = models.CharField(max_length=200)
    """Which one of that kind."""
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.CASCADE, related_name="answers")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    text = models.TextField()
    """Plain text; blank once it is deleted."""
    request_key = models.CharField(max_length=64, blank=True)
    """Made with the form: the same form sent twice is one comment."""
    created_at = models.DateTimeField(auto_now_add=True)
    edited_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    deleted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "request_key"], condition=~models.Q(request_key=""), name="one_comment_a_request"
            ),
            models.CheckConstraint(
                condition=models.Q(parent__isnull=True) | models.Q(resolved_at__isnull=True),
                name="only_threads_are_resolved",
            ),
        ]
        indexes = [models.Index(fields=["workspace", "kind", "key"], name="comments_of_a_subject")]
        ordering = ["id"]

    def __str__(self) -> str:
        return f"comment {self.pk} on {self.kind} {self.key}"


class NotificationChoice(models.Model):
    """What a member wants to be told of, and whether by e-mail too. Without a row: of their own runs, in the app alone.

    Being mentioned is always told: somebody asked for this very person.
    """

    class About(models.TextChoices):
        """Which runs."""

        MINE = "mine", "Runs I started or scheduled"
        ALL = "all", "All runs of this workspace"
        NONE = "none", "No runs"

    class Mail(models.TextChoices):
        """Which of these also go out by e-mail."""

        NEVER = "never", "Nothing"
        TROUBLE = "trouble", "What needs somebody: failures, runs that wait, mentions"
        ALL = "all", "Everything I am told of"

    membership = models.OneToOneField(Membership, on_delete=models.CASCADE, related_name="notification_choice")
    about = models.CharField(max_length=10, choices=About.choices, default=About.MINE)
    mail = models.CharField(max_length=10, choices=Mail.choices, default=Mail.NEVER)

    def __str__(self) -> str:
        return f"{self.membership.user}: {self.about}, e-mail {self.mail}"


class Webhook(models.Model):
    """An address of a workspace's own that is told of its runs, with the secret that signs what is sent there."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="webhooks")
    url = models.CharField(max_length=500)
    """For owners' eyes: the paths of chat services' webhooks are secrets. Elsewhere :attr:`host` stands for it."""
    events: Any = models.JSONField(default=list)
    """Names of ``studio.notices.EVENTS``."""
    encrypted = models.BinaryField()
    active = models.BooleanField(default=True)
    paused_because = models.CharField(max_length=200, blank=True)
    """Why the Studio paused it; blank when a person did."""
    failing_since = models.DateTimeField(null=True, blank=True)
    """When the first of the tries went wrong that were not followed by one that was taken."""
    warned_at = models.DateTimeField(null=True, blank=True)
    """When the owners were told of that."""
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["created_at"]

    def __str__(self) -> str:
        return self.host

    @property
    def host(self) -> str:
        """Where it leads, without the path."""
        return urlsplit(str(self.url)).netloc

    def seal(self, secret: str) -> None:
        """Store the signing secret encrypted."""
        self.encrypted = encrypt(secret)

    def reveal(self) -> str:
        """The signing secret; raises ``StudioError`` when no known key decrypts it."""
        secret = decrypt(bytes(self.encrypted))
        if secret is None:
            raise StudioError(
                f"The secret of the webhook to {self.host} can't be decrypted with the present encryption keys.",
                action="Remove the webhook and add it again, or restore the old key in STUDIO_ENCRYPTION_KEYS.",
            )
        return secret


class Delivery(Job):
    """One message on its way out of the house: to a webhook, or to a person by e-mail. Tried again until it is taken."""

    task = "studio.tasks.deliver"

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="deliveries")
    webhook = models.ForeignKey(Webhook, null=True, blank=True, on_delete=models.CASCADE, related_name="deliveries")
    notification = models.ForeignKey(
        Notification, null=True, blank=True, on_delete=models.CASCADE, related_name="deliveries"
    )
    event = models.CharField(max_length=40)
    payload: Any = models.JSONField(default=dict)
    """What a webhook is sent, as it was when it happened; ``id`` names the event, however often it is sent."""
    tries: Any = models.JSONField(default=list)
    """``[{"at", "status", "milliseconds", "error"}]`` of every attempt so far, the last ten."""

    class Meta(Job.Meta):
        abstract = False
        constraints = [
            *Job.Meta.constraints,
            models.CheckConstraint(
                condition=models.Q(webhook__isnull=False) ^ models.Q(notification__isnull=False),
                name="a_delivery_has_one_receiver",
            ),
        ]
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["webhook", "-created_at"], name="deliveries_of_a_webhook")]

    def __str__(self) -> str:
        return f"{self.event} to {self.webhook or self.notification}"

    @property
    def queue_name(self) -> str:
        """Sending waits for the network, not for a processor."""
        return "io"

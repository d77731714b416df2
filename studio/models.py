"""Who works where, with which secrets, and what was done: workspaces, members, credentials, sign-in links, audit events."""

from __future__ import annotations

import uuid
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models

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
        self.encrypted = _fernet().encrypt(secret.encode())
        self.hint = secret[-4:] if len(secret) >= 12 else ""

    def reveal(self) -> str:
        """The secret; raises ``StudioError`` when no known key decrypts it."""
        try:
            return _fernet().decrypt(bytes(self.encrypted)).decode()
        except InvalidToken:
            raise StudioError(
                f"The key of credential '{self.name}' can't be decrypted with the present encryption keys.",
                action="Enter the provider's key again, or restore the old key in STUDIO_ENCRYPTION_KEYS.",
            ) from None


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

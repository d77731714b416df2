"""First owner and one-time sign-in links."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from studio import audit
from studio.models import Membership, Role, SignInLink, Workspace

LINK_LIFETIME = timedelta(hours=24)


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def make_sign_in_link(user: User) -> str:
    """The path of a link that signs ``user`` in once within a day."""
    token = secrets.token_urlsafe(32)
    SignInLink.objects.create(user=user, token_sha256=_sha256(token), expires_at=timezone.now() + LINK_LIFETIME)
    return reverse("one_time_sign_in", args=[token])


def use_sign_in_link(token: str) -> User | None:
    """The user of an unused, unexpired link, which is used up by this; None for any other token."""
    now = timezone.now()
    links = SignInLink.objects.filter(token_sha256=_sha256(token), used_at__isnull=True, expires_at__gt=now)
    link = links.select_related("user").first()
    if link is None or not links.update(used_at=now):
        return None
    return link.user if link.user.is_active else None


def ensure_owner() -> str | None:
    """Make the first workspace and its owner when nobody is there yet.

    Returns a sign-in link's path as long as the owner has never signed in, None afterwards.
    """
    owner = ensure_workspace()
    return None if owner.last_login else make_sign_in_link(owner)


@transaction.atomic
def ensure_workspace() -> User:
    """The first owner; made, with a workspace ``main``, when nobody is there yet."""
    users = get_user_model().objects
    owner = users.filter(memberships__role=Role.OWNER).order_by("pk").first()
    if owner is None:
        owner = users.create_user(username="owner")
        owner.set_unusable_password()
        owner.save(update_fields=["password"])
        workspace, _ = Workspace.objects.get_or_create(slug="main", defaults={"name": "Main workspace"})
        Membership.objects.create(workspace=workspace, user=owner, role=Role.OWNER)
        audit.record(workspace, actor=owner, verb="created", subject=f"workspace {workspace.slug}")
    return owner

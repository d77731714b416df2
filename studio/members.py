"""Who belongs to a workspace: add, change, remove; a workspace always keeps an owner."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction

from studio import audit
from studio.accounts import make_sign_in_link
from studio.lib.errors import StudioError
from studio.models import Membership, Role, Workspace


class LastOwner(StudioError):
    """The change would leave a workspace without an owner."""

    def __init__(self) -> None:
        super().__init__("A workspace needs an owner.", action="Make somebody else an owner first.")


@transaction.atomic
def add_member(workspace: Workspace, *, username: str, role: str, by: User) -> tuple[Membership, str | None]:
    """Add a person, made when nobody has that name. Returns the membership, and a sign-in link's path for a new person."""
    user, made = User.objects.get_or_create(username=username)
    if made:
        user.set_unusable_password()
        user.save(update_fields=["password"])
    membership = Membership.objects.create(workspace=workspace, user=user, role=role)
    audit.record(workspace, actor=by, verb="added", subject=f"member {username}", details={"role": role})
    return membership, make_sign_in_link(user) if made else None


@transaction.atomic
def change_role(membership: Membership, *, role: str, by: User) -> None:
    """Give a member another role. Raises :class:`LastOwner`."""
    if membership.role == Role.OWNER and role != Role.OWNER:
        _keep_an_owner(membership)
    before, membership.role = membership.role, role
    membership.save(update_fields=["role"])
    audit.record(
        membership.workspace,
        actor=by,
        verb="changed the role of",
        subject=f"member {membership.user.get_username()}",
        details={"from": str(before), "to": role},
    )


@transaction.atomic
def remove_member(membership: Membership, *, by: User) -> None:
    """Take a person out of a workspace; the account and what the person did stay. Raises :class:`LastOwner`."""
    if membership.role == Role.OWNER:
        _keep_an_owner(membership)
    audit.record(membership.workspace, actor=by, verb="removed", subject=f"member {membership.user.get_username()}")
    membership.delete()


def _keep_an_owner(membership: Membership) -> None:
    others = Membership.objects.select_for_update().filter(workspace=membership.workspace, role=Role.OWNER)
    if not others.exclude(pk=membership.pk).exists():
        raise LastOwner

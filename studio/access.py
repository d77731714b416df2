"""Who may see and do what. Every view of a workspace goes through :func:`role_required`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase

from studio import notices
from studio.models import Membership, Role, Workspace

P = ParamSpec("P")


class WorkspaceRequest(HttpRequest):
    """A request that passed :func:`role_required`."""

    workspace: Workspace
    membership: Membership
    htmx: Any


View = Callable[Concatenate[WorkspaceRequest, P], HttpResponseBase]


def role_required(role: str) -> Callable[[View[P]], Callable[..., HttpResponseBase]]:
    """Only members of the URL's ``workspace`` with at least ``role``.

    Not signed in → the sign-in page; a stranger → 404 (whether the workspace exists is not told); a lower role → 403.
    """
    needed = Role(role)

    def decorate(view: View[P]) -> Callable[..., HttpResponseBase]:
        @login_required
        @wraps(view)
        def guarded(request: WorkspaceRequest, workspace: str, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            user = cast(User, request.user)
            membership = (
                Membership.objects.select_related("workspace").filter(workspace__slug=workspace, user=user).first()
            )
            if membership is None:
                raise Http404("No such page.")
            if not membership.at_least(needed):
                raise PermissionDenied(
                    f"This needs the role '{needed.label.lower()}'; you are {membership.get_role_display().lower()} here. "
                    "Ask an owner of the workspace to change your role."
                )
            request.workspace, request.membership = membership.workspace, membership
            return view(request, *args, **kwargs)

        guarded.required_role = needed  # type: ignore[attr-defined]
        return guarded

    return decorate


def navigation(request: HttpRequest) -> dict[str, Any]:
    """Context of every page: the workspace, the member's role, and the workspaces to switch to."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {}
    membership: Membership | None = getattr(request, "membership", None)
    memberships = list(Membership.objects.select_related("workspace").filter(user=user).order_by("workspace__name"))
    current = membership or (memberships[0] if memberships else None)
    return {
        "membership": current,
        "workspace": current.workspace if current else None,
        "memberships": memberships,
        "can_edit": bool(current and current.at_least(Role.EDITOR)),
        "can_review": bool(current and current.at_least(Role.REVIEWER)),
        "is_owner": bool(current and current.at_least(Role.OWNER)),
        # Called by the templates that show it, so that fragments cost no look-up.
        "unread_count": lambda: notices.count_unread(user, current.workspace) if current else 0,
    }

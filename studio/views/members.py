"""Settings: the people of a workspace."""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from studio import audit, members
from studio.access import WorkspaceRequest, role_required
from studio.forms import MemberForm
from studio.models import AuditEvent, Membership, Role

EVENTS = 100


@require_http_methods(["GET", "POST"])
@role_required("viewer")
def index(request: WorkspaceRequest) -> HttpResponse:
    """The members, for everyone to see; owners also get the form that adds one."""
    if request.method == "POST" and not request.membership.at_least(Role.OWNER):
        raise PermissionDenied("Only an owner can add people. Ask one of those listed.")
    form = MemberForm(request.POST or None, workspace=request.workspace)
    link = None
    if request.method == "POST" and form.is_valid():
        by = cast(User, request.user)
        membership, path = members.add_member(request.workspace, **form.cleaned_data, by=by)
        messages.success(request, f"{membership.user.get_username()} is a member now.")
        if path is None:
            return redirect("members", request.workspace.slug)
        link, form = settings.STUDIO_URL.rstrip("/") + path, MemberForm(workspace=request.workspace)
    found = Membership.objects.filter(workspace=request.workspace).select_related("user").order_by("user__username")
    context = {"members": found, "form": form, "link": link, "roles": Role.choices, "tab": "members"}
    return render(request, "studio/members.html", context, status=422 if form.errors else 200)


@require_POST
@role_required("owner")
def change(request: WorkspaceRequest, pk: int) -> HttpResponse:
    """Change a member's role, or remove the member."""
    membership = get_object_or_404(Membership.objects.select_related("user"), workspace=request.workspace, pk=pk)
    by, role, name = cast(User, request.user), request.POST.get("role", ""), membership.user.get_username()
    try:
        if request.POST.get("remove"):
            members.remove_member(membership, by=by)
            messages.success(request, f"{name} is no longer a member.")
        elif role in Role.values:
            members.change_role(membership, role=role, by=by)
            messages.success(request, f"{name} is {Role(role).label.lower()} now.")
    except members.LastOwner as error:
        messages.error(request, f"{error} {error.action}")
    if membership.user_id == by.pk and (membership.pk is None or membership.role != Role.OWNER):
        return redirect("home")
    return redirect("members", request.workspace.slug)


@require_safe
@role_required("owner")
def audit_trail(request: WorkspaceRequest) -> HttpResponse:
    """The newest events of the workspace's audit trail."""
    before = request.GET.get("before", "")
    events = AuditEvent.objects.filter(workspace=request.workspace).order_by("-number")
    if before.isdigit():
        events = events.filter(number__lt=int(before))
    rows = list(events[: EVENTS + 1])
    older = rows[EVENTS - 1].number if len(rows) > EVENTS else None
    context: dict[str, Any] = {"events": rows[:EVENTS], "older": older, "tab": "audit"}
    if request.GET.get("check"):
        context |= {
            "checked": True,
            "breaks": list(audit.verify(request.workspace)),
            "head": audit.head(request.workspace),
        }
    return render(request, "studio/audit.html", context)


@require_safe
@role_required("owner")
def audit_export(request: WorkspaceRequest) -> StreamingHttpResponse:
    """The whole trail as JSON lines."""
    answer = StreamingHttpResponse(audit.export(request.workspace), content_type="application/x-ndjson")
    answer["Content-Disposition"] = f'attachment; filename="audit-{request.workspace.slug}.jsonl"'
    return answer

"""What a person is told: the list behind the bell, and what they chose to be told of."""

from __future__ import annotations

import time
from typing import cast
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from studio import mail, notices
from studio.access import WorkspaceRequest, role_required
from studio.forms import AddressForm, ChoiceForm
from studio.jobs import State
from studio.models import Delivery, Notification

PAGE = 30
ASK_AGAIN_SECONDS = 60
"""Between two confirmation mails that one session asks for."""


@require_safe
@role_required("viewer")
def index(request: WorkspaceRequest) -> HttpResponse:
    """The person's notifications of this workspace, newest first; ``?show=unread`` filters, ``?before=`` pages.

    An htmx request for the drawer gets the drawer.
    """
    own = Notification.objects.filter(user=cast(User, request.user), workspace=request.workspace)
    unread = own.filter(read_at__isnull=True).count()
    only_unread = request.GET.get("show") == "unread"
    found = own.filter(read_at__isnull=True) if only_unread else own
    before = request.GET.get("before", "")
    if before.isdecimal() and len(before) < 18:
        found = found.filter(pk__lt=int(before))
    rows = list(found[: PAGE + 1])
    more = {"before": rows[PAGE - 1].pk} if len(rows) > PAGE else {}
    context = {
        "notifications": rows[:PAGE],
        "unread": unread,
        "only_unread": only_unread,
        "older": "?" + urlencode({**({"show": "unread"} if only_unread else {}), **more}) if more else "",
        "paged": bool(before),
    }
    if request.htmx and "drawer" in (request.htmx.target or ""):
        return render(request, "studio/notifications.html#drawer", {**context, "close": _page_below(request)})
    return render(request, "studio/notifications.html", context)


def _page_below(request: WorkspaceRequest) -> str:
    """The page that the drawer was opened on."""
    return request.htmx.current_url_abs_path or reverse("workspace_home", args=[request.workspace.slug])


@require_POST
@role_required("viewer")
def read(request: WorkspaceRequest, pk: int) -> HttpResponse:
    """Mark one notification read. A script's call gets an empty answer, a form goes back to where it was."""
    own = Notification.objects.filter(user=cast(User, request.user), workspace=request.workspace)
    notice = get_object_or_404(own, pk=pk)
    notices.mark_read(request.user, request.workspace, pk=notice.pk)
    return HttpResponse(status=204) if request.POST.get("quiet") else _back(request)


@require_POST
@role_required("viewer")
def read_all(request: WorkspaceRequest) -> HttpResponse:
    """Mark everything of this workspace read."""
    notices.mark_read(request.user, request.workspace)
    return _back(request)


def _back(request: WorkspaceRequest) -> HttpResponse:
    target = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}):
        return redirect(target)
    return redirect("notifications", request.workspace.slug)


@require_http_methods(["GET", "POST"])
@role_required("viewer")
def choices(request: WorkspaceRequest) -> HttpResponse:
    """What this person is told of in this workspace."""
    form = ChoiceForm(request.POST or None, instance=notices.choice_of(request.membership))
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Your choice is saved.")
        return redirect("notification_choices", request.workspace.slug)
    return _settings(request, choices=form)


def _settings(
    request: WorkspaceRequest, *, choices: ChoiceForm | None = None, address: AddressForm | None = None
) -> HttpResponse:
    user = cast(User, request.user)
    lost = Delivery.objects.filter(
        workspace=request.workspace, notification__user=user, state=State.FAILED
    ).select_related("notification")
    context = {
        "choices": choices or ChoiceForm(instance=notices.choice_of(request.membership)),
        "address": address or AddressForm(initial={"email": user.email}),
        "sends_mail": mail.is_configured(),
        "way": mail.describe_way(),
        "lost": lost.order_by("-finished_at").first(),
        "tab": "notifications",
    }
    bad = any(form is not None and form.errors for form in (choices, address))
    return render(request, "studio/notification_choices.html", context, status=422 if bad else 200)


@require_POST
@role_required("viewer")
def address(request: WorkspaceRequest) -> HttpResponse:
    """Ask for another address: a link goes there. An empty one forgets the present one at once."""
    user = cast(User, request.user)
    form = AddressForm(request.POST)
    if not form.is_valid():
        return _settings(request, address=form)
    wanted: str = form.cleaned_data["email"]
    if not wanted:
        User.objects.filter(pk=user.pk).update(email="")
        messages.success(request, "Your address is forgotten; you get no mails.")
    elif wanted == user.email:
        messages.info(request, f"{wanted} is your address already.")
    else:
        _ask_to_confirm(request, user, wanted, form=form)
        if form.errors:
            return _settings(request, address=form)
        messages.success(request, f"A mail is on its way to {wanted}: open its link within a day.")
    return redirect("notification_choices", request.workspace.slug)


def _ask_to_confirm(request: WorkspaceRequest, user: User, wanted: str, *, form: AddressForm) -> None:
    """Send the link, or write into ``form`` why not."""
    if not mail.is_configured():
        form.add_error("email", mail.describe_way())
        return
    if time.time() - request.session.get("mail_asked_at", 0) < ASK_AGAIN_SECONDS:
        form.add_error("email", "A mail was sent a moment ago: look for it, or try again in a minute.")
        return
    request.session["mail_asked_at"] = time.time()
    try:
        mail.send_confirmation(user, wanted)
    except mail.MailRefused as error:
        form.add_error("email", f"{error} {error.action}")


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """The link in a confirmation mail. GET only shows the button, so that a mail scanner confirms nothing."""
    found = mail.read_confirmation(token)
    user = cast(User, request.user)
    if found is None or found[0] != user.pk:
        return render(request, "studio/email_confirm.html", {"refused": True}, status=403)
    if request.method == "POST":
        User.objects.filter(pk=user.pk).update(email=found[1])
        messages.success(request, f"Mails go to {found[1]} from now on.")
        return redirect("home")
    return render(request, "studio/email_confirm.html", {"address": found[1]})

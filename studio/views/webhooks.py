"""Settings: the webhooks of a workspace, and what was sent there."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.dateparse import parse_datetime
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from studio import webhooks
from studio.access import WorkspaceRequest, role_required
from studio.forms import EventsForm, WebhookForm
from studio.jobs import State
from studio.models import Delivery, Webhook
from studio.notices import EVENTS, TEST_EVENT

PAGE = 30
UNDER_WAY = (State.PENDING, State.RUNNING)


@sensitive_variables("secret")
@require_http_methods(["GET", "POST"])
@role_required("owner")
def index(request: WorkspaceRequest) -> HttpResponse:
    """The webhooks, and the form that adds one; its answer is the one time the secret is shown."""
    form = WebhookForm(request.POST or None, workspace=request.workspace)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        hook, secret = webhooks.add(
            request.workspace, url=values["url"], events=values["events"], by=cast(User, request.user)
        )
        messages.success(request, "The webhook is added. Keep its secret now, then send a test.")
        return _page_of(request, hook, secret=secret)
    hooks = [(hook, word_of(hook), hook.deliveries.first()) for hook in _hooks(request)]
    context = {"hooks": hooks, "form": form, "events": EVENTS, "tab": "webhooks"}
    return render(request, "studio/webhooks.html", context, status=422 if form.errors else 200)


def _hooks(request: WorkspaceRequest) -> Any:
    return Webhook.objects.filter(workspace=request.workspace).select_related("created_by", "workspace")


def _hook(request: WorkspaceRequest, pk: Any) -> Webhook:
    hook: Webhook = get_object_or_404(_hooks(request), pk=pk)
    return hook


def word_of(hook: Webhook) -> str:
    """How it stands: active, failing or paused."""
    if not hook.active:
        return "paused"
    return "failing" if hook.failing_since else "active"


@require_safe
@role_required("owner")
def show(request: WorkspaceRequest, pk: str) -> HttpResponse:
    """One webhook and its deliveries. An htmx request gets the live part, which asks again while something is under way."""
    return _page_of(request, _hook(request, pk))


@sensitive_variables("secret")
def _page_of(
    request: WorkspaceRequest, hook: Webhook, *, secret: str = "", form: EventsForm | None = None
) -> HttpResponse:
    found = hook.deliveries.all()
    only_failed = request.GET.get("show") == "failed"
    if only_failed:
        found = found.filter(state=State.FAILED)
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    for delivery in page:
        delivery.tries = [{**tried, "at": parse_datetime(tried["at"])} for tried in delivery.tries]
    context = {
        "hook": hook,
        "word": word_of(hook),
        "event_words": {**EVENTS, TEST_EVENT: "A test"},
        "page": page,
        "only_failed": only_failed,
        "under_way": hook.deliveries.filter(state__in=UNDER_WAY).exists(),
        "secret": secret,
        "form": form or EventsForm(initial={"events": hook.events}),
        "tab": "webhooks",
    }
    part = "#live" if request.htmx else ""
    return render(request, f"studio/webhook.html{part}", context, status=422 if form and form.errors else 200)


@require_POST
@role_required("owner")
def change_events(request: WorkspaceRequest, pk: str) -> HttpResponse:
    """Choose what it is told of."""
    hook = _hook(request, pk)
    form = EventsForm(request.POST)
    if not form.is_valid():
        return _page_of(request, hook, form=form)
    webhooks.change_events(hook, events=form.cleaned_data["events"], by=cast(User, request.user))
    messages.success(request, "Saved: it is told of these from now on.")
    return redirect("webhook", request.workspace.slug, hook.pk)


@require_POST
@role_required("owner")
def test(request: WorkspaceRequest, pk: str) -> HttpResponse:
    """Send a test message; the deliveries show what came of it."""
    hook = _hook(request, pk)
    webhooks.send_test(hook, by=cast(User, request.user))
    messages.info(request, "A test is on its way: see below what the receiver answered.")
    return redirect("webhook", request.workspace.slug, hook.pk)


@sensitive_variables("secret")
@require_POST
@role_required("owner")
def renew_secret(request: WorkspaceRequest, pk: str) -> HttpResponse:
    """Make a new secret and show it, this once."""
    hook = _hook(request, pk)
    secret = webhooks.renew_secret(hook, by=cast(User, request.user))
    return _page_of(request, hook, secret=secret)


@require_POST
@role_required("owner")
def pause(request: WorkspaceRequest, pk: str) -> HttpResponse:
    """Pause it, or let a paused one go on (``back``)."""
    hook = _hook(request, pk)
    if request.POST.get("back"):
        webhooks.resume(hook, by=cast(User, request.user))
        messages.success(request, "It is told again of what happens from now on.")
    else:
        webhooks.pause(hook, by=cast(User, request.user))
        messages.success(request, "It is paused: nothing is sent there.")
    return redirect("webhook", request.workspace.slug, hook.pk)


@require_POST
@role_required("owner")
def remove(request: WorkspaceRequest, pk: str) -> HttpResponse:
    """Forget a webhook and its deliveries."""
    hook = _hook(request, pk)
    webhooks.remove(hook, by=cast(User, request.user))
    messages.success(request, f"The webhook to {hook.url} is removed.")
    return redirect("webhooks", request.workspace.slug)


@require_POST
@role_required("owner")
def redeliver(request: WorkspaceRequest, pk: str, delivery: str) -> HttpResponse:
    """Send a message that was sent before once more."""
    hook = _hook(request, pk)
    earlier = get_object_or_404(Delivery, webhook=hook, pk=delivery)
    if not hook.active and earlier.event != TEST_EVENT:
        messages.error(request, "The webhook is paused: resume it first.")
    else:
        webhooks.redeliver(earlier)
        messages.info(request, "It is on its way once more, under the same id.")
    return redirect("webhook", request.workspace.slug, hook.pk)

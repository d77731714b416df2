"""Links to a report: their list, and the page that they open for people without an account."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from evaluation.blind.show import closed_of
from evaluation.boards.tables import open_items
from evaluation.models import ReportShare
from evaluation.report import sharing
from evaluation.report.page import file_rows, report_context, since_earlier
from evaluation.report.scorecards import read_report
from evaluation.signoff.reading import newest
from evaluation.signoff.settling import settle
from evaluation.views.evaluations import find
from studio.access import WorkspaceRequest, role_required
from studio.lib.errors import StudioError

ROWS = 100
GUESSES = 20
"""Unknown tokens that one address may try in a minute."""


@require_http_methods(["GET", "POST"])
@role_required("editor")
def index(request: WorkspaceRequest, pk: UUID) -> HttpResponseBase:
    """The report's links, and the form that makes one. The new link is on the answer to that form alone."""
    card = find(request, pk)
    link, problem = "", None
    if request.method == "POST":
        days = request.POST.get("days", "")
        try:
            _, token = sharing.make(
                card,
                days=int(days) if days.isdecimal() and len(days) < 5 else 0,
                with_rows=bool(request.POST.get("with_rows")),
                note=request.POST.get("note", ""),
                by=cast(User, request.user),
            )
            link = settings.STUDIO_URL.rstrip("/") + reverse("shared_report", args=[token])
        except StudioError as error:
            problem = error
    context = {
        "card": card,
        "run": card.step_run.run,
        "shares": card.shares.select_related("created_by"),
        "link": link,
        "problem": problem,
        "days": sharing.DAYS,
    }
    return render(request, "evaluation/shares.html", context, status=422 if problem else 200)


@require_POST
@role_required("editor")
def revoke(request: WorkspaceRequest, pk: UUID, share: UUID) -> HttpResponseBase:
    """End a link."""
    found = get_object_or_404(
        ReportShare.objects.select_related("scorecard__workspace", "scorecard__step_run__run__version__pipeline"),
        pk=share,
        scorecard=find(request, pk),
    )
    if sharing.revoke(found, by=cast(User, request.user)):
        messages.success(request, "The link is revoked: it opens nothing any more.")
    else:
        messages.info(request, "That link had been revoked already.")
    return redirect("report_shares", request.workspace.slug, pk)


@never_cache
@require_safe
def shared(request: HttpRequest, token: str) -> HttpResponseBase:
    """The report behind a link, for anybody who has it: no account, no workspace around it, nothing to write."""
    try:
        share = sharing.open_link(token)
    except sharing.Gone as error:
        return _closed(request, error, status=429 if _guesses_much(request) else 404)
    except sharing.TooOften as error:
        return _closed(request, error, status=429)
    card = share.scorecard
    report = read_report(card.report)
    found = newest(card)
    context: dict[str, Any] = {
        **report_context(card, report, rows_url="", all_labels=True),
        "standalone": True,
        "share": share,
        "blind": closed_of(card, report),
        "sign_off": settle(found) if found is not None else None,
        "models": [],
        # Nothing of the person who looks: somebody signed in sees what everybody sees.
        "workspace": None,
    }
    if share.with_rows:
        table = open_items(card, report)
        context |= {"sample": file_rows(table, most=ROWS), "since": since_earlier(card, table, rows_url="")}
    return _private(render(request, "evaluation/shared.html", context))


def _guesses_much(request: HttpRequest) -> bool:
    """Whether this address has tried many links that lead nowhere."""
    key = f"share-guesses:{request.META.get('REMOTE_ADDR', '')}"
    cache.add(key, 0, timeout=60)
    try:
        return cache.incr(key) > GUESSES
    except ValueError:
        # It expired between the two lines.
        return False


def _closed(request: HttpRequest, error: StudioError, *, status: int) -> HttpResponse:
    return _private(
        render(request, "evaluation/shared_closed.html", {"problem": error, "workspace": None}, status=status)
    )


def _private(answer: HttpResponse) -> HttpResponse:
    """Not for search engines, nor for other sites to learn of from a referrer."""
    answer["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    answer["Referrer-Policy"] = "no-referrer"
    return answer

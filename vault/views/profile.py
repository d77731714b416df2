"""The profile of a version in pictures. Every bar and count opens the rows behind it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from studio.access import WorkspaceRequest, role_required
from studio.jobs import LIVE, State
from studio.lib.errors import StudioError
from vault import derivations
from vault import profile as profiles
from vault.models import DatasetVersion, Derivation
from vault.profiling import students
from vault.query import ask
from vault.views.lookup import address, get_version
from vault.views.pictures import pictures, version_path

LONGEST_LIMIT = 1 << 30


@role_required("viewer")
@require_safe
def profile(request: WorkspaceRequest, slug: str, number: int) -> HttpResponse:
    """The pictures, or how far the worker is with them; asks for them when nobody did."""
    version = get_version(request, slug, number)
    return render(
        request, "vault/profile.html#body" if request.htmx else "vault/profile.html", page_context(request, version)
    )


def page_context(request: WorkspaceRequest, version: DatasetVersion) -> dict[str, Any]:
    """Everything the page shows."""
    student = students.choose(request.GET.get("student", ""))
    ref = student.ref if student else ""
    made = profiles.find(version.artifact, student=ref)
    if made is None or (made.state == State.SUCCEEDED and not profiles.is_whole(made)):
        made = profiles.request(version.artifact, student=ref)
    query = {"student": ref} if request.GET.get("student") else {}
    context: dict[str, Any] = {
        "version": version,
        "dataset": version.dataset,
        "tab": "profile",
        "made": made,
        "is_live": made.state in LIVE,
        "student": student,
        "students": students.choices(),
        "here": address(profile_path(version, "dataset_profile"), query),
        "waiting_before": _waiting_before(made),
    }
    if made.state == State.SUCCEEDED:
        found = made.result
        context |= {"found": found, **pictures(version, found, student=student)}
        context |= limit_context(version, made, request.GET.get("max_length", ""), student=ref)
    return context


def profile_path(version: DatasetVersion, name: str) -> str:
    """The address of the profile, or of one of its actions."""
    return reverse(name, args=[version.dataset.workspace.slug, version.dataset.slug, version.number])


def _waiting_before(made: Derivation) -> int:
    """How many other profiles and indexes wait in front of one that no worker has taken yet."""
    if made.state != State.PENDING:
        return 0
    return Derivation.objects.filter(state__in=LIVE, created_at__lt=made.created_at).count()


@role_required("viewer")
@require_safe
def limit(request: WorkspaceRequest, slug: str, number: int) -> HttpResponse:
    """What a maximum length would cost, for the length that was typed."""
    version = get_version(request, slug, number)
    student = students.choose(request.GET.get("student", ""))
    ref = student.ref if student else ""
    made = profiles.find(version.artifact, student=ref)
    if made is None or not profiles.is_whole(made):
        return redirect(address(profile_path(version, "dataset_profile"), {"student": ref} if ref else {}))
    context = limit_context(version, made, request.GET.get("max_length", ""), student=ref)
    context |= {"version": version, "dataset": version.dataset, "found": made.result, "student": student}
    return render(request, "vault/profile.html#limit", context)


def limit_context(version: DatasetVersion, made: Derivation, typed: str, *, student: str) -> dict[str, Any]:
    """The curve of what is lost at each maximum length, and the exact numbers at the chosen one."""
    told = made.result.get("tokens")
    if not told:
        return {"limit": None}
    last = _last_limit(told)
    chosen = int(typed) if typed.isdigit() and 0 < int(typed) <= LONGEST_LIMIT else min(told["p95"], last)
    try:
        rows, tokens = _beyond(made, chosen)
    except StudioError as error:
        return {"limit": None, "limit_problem": error}
    total, all_tokens = told["rows"], told["total"] or 1
    path = version_path(version)
    points = [[x, over / total] for x, over, _ in told["curve"] if x <= last]
    return {
        "limit": {
            "chosen": chosen,
            "points": [[0, 1.0], *points] if points else [],
            "smallest": 1,
            "last": max(last, chosen),
            "rows": rows,
            "share": rows / total,
            "tokens": tokens,
            "tokens_share": tokens / all_tokens,
            "href": address(path, {"min_tokens": chosen + 1}) if rows else "",
            "path": profile_path(version, "dataset_profile_limit"),
            "page": profile_path(version, "dataset_profile"),
            "student": student,
            "wrong": "A whole number of tokens, 1 or more." if typed and str(chosen) != typed.lstrip("0") else "",
        }
    }


def _last_limit(told: dict[str, Any]) -> int:
    """Where the curve ends: where the histogram does, so that one row of a million tokens does not flatten it."""
    return int(told["bins"][-1][0] if told["open_end"] else told["high"])


def _beyond(made: Derivation, limit: int) -> tuple[int, int]:
    """How many rows are longer than ``limit`` tokens, and how many tokens are beyond it."""
    (record,) = ask(
        "SELECT count(*), coalesce(sum(tokens - least(tokens, ?)), 0) FROM read_parquet(?) WHERE tokens > ?",
        [limit, str(derivations.folder(made) / profiles.FACTS_FILE), limit],
        root=settings.DATA_ROOT,
    )
    return int(record[0]), int(record[1])


@role_required("editor")
@require_POST
def cancel(request: WorkspaceRequest, slug: str, number: int) -> HttpResponse:
    """Stop the worker."""
    version = get_version(request, slug, number)
    made = profiles.find(version.artifact, student=request.POST.get("student", ""))
    if made is not None:
        made.request_cancel()
    return _back(request, version)


@role_required("editor")
@require_POST
def retry(request: WorkspaceRequest, slug: str, number: int) -> HttpResponse:
    """Ask again after a failure or a cancellation."""
    version = get_version(request, slug, number)
    profiles.request(version.artifact, student=request.POST.get("student", ""))
    return _back(request, version)


def _back(request: WorkspaceRequest, version: DatasetVersion) -> HttpResponse:
    student = request.POST.get("student", "")
    return redirect(address(profile_path(version, "dataset_profile"), {"student": student} if student else {}))

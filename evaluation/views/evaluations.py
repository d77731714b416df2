"""The list of evaluations and the report."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.text import slugify
from django.views.decorators.http import require_safe

from evaluation.blind.show import closed_of
from evaluation.boards.tables import open_items
from evaluation.judging.golden import with_people
from evaluation.losses.outcome import round_view
from evaluation.models import Scorecard
from evaluation.report import text as report_text
from evaluation.report.page import report_context, sample_rows, since_earlier, title_of
from evaluation.report.scorecards import read_report
from evaluation.report.standalone import MOST_ROWS, PDF_ROWS, NoPdf, render_file, render_pdf
from evaluation.signoff.box import box_for, states_of
from studio.access import WorkspaceRequest, role_required

PAGE = 50
FORMS = {
    "html": "text/html; charset=utf-8",
    "pdf": "application/pdf",
    "md": "text/markdown; charset=utf-8",
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
}
"""File ending of a download → its media type."""


@require_safe
@role_required("viewer")
def index(request: WorkspaceRequest) -> HttpResponseBase:
    """Every evaluation of the workspace, newest first."""
    cards = _cards(request).prefetch_related("scores")
    if query := request.GET.get("q", "").strip():
        cards = cards.filter(step_run__run__version__pipeline__name__icontains=query)
    tone = request.GET.get("verdict", "")
    if tone:
        cards = cards.filter(tone=tone)
    before = request.GET.get("before", "")
    if before:
        pivot = _cards(request).filter(pk=_uuid(before)).first()
        cards = cards.filter(created_at__lt=pivot.created_at) if pivot else cards
    page = list(cards[: PAGE + 1])
    more = len(page) > PAGE
    shown = page[:PAGE]
    signed = states_of(shown)
    context = {
        "cards": [{"card": card, "scores": _scores(card), "sign_off": signed.get(card.pk)} for card in shown],
        "next": shown[-1].pk if more else None,
        "query": query,
        "tone": tone,
        "filtered": bool(query or tone or before),
        "tones": Scorecard._meta.get_field("tone").choices,
    }
    return render(request, "evaluation/index.html", context)


@require_safe
@role_required("viewer")
def show(request: WorkspaceRequest, pk: UUID) -> HttpResponseBase:
    """The report: verdict first."""
    card = find(request, pk)
    report = read_report(card.report)
    rows_url = reverse("evaluation_rows", args=[request.workspace.slug, pk])
    table = open_items(card, report)
    get = request.GET.get
    context = report_context(
        card,
        report,
        rows_url=rows_url,
        sort=get("sort", "f1"),
        all_labels=get("labels") == "all",
        matrix_scope=get("matrix", ""),
        matrix_order=get("order", "name"),
        slice_field=get("slice", ""),
        all_slices=get("slices") == "all",
    )
    context |= {
        "sample": sample_rows(table, rows_url=rows_url),
        "since": since_earlier(card, table, rows_url=rows_url),
        "round": round_view(card, table),
        "box": box_for(card, request.membership),
        "blind": closed_of(card, report),
        "judged_card": judged_card_of(card),
    }
    return render(request, "evaluation/report.html", context)


@require_safe
@role_required("viewer")
def download(request: WorkspaceRequest, pk: UUID, form: str) -> HttpResponseBase:
    """The report as one HTML file, PDF, Markdown, JSON or CSV. ``?rows=no``: HTML and PDF without the rows."""
    card = find(request, pk)
    if form not in FORMS:
        raise Http404(f"A report can be had as {', '.join(FORMS)}.")
    report = read_report(card.report)
    title = title_of(card)
    with_rows = request.GET.get("rows") != "no"
    content: str | bytes
    try:
        content = (
            render_file(card, report, most_rows=MOST_ROWS if with_rows else 0)
            if form == "html"
            else render_pdf(card, report, most_rows=PDF_ROWS if with_rows else 0)
            if form == "pdf"
            else write_report(with_people(card, report), form=form, title=title)
        )
    except NoPdf as problem:
        messages.error(request, f"{problem} {problem.action}")
        return redirect(card)
    answer = HttpResponse(content, content_type=FORMS[form])
    answer["Content-Disposition"] = f'attachment; filename="{slugify(title) or "report"}.{form}"'
    return answer


def write_report(report: dict[str, Any], *, form: str, title: str) -> str:
    """The report's figures as Markdown, JSON or CSV."""
    if form == "md":
        return report_text.render_markdown(report, title=title)
    return report_text.render_csv(report) if form == "csv" else json.dumps(report, ensure_ascii=False, indent=1)


def judged_card_of(card: Scorecard) -> Scorecard | None:
    """The newest report of the same run into which a judge's grades went after this one, or None."""
    found = Scorecard.objects.filter(
        step_run__run=card.step_run.run_id,
        step_run__step="judge_answers",
        student_sha=card.student_sha,
        held_out_sha=card.held_out_sha,
        created_at__gt=card.created_at,
        replaced_at=None,
    )
    return found.select_related("workspace").first()


def find(request: WorkspaceRequest, pk: UUID) -> Scorecard:
    """An evaluation of this workspace, or 404."""
    card: Scorecard = get_object_or_404(_cards(request), pk=pk)
    return card


def _cards(request: WorkspaceRequest) -> Any:
    return Scorecard.objects.filter(workspace=request.workspace).select_related(
        "step_run__run__version__pipeline", "workspace", "report"
    )


def _scores(card: Scorecard) -> dict[str, dict[str, Any]]:
    """``{kind: {metric: Score}}`` of the first candidate of each kind."""
    found: dict[str, dict[str, Any]] = {}
    owner: dict[str, str] = {}
    for score in card.scores.all():
        if owner.setdefault(score.kind, score.candidate) == score.candidate:
            found.setdefault(score.kind, {})[score.metric] = score
    return found


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404("No such page.") from None

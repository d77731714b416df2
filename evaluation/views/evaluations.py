"""The list of evaluations and the report."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.text import slugify
from django.views.decorators.http import require_safe

from evaluation import presentation, report_text
from evaluation.explorer import VIEWS, RowFilter
from evaluation.models import Scorecard
from evaluation.scorecards import read_report
from evaluation.signoff.box import box_for, states_of
from evaluation.tables import open_items
from studio.access import WorkspaceRequest, role_required
from vault.models import Artifact, ArtifactKind

PAGE = 50
LABELS = 20
SAMPLE = 8
FORMS = {"md": "text/markdown; charset=utf-8", "json": "application/json", "csv": "text/csv; charset=utf-8"}
"""File ending of a download → its media type."""

HASHES = {"Held-out rows", "Training rows", "Student", "Base model revision"}
"""Facts of a report whose values are hashes."""


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
    sort = request.GET.get("sort", "f1")
    metrics, lines = presentation.candidate_rows(report)
    student = next((c for c in report["candidates"] if c["kind"] == "student"), None)
    labels = presentation.label_rows(report, sort=sort)
    shown = labels if request.GET.get("labels") == "all" else labels[:LABELS]
    context = {
        "card": card,
        "run": card.step_run.run,
        "report": report,
        "tone": presentation.VERDICT_TONES[card.tone],
        "tone_icon": presentation.ICONS[card.tone],
        "tiles": presentation.tiles(report),
        "metrics": metrics,
        "lines": lines,
        "comparisons": presentation.comparison_rows(report),
        "tradeoff": presentation.tradeoff(report),
        "student": student,
        "bins": presentation.calibration_bins(student),
        "labels": shown,
        "labels_left": len(labels) - len(shown),
        "sort": sort,
        "confusions": presentation.confusions(report, rows_url=rows_url),
        "matrix": presentation.matrix(report, rows_url=rows_url),
        "rows_url": rows_url,
        "sample": sample_of(card, report, rows_url=rows_url),
        "hashes": HASHES,
        "models": models_of(card),
        "box": box_for(card, request.membership),
        "can_compare_base": any(c["kind"] == "base" for c in report["candidates"]),
        "can_compare_teacher": any(c["kind"] == "teacher" and c["asked"] for c in report["candidates"]),
    }
    return render(request, "evaluation/report.html", context)


def sample_of(card: Scorecard, report: dict[str, Any], *, rows_url: str) -> dict[str, Any]:
    """The first rows on which the student is wrong (or differs from the teacher, where that is the measure)."""
    table = open_items(card, report)
    view = next((v for v in ("wrong", "differs") if v in table.views()), "")
    if not view:
        return {"rows": []}
    wanted = RowFilter(view=view)
    return {
        "title": VIEWS[view],
        "total": table.counts(wanted)[view],
        "href": f"{rows_url}?view={view}",
        "rows": [(row, f"{rows_url}?view={view}&row={row.rid}") for row in table.page(wanted, size=SAMPLE).rows],
    }


@require_safe
@role_required("viewer")
def download(request: WorkspaceRequest, pk: UUID, form: str) -> HttpResponseBase:
    """The report as Markdown, JSON or CSV."""
    card = find(request, pk)
    if form not in FORMS:
        raise Http404("A report can be had as md, json or csv.")
    title = f"{card.step_run.run.version.pipeline}, run {card.step_run.run.number}"
    answer = HttpResponse(write_report(read_report(card.report), form=form, title=title), content_type=FORMS[form])
    answer["Content-Disposition"] = f'attachment; filename="{slugify(title) or "report"}.{form}"'
    return answer


def write_report(report: dict[str, Any], *, form: str, title: str) -> str:
    """The report in one of the forms of :data:`FORMS`."""
    if form == "md":
        return report_text.render_markdown(report, title=title)
    return report_text.render_csv(report) if form == "csv" else json.dumps(report, ensure_ascii=False, indent=1)


def find(request: WorkspaceRequest, pk: UUID) -> Scorecard:
    """An evaluation of this workspace, or 404."""
    card: Scorecard = get_object_or_404(_cards(request), pk=pk)
    return card


def models_of(card: Scorecard) -> list[Artifact]:
    """The GGUF models that were exported from the student of this evaluation, in any run."""
    found = Artifact.objects.filter(
        workspace=card.workspace,
        kind=ArtifactKind.GGUF,
        step_outputs__step_run__run__steps__outputs__artifact__sha256=card.student_sha,
    )
    return list(found.distinct().order_by("-created_at")[:5])


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

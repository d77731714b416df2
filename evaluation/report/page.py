"""What the report shows, on its page and in the file that is taken away: one context for both."""

from __future__ import annotations

from typing import Any

from evaluation.boards import since
from evaluation.boards.tables import default_earlier, open_items
from evaluation.forgetting.page import forgotten_view
from evaluation.judging.golden import with_people
from evaluation.judging.show import judges_view
from evaluation.models import Scorecard
from evaluation.report import presentation
from evaluation.report import sections as section_pages
from evaluation.report.outside_page import outside_rows
from evaluation.report.picture import picture
from evaluation.rows.explorer import ItemTable
from evaluation.rows.filters import VIEWS, RowFilter
from studio.lib.errors import StudioError
from vault.models import Artifact, ArtifactKind

LABELS = 20
SAMPLE = 8
HASHES = {
    "Held-out rows",
    "Training rows",
    "Student",
    "Base model revision",
    "Answers of other models",
    "GGUF files",
    "Benchmarks",
}
"""Facts of a report whose values are hashes."""


def report_context(
    card: Scorecard,
    report: dict[str, Any],
    *,
    rows_url: str,
    sort: str = "f1",
    all_labels: bool = False,
    matrix_scope: str = "",
    matrix_order: str = "name",
    slice_field: str = "",
    all_slices: bool = False,
) -> dict[str, Any]:
    """Everything but the rows. Without ``rows_url`` nothing links to rows."""
    with_people(card, report)
    metrics, lines = presentation.candidate_rows(report)
    student = next((c for c in report["candidates"] if c["kind"] == "student"), None)
    labels = presentation.label_rows(report, sort=sort)
    shown = labels if all_labels else labels[:LABELS]
    most = len(report["per_label"]) + 1 if matrix_scope == "all" else presentation.MATRIX_LABELS
    return {
        "card": card,
        "run": card.step_run.run,
        "report": report,
        "is_text": report["task"] == "text",
        "tone": presentation.VERDICT_TONES[card.tone],
        "tone_icon": presentation.ICONS[card.tone],
        "tiles": presentation.tiles(report),
        "metrics": metrics,
        "lines": lines,
        "comparisons": presentation.comparison_rows(report),
        "judges": judges_view(report),
        "picture": picture(report),
        "outside": outside_rows(report),
        "student": student,
        "bins": presentation.calibration_bins(student),
        "confidences": presentation.confidence_rows(report),
        "labels": shown,
        "labels_left": len(labels) - len(shown),
        "sort": sort,
        "confusions": presentation.confusions(report, rows_url=rows_url),
        "matrix": presentation.matrix(report, rows_url=rows_url, most=most, order=matrix_order),
        "slices": section_pages.slices_view(report, rows_url=rows_url, field=slice_field, whole=all_slices),
        "forms": section_pages.forms_view(report, rows_url=rows_url),
        "forgotten": forgotten_view(report.get("forgotten")),
        "cascade": section_pages.cascade_view(report),
        "matrix_limit": presentation.MATRIX_LABELS,
        "matrix_scope": matrix_scope,
        "matrix_order": matrix_order,
        "rows_url": rows_url,
        "hashes": HASHES,
        "models": models_of(card),
        "can_compare_base": any(c["kind"] == "base" for c in report["candidates"]),
        "can_compare_teacher": any(c["kind"] == "teacher" and c["asked"] for c in report["candidates"]),
    }


def since_earlier(card: Scorecard, table: ItemTable, *, rows_url: str) -> dict[str, Any] | None:
    """What became of the rows since the student before, over the same rows; None when there is none."""
    earlier = default_earlier(card)
    if earlier is None:
        return None
    try:
        table.earlier = open_items(earlier)
        shared = since.shared_with_earlier(table)
    except StudioError:
        # The earlier report's files are gone: this report still opens.
        table.earlier = None
        return None
    if shared is None:
        return None
    run = earlier.step_run.run
    return {
        **since.describe(shared, rows_url=rows_url, versus=str(earlier.pk)),
        "name": f"{run.version.pipeline.name}, run {run.number}",
        "href": earlier.get_absolute_url(),
        "at": earlier.created_at,
    }


def sample_rows(table: ItemTable, *, rows_url: str) -> dict[str, Any]:
    """The first rows on which the student is wrong (or differs from the teacher, where that is the measure)."""
    view = next((v for v in ("wrong", "differs") if v in table.views()), "")
    if not view:
        return {"rows": []}
    wanted = RowFilter(view=view)
    student = next(c for c in table.source.candidates if c["kind"] == "student")
    return {
        "title": VIEWS[view],
        "total": table.counts(wanted)[view],
        "href": f"{rows_url}?view={view}",
        "candidates": [student],
        "rows": [
            {"row": row, "href": f"{rows_url}?view={view}&row={row.rid}", "answers": [row.by_name[student["name"]]]}
            for row in table.page(wanted, size=SAMPLE).rows
        ],
    }


def file_rows(table: ItemTable, *, most: int) -> dict[str, Any]:
    """Rows for a file that stands alone: those the student got wrong first, then the others, up to a limit; it says so."""
    total = table.marks.rows
    if not most and total:
        note = f"The {total:,} rows were left out of this file: it holds no question and no answer of theirs."
        return {"title": "Rows", "note": note, "total": total, "candidates": list(table.source.candidates), "rows": []}
    view = next((v for v in ("wrong", "differs") if v in table.views()), "all")
    first = table.positions(RowFilter(view=view)).tolist()
    known = set(first)
    rest = (rid for rid in range(total) if rid not in known) if view != "all" else iter(())
    rids = first[:most]
    while len(rids) < most and (rid := next(rest, None)) is not None:
        rids.append(rid)
    wrong = f" The {len(first):,} on which it is: {VIEWS[view].lower()}, come first." if view != "all" and first else ""
    if not total:
        note = "There were no held-out rows."
    elif len(rids) < total:
        note = f"{len(rids):,} of {total:,} rows are in this file; the others are in the Studio.{wrong}"
    else:
        note = f"All {total:,} rows.{wrong}"
    return {
        "title": "Rows",
        "note": note,
        "total": total,
        "candidates": list(table.source.candidates),
        "rows": [{"row": row, "answers": row.answers} for row in table.rows(rids)],
    }


def models_of(card: Scorecard) -> list[Artifact]:
    """The GGUF models that were exported from the student of this evaluation, in any run."""
    found = Artifact.objects.filter(
        workspace=card.workspace,
        kind=ArtifactKind.GGUF,
        step_outputs__step_run__run__steps__outputs__artifact__sha256=card.student_sha,
    )
    return list(found.distinct().order_by("-created_at")[:5])


def title_of(card: Scorecard) -> str:
    """``Cards, run 12``."""
    run = card.step_run.run
    return f"{run.version.pipeline.name}, run {run.number}"

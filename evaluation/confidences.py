"""How sure the last student was of a version's rows, for the Vault's review queue."""

from __future__ import annotations

from django.conf import settings

from evaluation.models import Scorecard
from evaluation.rows.columns import ITEMS_FILE, column
from pipelines.models import StepOutput
from studio.lib.errors import StudioError
from vault import store
from vault.models import DatasetVersion
from vault.query import ask


def student_confidences(version: DatasetVersion) -> dict[str, float]:
    """Row id → the student's probability of its answer, 0..1, from the newest evaluation in a run that began with this version.

    Empty when there is none, when its student gave no confidences, or when the report's files are not here.
    """
    runs = StepOutput.objects.filter(
        step_run__step="dataset",
        step_run__run__workspace=version.dataset.workspace_id,
        artifact__sha256=version.artifact.sha256,
    ).values("step_run__run")
    newest = Scorecard.objects.filter(step_run__run__in=runs).select_related("report").order_by("-created_at").first()
    student = newest.scores.filter(kind="student").order_by("pk").first() if newest else None
    if newest is None or student is None:
        return {}
    try:
        file = store.path(newest.report) / ITEMS_FILE
    except StudioError:
        return {}
    if not file.exists():
        return {}
    name = column(student.candidate, "confidence")
    found = ask(
        f'SELECT id, "{name}" FROM read_parquet(?) WHERE "{name}" IS NOT NULL',  # noqa: S608 -- letters, digits, underscores
        [str(file)],
        root=settings.DATA_ROOT,
    )
    return {str(row): float(sure) for row, sure in found}

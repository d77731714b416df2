"""What was made with a version of a dataset, for the Vault's pages: runs, their students' figures, their models."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.urls import reverse

from evaluation.models import Scorecard
from pipelines.models import Run, StepOutput
from studio.models import Workspace
from vault.models import ArtifactKind
from vault.uses import Figure, Made, Use

FIGURES = ("agreement", "accuracy", "macro_f1", "kappa", "token_f1")
"""Proportions of a student that are worth comparing between versions."""

MOST_RUNS = 200


def find_uses(workspace: Workspace, shas: Collection[str]) -> dict[str, list[Use]]:
    """Hash → the runs whose dataset steps gave that version, newest first."""
    began = (
        StepOutput.objects.filter(step_run__run__workspace=workspace, step_run__step="dataset")
        .filter(artifact__sha256__in=shas)
        .values_list("step_run__run_id", "artifact__sha256")
    )
    versions: dict[Any, list[str]] = {}
    for run_id, sha in began:
        versions.setdefault(run_id, []).append(sha)
    runs = (
        Run.objects.filter(pk__in=versions)
        .select_related("version__pipeline", "workspace", "created_by")
        .order_by("-number")[:MOST_RUNS]
    )
    figures, models = _figures(runs), _models(runs)
    found: dict[str, list[Use]] = {}
    for run in runs:
        use = Use(
            run=f"Run {run.number}",
            href=run.get_absolute_url(),
            state=run.state,
            at=run.created_at,
            pipeline=run.version.pipeline.name,
            by=run.created_by.get_username() if run.created_by else "",
            trained=any(made.kind == ArtifactKind.ADAPTER for made in models.get(run.pk, [])),
            figures=figures.get(run.pk, []),
            models=models.get(run.pk, []),
            versions=sorted(set(versions[run.pk])),
        )
        for sha in use.versions:
            found.setdefault(sha, []).append(use)
    return found


def _figures(runs: Any) -> dict[Any, list[Figure]]:
    found: dict[Any, list[Figure]] = {}
    cards = Scorecard.objects.filter(step_run__run__in=[run.pk for run in runs])
    for card in cards.select_related("workspace", "step_run").prefetch_related("scores").order_by("created_at"):
        students = [score for score in card.scores.all() if score.kind == "student"]
        mine = [s for s in students if s.candidate == students[0].candidate and s.metric in FIGURES]
        found.setdefault(card.step_run.run_id, []).extend(
            Figure(s.metric, s.value, s.low, s.high, s.n, card.held_out_sha, card.get_absolute_url()) for s in mine
        )
    return found


def _models(runs: Any) -> dict[Any, list[Made]]:
    found: dict[Any, list[Made]] = {}
    outputs = (
        StepOutput.objects.filter(step_run__run__in=[run.pk for run in runs])
        .filter(artifact__kind__in=(ArtifactKind.ADAPTER, ArtifactKind.GGUF))
        .select_related("artifact", "step_run__run__workspace")
        .order_by("step_run__position", "id")
    )
    for output in outputs:
        artifact, run = output.artifact, output.step_run.run
        if artifact.kind == ArtifactKind.GGUF:
            href, label = reverse("model", args=[run.workspace.slug, artifact.pk]), artifact.meta.get("name") or "GGUF"
        else:
            href, label = reverse("run_step", args=[run.workspace.slug, run.number, output.step_run.node]), "Adapter"
        made = Made(artifact.kind, str(label), href, artifact.sha256[:8])
        if made not in found.setdefault(run.pk, []):
            found[run.pk].append(made)
    return found

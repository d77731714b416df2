"""Starting the next round: the rows to write after, the pipeline's next version, its run, and what they were meant for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.text import slugify

from evaluation.losses import losing, next_round
from evaluation.losses.next_round import Change
from evaluation.models import NextRound, Scorecard
from evaluation.rows.columns import ITEMS_FILE
from evaluation.rows.hard_rows import whole_rows
from pipelines.building import drafts
from pipelines.models import Pipeline, Run
from pipelines.running import runs
from pipelines.steps.sieve import keep_labels
from studio import audit
from studio.lib.errors import StudioError
from vault import store
from vault.models import Artifact, Dataset, DatasetVersion
from vault.rows import Row, write_rows

NEAREST = 40
"""Training rows of each group that a teacher writes after."""


@dataclass(frozen=True)
class Plan:
    """What a person chose: groups by their numbers, from 1, and for ``add`` a version that is there."""

    kind: next_round.Kind
    groups: Sequence[int]
    writer: Mapping[str, Any]
    answerer: Mapping[str, Any] | None
    version: DatasetVersion | None = None
    nearest: int = 0
    """Of the version's rows only those most like the lost ones; 0: all."""


MOST_LOST = 1_000
"""Lost rows that others are held against: the nearest to the middle of each group."""


def lost_ids(card: Scorecard, found: Mapping[str, Any], groups: Sequence[int]) -> list[str]:
    """The ids of the rows that the groups lost, at most :data:`MOST_LOST`, of each group its share."""
    import pyarrow.parquet as pq

    chosen = [found["groups"][number - 1]["rids"] for number in groups]
    each = max(1, MOST_LOST // max(1, len(chosen)))
    rids = sorted({rid for mine in chosen for rid in mine[:each]})
    column = pq.read_table(store.path(card.report) / ITEMS_FILE, columns=["id"]).column("id")
    return [str(column[rid].as_py()) for rid in rids if rid < len(column)]


def seeds_slug(pipeline: Pipeline) -> str:
    """The short name of the dataset with the rows that teachers write after."""
    return slugify(f"near-losses-{pipeline.slug}")[:80]


def seeds_of(plan: Plan, pipeline: Pipeline) -> tuple[str, int]:
    """The version that the change reads: the one chosen, or the next one of the pipeline's seeds."""
    if plan.version is not None:
        return plan.version.dataset.slug, plan.version.number
    latest = DatasetVersion.objects.filter(
        dataset__workspace=pipeline.workspace_id, dataset__slug=seeds_slug(pipeline)
    ).first()
    return seeds_slug(pipeline), latest.number + 1 if latest else 1


def spec_of(plan: Plan, card: Scorecard, pipeline: Pipeline, found: Mapping[str, Any]) -> dict[str, Any]:
    """The pipeline's draft with the change; ``found``: the groups. Raises ``next_round.NoPlace``, and ``StudioError`` where the
    report's rows are not on this machine."""
    lost = lost_ids(card, found, plan.groups) if plan.nearest else []
    change = Change(plan.kind, seeds_of(plan, pipeline), plan.writer, plan.answerer, plan.nearest, lost)
    return next_round.next_spec(pipeline.draft, change, evaluate=card.step_run.node)


def start(
    card: Scorecard, report: Mapping[str, Any], plan: Plan, *, revision: int, request_key: str, user: User
) -> Run:
    """Everything in one transaction: seeds, draft, version, run. Raises ``StudioError`` (also for a draft that was changed
    since the form was opened) and ``SpecError``; then nothing is left of it. The same ``request_key`` starts it once."""
    found = losing.finished(card, report)
    if found is None:
        raise StudioError("The groups are not there any more.", action="Open “Where it loses” to have them made again.")
    chosen = [(number, found["groups"][number - 1]) for number in plan.groups]
    names = [str(group["name"]) for _, group in chosen]
    before = card.step_run.run
    with transaction.atomic():
        pipeline = Pipeline.objects.select_for_update().select_related("workspace").get(pk=before.version.pipeline_id)
        twin = Run.objects.filter(workspace=card.workspace, request_key=request_key).exclude(request_key="").first()
        if twin is not None:
            return twin
        spec = spec_of(plan, card, pipeline, found)
        if plan.kind == "more":
            training = losing.training_of(card, report)
            rows = seeds(training, [group for _, group in chosen])
            labels = training.meta.get("labels") if training else None
            _publish_seeds(pipeline, rows, labels=labels, names=names, user=user)
        drafts.save(pipeline, spec=spec, revision=revision, user=user)
        known = {node["id"] for node in spec["nodes"]}
        given = {node: values for node, values in before.given.items() if node in known}
        message = next_round.message_for(names, plan.kind, run=before.number)
        version = runs.freeze(pipeline, user=user, message=message, given=given)
        run = runs.start_run(version, user=user, request_key=request_key, given=given)
        groups = [
            {"number": number, "name": group["name"], "rids": group["rids"], "near": group["near"]}
            for number, group in chosen
        ]
        NextRound.objects.create(scorecard=card, run=run, kind=plan.kind, groups=groups, created_by=user)
        audit.record(
            card.workspace, actor=user, verb="started the next round", subject=str(run), details={"groups": names}
        )
    return run


def seeds(training: Artifact | None, groups: Sequence[Mapping[str, Any]]) -> list[Row]:
    """The training rows nearest to the groups, whole, each once. Raises ``StudioError`` when they are not there."""
    ids = list(dict.fromkeys(row["id"] for group in groups for row in group["alike"][:NEAREST]))
    rows = whole_rows(training, ids) if training is not None else {}
    if not rows:
        raise StudioError(
            "The training rows nearest to these groups are not on this machine.",
            action="Restore the data folder's 'artifacts' from a backup, or add rows of a dataset instead.",
        )
    return [rows[name] for name in ids if name in rows]


def _publish_seeds(
    pipeline: Pipeline, rows: list[Row], *, labels: list[str] | None, names: list[str], user: User
) -> None:
    meta: dict[str, Any] = {"labels": labels} if labels else {}
    dataset, _ = Dataset.objects.get_or_create(
        workspace=pipeline.workspace,
        slug=seeds_slug(pipeline),
        defaults={
            "name": f"Near the losses of {pipeline.name}"[:120],
            "description": "Training rows nearest to groups that a student lost: what a teacher writes more like.",
            "created_by": user,
        },
    )
    latest = dataset.latest
    scratch = f"seeds-{uuid4()}"
    try:
        folder = store.scratch_dir(scratch) / "rows"
        write_rows(folder, rows)
        keep_labels(folder, meta)
        artifact = store.publish(folder, kind="dataset", workspace=pipeline.workspace, meta={"rows": len(rows), **meta})
    finally:
        store.remove_scratch(scratch)
    DatasetVersion.objects.create(
        dataset=dataset,
        number=latest.number + 1 if latest else 1,
        artifact=artifact,
        rows=len(rows),
        message=f"Near to {', '.join(names)}"[:200],
        parent=latest,
        created_by=user,
    )

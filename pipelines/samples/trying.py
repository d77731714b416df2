"""A template on its sample data: datasets, pipeline and a run, made by one click and found again by the second."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import User
from django.db import transaction

from pipelines.building import drafts
from pipelines.models import Pipeline, Run
from pipelines.running import runs
from pipelines.samples import templates
from studio.lib.canonical import fingerprint
from studio.models import Workspace
from vault import ingest, store
from vault.models import Dataset, DatasetVersion
from vault.rows import to_json, write_rows
from vault.scan import Tally

DESCRIPTION = "Invented messages to an invented shop, made by a generator that is part of the Studio. No person, shop or order in it is real."
FILE = "pipelines/samples/tickets.py"


def try_template(workspace: Workspace, name: str, *, user: User | None, request_key: str) -> Run:
    """The template's sample run: the one that is under way, the one that ``request_key`` started, or a new one. Datasets that are
    there already are used.

    Raises ``UnknownName`` for a template that does not exist.
    """
    template = templates.get(name)
    existing = Run.objects.filter(workspace=workspace, request_key=request_key).exclude(request_key="").first()
    if existing is not None:
        return existing
    slugs = {data.node: add_dataset(data, workspace=workspace, user=user).dataset.slug for data in template.sample.data}
    spec = templates.instantiate_sample(name, slugs)
    pipeline = _pipeline(workspace, template, spec, user=user)
    version = runs.freeze(pipeline, user=user, message="On sample data")
    return runs.find_live(version) or runs.start_run(version, user=user, request_key=request_key)


def _pipeline(
    workspace: Workspace, template: templates.Template, spec: dict[str, object], *, user: User | None
) -> Pipeline:
    """The pipeline of an earlier try when nobody has changed it since, else a new one."""
    title = f"{template.label} (sample)"
    with transaction.atomic():
        Workspace.objects.select_for_update().get(pk=workspace.pk)
        for pipeline in Pipeline.objects.filter(workspace=workspace, name=title):
            if pipeline.draft == spec:
                return pipeline
        return drafts.create(workspace, name=title, spec=spec, user=user, description=template.description)


def add_dataset(data: templates.SampleData, *, workspace: Workspace, user: User | None) -> DatasetVersion:
    """The sample's rows as a dataset of the workspace; the version that is there when they are the same."""
    rows = data.rows()
    scratch = f"sample-{uuid.uuid4()}"
    try:
        folder = store.scratch_dir(scratch) / "rows"
        kept = write_rows(folder, rows)
        placed = store.place(folder, kind="dataset")
        with transaction.atomic():
            version = ingest.record_version(
                placed,
                workspace=workspace,
                name=data.name,
                user=user,
                file_name=FILE.rsplit("/", 1)[-1],
                sha256=fingerprint([to_json(row) for row in rows]),
                tally=Tally(
                    kept=kept,
                    completions=sum(row.completion is not None for row in rows),
                    references=sum(row.reference is not None for row in rows),
                ),
            )
            Dataset.objects.filter(pk=version.dataset_id, description="").update(description=DESCRIPTION)
            return version
    finally:
        store.remove_scratch(scratch)

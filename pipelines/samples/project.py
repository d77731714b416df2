"""The sample project: synthetic bank transactions, a teacher's recorded answers, a pipeline, and its first run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User

from pipelines.building import drafts
from pipelines.models import Run
from pipelines.running import runs
from pipelines.samples import bank_transactions as bank
from pipelines.specs import spec as specs
from studio.lib.canonical import file_sha256
from studio.models import Workspace
from vault import ingest, store
from vault.models import Dataset, DatasetVersion
from vault.rows import Row, write_rows
from vault.scan import Tally

SPEC_FILE = Path(__file__).parent / "bank_transactions.yaml"
TRANSACTIONS = "Bank transactions (synthetic)"
ANSWERS = "Bank transactions: recorded answers (synthetic)"
DESCRIPTIONS = {
    TRANSACTIONS: "1,200 invented card and account lines in 12 categories, made by a generator that is part of the Studio. "
    "No person, business or account in them is real. The category is the reference.",
    ANSWERS: "What an invented, slightly careless teacher answered to the synthetic bank transactions. Its speed, token "
    "counts and prices are invented too. The recorded teacher replays it.",
}
REQUEST_KEY = "sample-project"
COLUMNS = {"prompt": bank.USER_PROMPT, "system_prompt": bank.SYSTEM_PROMPT, "reference": "category"}


def make(workspace: Workspace, *, user: User | None = None) -> Run:
    """Datasets, pipeline and first run. Called again it changes nothing and returns the same run."""
    ingest.import_file(
        bank.DATA_FILE, workspace=workspace, name=TRANSACTIONS, reader="columns", params=COLUMNS, user=user
    )
    add_recording(bank.recording(bank.read()), workspace=workspace, user=user)
    for name, text in DESCRIPTIONS.items():
        Dataset.objects.filter(workspace=workspace, slug=ingest.dataset_slug(name), description="").update(
            description=text
        )
    document = load()
    pipeline = drafts.save_by_slug(
        workspace, slug="bank-transactions", name=document["name"], spec=specs.parse(document)
    )
    if not pipeline.description:
        pipeline.description = document["description"]
        pipeline.save(update_fields=["description"])
    version = runs.freeze(pipeline, user=user, message="The sample project")
    return runs.start_run(version, user=user, request_key=REQUEST_KEY)


def load() -> dict[str, Any]:
    """The sample's spec file as plain values."""
    return dict(specs.load_text(SPEC_FILE.read_text(encoding="utf-8")))


def add_recording(rows: Iterable[Row], *, workspace: Workspace, user: User | None) -> DatasetVersion:
    """The teacher's answers as a dataset; the version that is there when they are the same."""
    scratch = f"sample-{workspace.pk}"
    try:
        folder = store.scratch_dir(scratch) / "rows"
        kept = write_rows(folder, rows)
        return ingest.record_version(
            store.place(folder, kind="dataset"),
            workspace=workspace,
            name=ANSWERS,
            user=user,
            file_name=bank.DATA_FILE.name,
            sha256=file_sha256(bank.DATA_FILE),
            tally=Tally(kept=kept, completions=kept),
        )
    finally:
        store.remove_scratch(scratch)

"""Celery tasks of the Vault: each takes an id and asks the database whether there is still something to do."""

import structlog
from celery import shared_task

from vault import commits, derivations, housekeeping, hub_fetches, ingest

log = structlog.get_logger(__name__)


@shared_task(ignore_result=True)
def ingest_upload(upload_id: str) -> None:
    """Import an uploaded file."""
    ingest.run_upload(upload_id)


@shared_task(ignore_result=True)
def derive(derivation_id: str) -> None:
    """Compute something from a dataset."""
    derivations.run(derivation_id)


@shared_task(ignore_result=True)
def commit_draft(draft_id: str) -> None:
    """Make the next version of what people edited."""
    commits.run(draft_id)


@shared_task(ignore_result=True)
def fetch_from_hub(fetch_id: str) -> None:
    """Download a dataset from the hub."""
    hub_fetches.run(fetch_id)


@shared_task(ignore_result=True)
def sweep() -> None:
    """Delete what the data folder no longer needs."""
    for swept in housekeeping.sweep():
        log.info("swept", path=str(swept.path), bytes=swept.size)

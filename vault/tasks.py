"""Celery tasks of the Vault: each takes an id and asks the database whether there is still something to do."""

from celery import shared_task

from vault import ingest


@shared_task(ignore_result=True)
def ingest_upload(upload_id: str) -> None:
    """Import an uploaded file."""
    ingest.run_upload(upload_id)

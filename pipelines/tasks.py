"""Celery tasks of the pipelines."""

from celery import shared_task


@shared_task(ignore_result=True)
def execute_step(step_run_id: str) -> None:
    """Do one attempt of a step, if it is still to be done."""
    from pipelines.executor import execute

    execute(step_run_id)

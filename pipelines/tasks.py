"""Celery tasks of the pipelines."""

from celery import shared_task


@shared_task(ignore_result=True)
def start_scheduled() -> None:
    """Start the runs of the schedules that are due."""
    from pipelines.running import schedules

    schedules.start_due()


@shared_task(ignore_result=True)
def execute_step(step_run_id: str) -> None:
    """Do one attempt of the step that is next in the queue of the one that rang: that one, or a better one."""
    from pipelines.models import StepRun
    from pipelines.running import scheduling
    from pipelines.running.executor import execute_next

    queue = StepRun.objects.filter(pk=step_run_id).values_list("queue", flat=True).first()
    if queue is not None and execute_next(queue) is not None:
        scheduling.ring_next(queue)

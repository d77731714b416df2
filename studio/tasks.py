"""Celery tasks of the project."""

from celery import shared_task
from django.apps import apps

from studio import deliveries, jobs, notices, reaping, workers


@shared_task(ignore_result=True)
def reap() -> None:
    """Take jobs back from dead workers and ring for what is ready."""
    for model in apps.get_models():
        if issubclass(model, jobs.Job):
            reaping.cut_dead_leases(model)
            reaping.reap(model)
            model.settle()
    workers.tidy()


@shared_task(ignore_result=True)
def deliver(delivery_id: str) -> None:
    """Send one message to a webhook or by e-mail, if it is still to be sent."""
    deliveries.run(delivery_id)


@shared_task(ignore_result=True)
def forget() -> None:
    """Delete old notifications and what was sent long ago."""
    notices.forget_old()

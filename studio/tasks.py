"""Celery tasks of the project."""

from celery import shared_task
from django.apps import apps

from studio import jobs, workers


@shared_task(ignore_result=True)
def reap() -> None:
    """Take jobs back from dead workers and ring for what is ready."""
    for model in apps.get_models():
        if issubclass(model, jobs.Job):
            jobs.cut_dead_leases(model)
            jobs.reap(model)
            model.settle()
    workers.tidy()

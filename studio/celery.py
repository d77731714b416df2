"""The Celery application: a doorbell. What is to be done is in the database; a message only says "look now"."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_init, worker_process_init, worker_process_shutdown, worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")

app = Celery("studio")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["studio", "vault", "pipelines", "evaluation"])


@setup_logging.connect
def _use_django_logging(**_: object) -> None:
    import logging.config

    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)


@worker_init.connect
def _introduce(sender: Any, **_: object) -> None:
    from studio import workers

    label = str(sender.hostname).partition("@")[0]
    concurrency = 1 if "solo" in str(sender.pool_cls) else int(sender.concurrency or 1)
    workers.introduce(label=label, queues=list(sender.app.amqp.queues.consume_from), concurrency=concurrency)


@worker_process_init.connect
def _enter(**_: object) -> None:
    from studio import workers

    workers.enter()


@worker_process_shutdown.connect
def _leave(**_: object) -> None:
    from studio import workers

    workers.leave()


@worker_ready.connect
def _stay_drained(sender: Any, **_: object) -> None:
    """A worker that was drained before it was restarted does not listen to its doorbells either."""
    from django.db import connections

    from studio import workers

    try:
        if workers.is_drained():
            for queue in workers.here.queues:
                sender.cancel_task_queue(queue)
    finally:
        connections.close_all()

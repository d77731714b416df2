"""Celery tasks of the evaluations."""

from celery import shared_task


@shared_task(ignore_result=True)
def wake_gates() -> None:
    """Let gates go on whose sign-off was settled while nobody told them."""
    from evaluation.signoff.waiting import resume_gates

    resume_gates()


@shared_task(ignore_result=True)
def settle_sign_offs() -> None:
    """Void sign-offs whose subject changed while nobody looked."""
    from evaluation.signoff.settling import settle_all

    settle_all()

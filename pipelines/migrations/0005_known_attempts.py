from django.db import migrations


def write_known_attempts(apps, schema_editor):
    """The last attempt of every step is known from the step itself; earlier ones left no trace."""
    steps = apps.get_model("pipelines", "StepRun").objects.filter(attempt__gt=0, started_at__isnull=False)
    record = apps.get_model("pipelines", "StepAttempt")
    record.objects.bulk_create((record(**_last_attempt(step)) for step in steps.iterator()), batch_size=500)


def _last_attempt(step):
    ended = step.state if step.state in ("succeeded", "failed", "cancelled", "waiting") else "released"
    if step.reused_from_id and ended == "succeeded":
        ended = "reused"
    known = {name: getattr(step, name) for name in ("owner", "started_at", "error", "action", "trace")}
    if step.state == "running":
        return {**known, "step_run_id": step.pk, "number": step.attempt}
    at = step.finished_at or step.started_at
    return {**known, "step_run_id": step.pk, "number": step.attempt, "outcome": ended, "ended_at": at}


class Migration(migrations.Migration):
    dependencies = [("pipelines", "0004_attempts_of_steps")]

    operations = [migrations.RunPython(write_known_attempts, migrations.RunPython.noop)]

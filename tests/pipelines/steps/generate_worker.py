"""A worker of its own process for the kill test: ``python -m tests.pipelines.steps.generate_worker DATA_ROOT URL ROWS``.

Makes the database and the run when they are not there yet; takes the run up where it stands otherwise.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta


def main(data_root: str, url: str, rows: int) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "studio.settings"
    os.environ["STUDIO_DATA_ROOT"] = data_root
    os.environ["STUDIO_ALLOWED_HOSTS_OUT"] = "127.0.0.1"
    import django
    from django.conf import settings

    settings.RING = False
    django.setup()
    from django.core.management import call_command
    from django.utils import timezone

    from pipelines.building import drafts
    from pipelines.models import Run, StepRun
    from pipelines.running import runs
    from studio import reaping
    from studio.models import Workspace
    from studio.registries import STEPS
    from tests.pipelines import toys
    from tests.pipelines.steps.test_generate import spec

    STEPS.table.update(toys.TABLE)
    run = None
    if not os.path.exists(os.path.join(data_root, "ready")):
        call_command("migrate", verbosity=0)
        workspace = Workspace.objects.create(slug="lab", name="Lab")
        made = spec(rows, teacher="openai_compatible", model="small", base_url=f"{url}/v1", concurrency=4)
        pipeline = drafts.create(workspace, name="Kill", spec=made, user=None)
        run = runs.start_run(runs.freeze(pipeline, user=None), user=None)
        open(os.path.join(data_root, "ready"), "w").close()
    else:
        run = Run.objects.get()
        # The lease of the killed worker has run out.
        reaping.reap(StepRun, now=timezone.now() + timedelta(hours=1))
    runs.run_to_end(run)
    print(run.state)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))

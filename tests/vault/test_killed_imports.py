"""An import that is killed with SIGKILL at any moment leaves nothing half done, and is taken up again."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SETUP = """
import django; django.setup()
from django.conf import settings; settings.RING = False
from django.core.management import call_command; call_command("migrate", verbosity=0)
import shutil, sys
from studio.models import Workspace
from vault import ingest
from vault.models import Upload
workspace = Workspace.objects.create(slug="w", name="W")
upload = Upload(workspace=workspace, dataset_name="Big", file_name="big.jsonl", reader="openai_chat", sha256="0", max_attempts=99)
path = ingest.source_path(upload); path.parent.mkdir(parents=True); shutil.copy(sys.argv[1], path)
upload.save(force_insert=True)
print(upload.pk)
"""
WORK = """
import django; django.setup()
from django.conf import settings; settings.RING = False
import sys
from studio.reaping import cut_dead_leases, reap
from vault import ingest
from vault.models import Upload
cut_dead_leases(Upload); reap(Upload)
print("begins", flush=True)
ingest.run_upload(sys.argv[1])
"""
LOOK = """
import django; django.setup()
import json, sys
from vault import store
from vault.models import Artifact, Dataset, DatasetVersion, Upload
from vault.rows import count_rows
upload = Upload.objects.get(pk=sys.argv[1])
whole = [(v.rows, count_rows(store.path(v.artifact)), store.verify(v.artifact)) for v in DatasetVersion.objects.all()]
counts = [Artifact.objects.count(), Dataset.objects.count(), DatasetVersion.objects.count()]
print(json.dumps({"state": upload.state, "attempt": upload.attempt, "counts": counts, "versions": whole, "error": upload.error}))
"""


@pytest.mark.heavy
def test_an_import_killed_again_and_again_at_random_moments_is_done_in_the_end_and_once(tmp_path: Path) -> None:
    source = tmp_path / "big.jsonl"
    with source.open("w") as out:
        for number in range(150_000):
            said = [{"role": "user", "content": f"Question {number}"}, {"role": "assistant", "content": "Answer " * 9}]
            out.write(json.dumps({"messages": said}) + "\n")
    environment = os.environ | {
        "STUDIO_DATA_ROOT": str(tmp_path / "studio"),
        "STUDIO_DATABASE_URL": "",
        "STUDIO_REDIS_URL": "",
        "DJANGO_SETTINGS_MODULE": "studio.settings",
    }

    def python(code: str, argument: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", code, argument], env=environment, stdout=subprocess.PIPE, text=True
        )

    pk = python(SETUP, str(source)).communicate()[0].strip()
    chance, kills = random.Random(7), 0
    while True:
        worker = python(WORK, pk)
        assert worker.stdout is not None
        assert worker.stdout.readline() == "begins\n"
        try:
            worker.wait(chance.uniform(0.0, 2.0) if kills < 12 else 120)
        except subprocess.TimeoutExpired:
            worker.send_signal(signal.SIGKILL)
            kills += 1
        worker.wait()
        worker.stdout.close()
        seen = json.loads(python(LOOK, pk).communicate()[0])
        if seen["state"] == "succeeded":
            break
        assert seen["counts"] == [0, 0, 0], "something half imported can be seen"
        time.sleep(0.05)
    assert kills >= 3 and seen["attempt"] >= kills
    assert seen["counts"] == [1, 1, 1] and seen["versions"] == [[150_000, 150_000, []]]
    left = {path.name for path in (tmp_path / "studio" / "scratch").glob("upload-*/*")}
    assert left <= {"problems.jsonl"}

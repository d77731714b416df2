"""A short fight, to keep the long one (``make chaos``) in working order."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.specs.spec import parse, validate
from tests.chaos.spec import missing_steps, spec

ROOT = Path(__file__).resolve().parents[2]


def test_the_run_has_every_step_there_is_and_can_be_started(tmp_path: Path) -> None:
    document = spec(tmp_path, teacher_url="http://127.0.0.1:1", round_=1)
    assert missing_steps(document) == set()
    found = validate(parse(document))
    assert [problem.message for problem in found] == []


@pytest.mark.heavy
@pytest.mark.timeout(1200)
def test_nothing_is_lost_or_done_twice_while_parts_are_killed(tmp_path: Path) -> None:
    env = {key: value for key, value in os.environ.items() if key != "STUDIO_DATABASE_URL"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", "--kills", "10", "--every", "3", "--keep", str(tmp_path)],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
    )
    found = dict(re.findall(r"^RESULT (\w+)=(\d+)$", done.stdout, re.MULTILINE))
    assert found.get("chaos_kills") == "10", done.stdout[-3000:] + done.stderr[-3000:]
    assert (found["chaos_lost"], found["chaos_double"]) == ("0", "0"), done.stdout[-3000:]
    assert done.returncode == 0

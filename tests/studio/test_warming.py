"""What a web server does beside its first requests: load what pages need, then leave it out of every search for garbage."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.template.loader import get_template
from pytest_django.fixtures import Settings
from structlog.testing import capture_logs

from studio import warming

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def collector() -> Iterator[None]:
    """Python's own settings of its search for garbage, afterwards."""
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def test_every_template_compiles() -> None:
    names = warming.template_names()
    assert "evaluation/report.html" in names and len(names) > 150
    for name in names:
        get_template(name)


def test_a_broken_template_is_named_in_the_log_and_the_others_are_loaded(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "broken.html").write_text("{% if %}")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "whole.html").write_text("whole")
    engine = {**django_settings.TEMPLATES[0], "DIRS": [tmp_path]}
    settings.TEMPLATES = [engine]
    assert warming.template_names() == ["broken.html", "sub/whole.html"]
    with capture_logs() as said:
        warming.load()
    assert [line["template"] for line in said] == ["broken.html"]


def test_what_stays_is_not_looked_through_again(collector: None) -> None:
    gc.unfreeze()
    warming.settle()
    assert gc.get_freeze_count() > 100_000, "Django alone is more than that"
    assert gc.isenabled() and gc.get_threshold()[0] == warming.NEW_OBJECTS


def test_garbage_made_after_settling_is_still_found(collector: None) -> None:
    class Knot:
        def __init__(self) -> None:
            self.me = self

    warming.settle()
    Knot()
    assert gc.collect() >= 1


def test_the_web_server_gets_ready_when_it_starts(collector: None) -> None:
    from studio.asgi import application

    gc.unfreeze()
    told = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return told.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    asyncio.run(application({"type": "lifespan"}, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    for thread in threading.enumerate():
        if thread.name == "warming":
            thread.join(60)
    assert gc.get_freeze_count() > 100_000


def test_getting_ready_loads_no_library_that_trains() -> None:
    told = (
        "import os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'studio.settings'\n"
        "import django; django.setup()\n"
        "from studio import warming; warming.get_ready()\n"
        "print(sorted({'torch', 'transformers', 'llama_cpp'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", told], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"

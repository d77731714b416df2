"""Real servers, named by STUDIO_DATABASE_URL and STUDIO_REDIS_URL; ``make test-services`` starts them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
import redis
from django.conf import settings as django_settings
from django.db import connection
from pytest_django.fixtures import Settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def broker(settings: Settings) -> Iterator[redis.Redis[bytes]]:
    """The Redis server, empty, with ringing switched on."""
    if not django_settings.REDIS_URL:
        pytest.fail("STUDIO_REDIS_URL is not set: run `make test-services`.")
    client = redis.Redis.from_url(django_settings.REDIS_URL)
    client.flushdb()
    settings.RING = True
    yield client
    client.flushdb()
    client.close()


@pytest.fixture
def worker(transactional_db: None, broker: redis.Redis[bytes], data_root: Path, tmp_path: Path) -> Iterator[None]:
    """A Celery worker in a process of its own, on the test database and the Redis server."""
    url = urlsplit(os.environ["STUDIO_DATABASE_URL"])
    database = urlunsplit(url._replace(path="/" + connection.settings_dict["NAME"]))
    env = {**os.environ, "STUDIO_DATABASE_URL": database, "STUDIO_DATA_ROOT": str(data_root)}
    command = [sys.executable, "-m", "celery", "-A", "studio.celery", "worker", "-Q", "cpu,io", "-c", "1"]
    log = tmp_path / "worker.log"
    with log.open("wb") as out:
        process = subprocess.Popen([*command, "--loglevel", "INFO"], cwd=ROOT, env=env, stdout=out, stderr=out)
    deadline = time.monotonic() + 60
    while not broker.exists("_kombu.binding.io"):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    yield
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

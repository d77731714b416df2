"""Which broker is chosen, and that the embedded one really runs."""

from __future__ import annotations

import os
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from studio import broker as brokers
from studio.lib.errors import StudioError


@pytest.fixture
def started(tmp_path: Path) -> Iterator[brokers.Broker]:
    broker = brokers.resolve("", data_root=tmp_path)
    brokers.prepare(broker, data_root=tmp_path)
    process = subprocess.Popen(broker.command, stdout=subprocess.DEVNULL)
    for _ in range(200):
        if brokers.ping(broker, timeout=0.1):
            break
        assert process.poll() is None
        time.sleep(0.02)
    yield broker
    process.terminate()
    process.wait(timeout=5)


def test_an_address_in_the_settings_wins(tmp_path: Path) -> None:
    broker = brokers.resolve("redis://127.0.0.1:6379/3", data_root=tmp_path)
    assert (broker.kind, broker.url, broker.command) == ("external", "redis://127.0.0.1:6379/3", ())


def test_the_embedded_server_is_the_default(tmp_path: Path) -> None:
    broker = brokers.resolve("", data_root=tmp_path)
    assert broker.kind == "embedded"
    assert broker.url.startswith("redis+socket:///")
    assert "valkey" in broker.described


def test_a_server_on_path_is_used_when_the_wheel_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = tmp_path / "redis-server"
    server.write_text("#!/bin/sh\n")
    server.chmod(0o755)
    monkeypatch.setattr(brokers, "_bundled_server", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert brokers.resolve("", data_root=tmp_path).command[0] == str(server)


def test_without_any_server_messages_are_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brokers, "_bundled_server", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    broker = brokers.resolve("", data_root=tmp_path)
    brokers.prepare(broker, data_root=tmp_path)
    assert (broker.kind, broker.url) == ("filesystem", "")
    assert (tmp_path / "broker" / "control").is_dir()
    assert brokers.ping(broker)


def test_the_embedded_server_answers_clients_and_keeps_no_files(started: brokers.Broker) -> None:
    client = redis.Redis.from_url(brokers.client_url(started.url))
    client.set("doorbell", "rung")
    assert client.get("doorbell") == b"rung"
    client.close()
    assert started.socket is not None
    assert [path.name for path in started.socket.parent.iterdir()] == ["broker.sock"]


def test_only_its_own_user_can_reach_it(started: brokers.Broker) -> None:
    assert started.socket is not None
    assert stat.S_IMODE(started.socket.stat().st_mode) == 0o700
    assert stat.S_IMODE(started.socket.parent.stat().st_mode) == 0o700


def test_a_server_that_is_not_there_does_not_answer(tmp_path: Path) -> None:
    assert not brokers.ping(brokers.resolve("", data_root=tmp_path), timeout=0.2)
    assert not brokers.ping(brokers.resolve("redis://127.0.0.1:1/0", data_root=tmp_path), timeout=0.2)


def test_a_long_data_root_gets_a_short_socket_path_of_its_own(tmp_path: Path) -> None:
    deep, other = tmp_path / ("x" * 120), tmp_path / ("y" * 120)
    path = brokers.socket_path(deep)
    assert len(os.fsencode(path)) <= brokers.SOCKET_PATH_LIMIT
    assert path != brokers.socket_path(other)
    assert path == brokers.socket_path(deep)


def test_a_socket_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """Somebody else may have put it into the shared temporary folder."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    broker = brokers.resolve("", data_root=tmp_path)
    if broker.socket is None or broker.socket.parent != tmp_path / "run":
        pytest.skip("the temporary folder's path is too long for this test")
    with pytest.raises(StudioError, match="belongs to somebody else"):
        brokers.prepare(broker, data_root=tmp_path)

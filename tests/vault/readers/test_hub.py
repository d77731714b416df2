"""The hub is a real HTTP server on loopback that speaks its two addresses, redirects and errors."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from studio.lib.http import ForbiddenAddress
from vault.readers.base import ReaderError
from vault.readers.columns import Columns
from vault.readers.hub import HubLimits, fetch, look_up

from ..hub_server import SHA, TABLE, Hub, publish
from .conftest import read


@pytest.fixture(autouse=True)
def _no_loop_of_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Coroutines run in a thread of their own: after a browser test, this one has a running event loop."""
    run = asyncio.run

    def aside(coroutine: Coroutine[Any, Any, Any]) -> Any:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(run, coroutine).result()

    monkeypatch.setattr(asyncio, "run", aside)


def test_data_files_of_one_recorded_revision_are_fetched_and_nothing_else(hub: dict[str, Any], tmp_path: Path) -> None:
    publish()
    found = look_up("https://huggingface.co/datasets/bank/tickets", **hub)
    assert (found.repo, found.revision, found.licence) == ("bank/tickets", SHA, "cc0-1.0")
    assert [(file.name, file.size, file.split) for file in found.files] == [
        ("data/train-0.parquet", len(TABLE), "train")
    ]
    folder = fetch(found, tmp_path / "out", **hub)
    assert [file.name for file in folder.iterdir()] == ["data_train-0.parquet"]
    rows, problems = read(Columns(), folder, prompt="{text}")
    assert problems == [] and len(rows) == 3 and rows[0].meta["split"] == "train"
    assert not any("load.py" in path for path in Hub.asked)


def test_without_a_network_the_error_says_what_else_can_be_done() -> None:
    closed = {"endpoint": "http://127.0.0.1:9", "allowed_hosts": ["127.0.0.1:9"]}
    with pytest.raises(ReaderError, match="can't be reached") as caught:
        look_up("bank/tickets", **closed)
    assert "upload its files" in caught.value.action


def test_the_studios_own_neighbours_are_not_reached(hub: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ForbiddenAddress):
        look_up("bank/tickets", endpoint=hub["endpoint"])
    publish()
    found = look_up("bank/tickets", **hub)
    inside = (302, {"Location": "http://127.0.0.1:1/secret"}, b"")
    Hub.pages[f"/datasets/bank/tickets/resolve/{SHA}/data/train-0.parquet"] = inside
    with pytest.raises(ForbiddenAddress, match=r"127\.0\.0\.1"):
        fetch(found, tmp_path / "out", **hub)


@pytest.mark.parametrize("wrong", [{"size": len(TABLE) + 1}, {"size": 10}, {"digest": "0" * 64}])
def test_a_file_that_is_not_what_the_hub_described_is_refused(
    hub: dict[str, Any], tmp_path: Path, wrong: dict[str, Any]
) -> None:
    publish(**wrong)
    with pytest.raises(ReaderError, match="did not arrive"):
        fetch(look_up("bank/tickets", **hub), tmp_path / "out", **hub)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("status", "words"), [(401, "private or gated"), (404, "knows no dataset"), (500, "answered 500")]
)
def test_what_the_hub_refuses_is_said_in_words(hub: dict[str, Any], status: int, words: str) -> None:
    Hub.pages["/api/datasets/bank/tickets/revision/main?blobs=true"] = (status, {}, b"")
    with pytest.raises(ReaderError, match=words):
        look_up("bank/tickets", **hub)


def test_a_dataset_made_by_a_script_is_refused(hub: dict[str, Any]) -> None:
    publish(siblings=[{"rfilename": "load.py"}])
    with pytest.raises(ReaderError, match="never run"):
        look_up("bank/tickets", **hub)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"sha": "x", "siblings": [{"rfilename": "a.csv"}]}', b'{"sha": 5}']
)
def test_an_answer_that_makes_no_sense_is_refused(hub: dict[str, Any], body: bytes) -> None:
    Hub.pages["/api/datasets/bank/tickets/revision/main?blobs=true"] = (200, {}, body)
    with pytest.raises(ReaderError):
        look_up("bank/tickets", **hub)


def test_redirects_without_end_and_too_much_data_are_refused(hub: dict[str, Any], tmp_path: Path) -> None:
    publish()
    found = look_up("bank/tickets", **hub)
    with pytest.raises(ReaderError, match="the limits are"):
        fetch(found, tmp_path / "a", limits=HubLimits(total_bytes=10), **hub)
    Hub.pages["/cdn/1"] = (302, {"Location": "/cdn/1"}, b"")
    with pytest.raises(ReaderError, match="without end"):
        fetch(found, tmp_path / "b", **hub)


@pytest.mark.parametrize("repo", ["", "../x", "a/b/c", "a b", "-x", "https://huggingface.co/"])
def test_what_is_no_dataset_is_not_asked_for(repo: str) -> None:
    with pytest.raises(ReaderError, match="no dataset of the hub"):
        look_up(repo)


def test_what_is_no_revision_is_not_asked_for() -> None:
    with pytest.raises(ReaderError, match="no revision"):
        look_up("a/b", revision="../../x")

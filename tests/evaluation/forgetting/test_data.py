"""Datasets of public benchmarks: found on this machine, or fetched from a hub on loopback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evaluation.forgetting.data import Source, fetch, is_here, make_ready, source_of
from pipelines.recipes.benchmark_tasks import TASKS
from studio.lib.errors import StepError, StudioError
from tests.vault.conftest import hub as hub
from tests.vault.hub_server import SHA, Hub

ARC, CHALLENGE = TASKS["arc_easy"], TASKS["arc_challenge"]


def publish(*names: str, repo: str = ARC.repo) -> None:
    """A dataset with files of these names, each holding its own name."""
    body = json.dumps({"sha": SHA, "siblings": [{"rfilename": name, "size": len(name)} for name in names]}).encode()
    Hub.pages[f"/api/datasets/{repo}/revision/refs%2Fconvert%2Fparquet?blobs=true"] = (200, {}, body)
    for name in names:
        Hub.pages[f"/datasets/{repo}/resolve/{SHA}/{name}"] = (200, {}, name.encode())


def source(root: Path, hub: dict[str, Any]) -> Source:
    """How the hub on loopback is asked."""
    return Source(root, hub["endpoint"], hub["allowed_hosts"], lambda: None)


def test_every_split_of_the_tasks_own_part_is_fetched_and_nothing_else(tmp_path: Path, hub: dict[str, Any]) -> None:
    publish(
        "ARC-Easy/test/0000.parquet",
        "ARC-Easy/train/0000.parquet",
        "ARC-Easy/train/0001.parquet",
        "ARC-Challenge/test/0000.parquet",
        "ARC-Easy/partial-validation/0000.parquet",
        "README.parquet",
    )
    said: list[str] = []
    make_ready([ARC], source(tmp_path, hub), say=said.append)
    found = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.parquet"))
    assert [name.rpartition("/")[0] for name in found] == [
        "allenai--ai2_arc/ARC-Easy/test",
        "allenai--ai2_arc/ARC-Easy/train",
        "allenai--ai2_arc/ARC-Easy/train",
    ]
    assert source_of(ARC, tmp_path) == SHA
    assert said == ["ARC easy: fetching allenai/ai2_arc from the hub."]
    assert [p.name for p in (tmp_path / "allenai--ai2_arc").iterdir()] == ["ARC-Easy"]


def test_what_is_here_is_not_asked_of_the_hub_again(tmp_path: Path, hub: dict[str, Any]) -> None:
    folder = ARC.data_folder(tmp_path) / "test"
    folder.mkdir(parents=True)
    (folder / "0000.parquet").write_bytes(b"by hand")
    make_ready([ARC, ARC], source(tmp_path, hub), say=lambda _: None)
    assert Hub.asked == []
    assert is_here(ARC, tmp_path)
    assert source_of(ARC, tmp_path) == ""


def test_what_is_nowhere_to_be_had_says_where_to_put_it(tmp_path: Path, hub: dict[str, Any]) -> None:
    with pytest.raises(StepError, match="ARC easy is not on this machine") as problem:
        make_ready([ARC, CHALLENGE], source(tmp_path, hub), say=lambda _: None)
    assert "benchmarks/allenai--ai2_arc/ARC-Easy/, benchmarks/allenai--ai2_arc/ARC-Challenge/" in problem.value.action
    assert "<split>/0000.parquet" in problem.value.action
    assert str(tmp_path) not in f"{problem.value}{problem.value.action}"


def test_a_host_that_the_operator_has_not_opened_is_not_asked(tmp_path: Path, hub: dict[str, Any]) -> None:
    closed = Source(tmp_path, hub["endpoint"], [], lambda: None)
    with pytest.raises(StepError, match="could not be fetched"):
        make_ready([ARC], closed, say=lambda _: None)
    assert Hub.asked == []


def test_a_download_that_fails_half_way_leaves_nothing(tmp_path: Path, hub: dict[str, Any]) -> None:
    publish("ARC-Easy/test/0000.parquet", "ARC-Easy/train/0000.parquet")
    del Hub.pages[f"/datasets/{ARC.repo}/resolve/{SHA}/ARC-Easy/train/0000.parquet"]
    with pytest.raises(StudioError):
        fetch(ARC, source(tmp_path, hub))
    assert not is_here(ARC, tmp_path)
    assert list((tmp_path / "allenai--ai2_arc").iterdir()) == []


def test_a_dataset_without_the_tasks_part_is_refused(tmp_path: Path, hub: dict[str, Any]) -> None:
    publish("other/test/0000.parquet", "ARC-Easy/../../evil/0000.parquet")
    with pytest.raises(StudioError, match="no Parquet files of its part ARC-Easy"):
        fetch(ARC, source(tmp_path, hub))
    assert list(tmp_path.rglob("*.parquet")) == []


def test_another_worker_that_was_first_is_no_failure(tmp_path: Path, hub: dict[str, Any]) -> None:
    publish("ARC-Easy/test/0000.parquet")
    first = fetch(ARC, source(tmp_path, hub))
    kept = sorted(p.name for p in first.rglob("*"))
    assert fetch(ARC, source(tmp_path, hub)) == first
    assert sorted(p.name for p in first.rglob("*")) == kept

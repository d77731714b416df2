"""What is computed from a dataset is computed once, found again, and made again when it was swept away."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from studio.jobs import State
from studio.lib.errors import StudioError
from vault import derivations
from vault.models import Artifact, DatasetVersion, Derivation
from vault.rows import count_rows

pytestmark = pytest.mark.django_db


def count(rows: Path, out: Path, *, params: Mapping[str, Any], beat: derivations.Beat) -> dict[str, Any]:
    total = count_rows(rows)
    beat(total, total, "counting")
    (out / "count.txt").write_text(str(total * params["times"]))
    return {"rows": total}


def refuse(rows: Path, out: Path, *, params: Mapping[str, Any], beat: derivations.Beat) -> dict[str, Any]:
    raise StudioError("There is nothing to count.", action="Import some rows.")


def stumble(rows: Path, out: Path, *, params: Mapping[str, Any], beat: derivations.Beat) -> dict[str, Any]:
    raise ZeroDivisionError


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("count", "refuse", "stumble"):
        monkeypatch.setitem(derivations.DERIVERS, name, f"{__name__}.{name}")


@pytest.fixture
def artifact(version: DatasetVersion) -> Artifact:
    return version.artifact


def test_it_is_computed_once_for_each_set_of_parameters(artifact: Artifact) -> None:
    made = derivations.request(artifact, "count", {"times": 2})
    assert derivations.request(artifact, "count", {"times": 2}).pk == made.pk
    assert derivations.request(artifact, "count", {"times": 3}).pk != made.pk
    derivations.run(made.pk)
    found = derivations.find(artifact, "count", {"times": 2})
    assert found is not None and found.state == State.SUCCEEDED and found.result == {"rows": 60}
    assert (derivations.folder(found) / "count.txt").read_text() == "120"
    attempt = found.attempt
    derivations.run(made.pk)
    found.refresh_from_db()
    assert found.attempt == attempt


def test_files_that_were_swept_away_are_made_again(artifact: Artifact) -> None:
    made = derivations.request(artifact, "count", {"times": 1})
    derivations.run(made.pk)
    shutil.rmtree(derivations.folder(made))
    again = derivations.request(artifact, "count", {"times": 1})
    assert again.pk == made.pk and again.state == State.PENDING
    derivations.run(made.pk)
    assert (derivations.folder(made) / "count.txt").exists()


@pytest.mark.parametrize(("name", "said"), [("refuse", "nothing to count"), ("stumble", "fault in the Studio")])
def test_a_failure_says_why_and_may_be_tried_again(artifact: Artifact, name: str, said: str) -> None:
    made = derivations.request(artifact, name)
    derivations.run(made.pk)
    made.refresh_from_db()
    assert made.state == State.FAILED and said in made.error and made.action
    assert derivations.request(artifact, name).state == State.PENDING


def test_cancelled_before_it_began_nothing_is_computed(artifact: Artifact) -> None:
    made = derivations.request(artifact, "count", {"times": 1})
    Derivation.objects.get(pk=made.pk).request_cancel()
    derivations.run(made.pk)
    made.refresh_from_db()
    assert made.state == State.CANCELLED and not derivations.folder(made).exists()

"""A profile of a messy dataset: its facts row by row, its page in every state, and what a maximum length costs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.contrib.auth.models import User
from django.test import Client

from studio.jobs import State
from studio.models import Workspace
from vault import derivations, profile
from vault.ingest import import_file
from vault.models import DatasetVersion

pytestmark = pytest.mark.django_db
PAGE = "/w/lab/vault/datasets/messy/v1/profile/"

Make = Callable[[list[tuple[str, str | None]]], DatasetVersion]


@pytest.fixture
def make(workspace: Workspace, editor: User, tmp_path: Path) -> Make:
    """A dataset ``messy`` of prompts and answers."""

    def build(rows: list[tuple[str, str | None]]) -> DatasetVersion:
        path = tmp_path / "messy.jsonl"
        path.write_text("".join(json.dumps({"prompt": p, "completion": c}) + "\n" for p, c in rows), encoding="utf-8")
        return import_file(path, workspace=workspace, name="Messy", user=editor)

    return build


MESSY: list[tuple[str, str | None]] = [
    ("Where is the card that I ordered from you last week?", "card_arrival"),
    ("Where is the card that I ordered from you last week?", "card_arrival"),
    ("Where is the card that I ordered from you last week??", "lost_card"),
    ("Please write to ada@example.org about my account.", "I'm sorry, but I can't help with that."),
    ("Wo ist meine Karte, die ich letzte Woche bei Ihnen bestellt habe?", "card_arrival"),
    ("My key is AKIAQ7R2XW4M9LZ3TBKP, is that safe to keep in a file?", "security"),
    ("What does it cost to send money abroad?", "transfer_fee"),
]


def run(version: DatasetVersion) -> Any:
    made = profile.request(version.artifact)
    derivations.run(made.pk)
    made.refresh_from_db()
    assert made.state == State.SUCCEEDED, made.trace or made.error
    return made


def facts(version: DatasetVersion) -> list[dict[str, Any]]:
    path = profile.facts_path(version.artifact)
    assert path is not None
    found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return found


def test_each_row_has_its_facts_in_row_order(make: Make) -> None:
    version = make(MESSY)
    made = run(version)
    rows = facts(version)
    assert [row["_rid"] for row in rows] == list(range(len(MESSY)))
    assert [row["completion_chars"] for row in rows] == [len(c or "") for _, c in MESSY]
    assert all(row["tokens"] > 5 for row in rows)
    assert rows[4]["language"] == "de" and rows[0]["language"] == "en"
    flags = [set(row["flags"]) for row in rows]
    assert "refusal" in flags[3] and "pii:email" in flags[3]
    assert any(flag.startswith("secret:") for flag in flags[5])
    assert rows[0]["exact_group"] == rows[1]["exact_group"] == 0 and "exact_duplicate" in flags[1]
    assert rows[6]["exact_group"] is None and rows[6]["near_group"] is None and flags[6] == set()
    assert {"label_conflict"} <= flags[2]
    assert made.result["rows"] == 7 and made.result["flags"]["refusal"] == 1


def test_a_secret_is_never_shown(make: Make, viewer_client: Client) -> None:
    version = make(MESSY)
    made = run(version)
    assert "AKIAQ7R2XW4M9LZ3TBKP" not in json.dumps(made.result)
    page = viewer_client.get(PAGE).content.decode()
    assert "AKIAQ7R2XW4M9LZ3TBKP" not in page and "ada@example.org" not in page


def test_the_page_waits_shows_and_is_asked_for_again(make: Make, editor_client: Client) -> None:
    version = make(MESSY)
    page = editor_client.get(PAGE).content.decode()
    assert "A worker reads every row once" in page
    editor_client.post(PAGE + "cancel/")
    made = profile.find(version.artifact)
    assert made is not None and made.state == State.CANCELLED
    editor_client.post(PAGE + "retry/")
    derivations.run(made.pk)
    page = editor_client.get(PAGE).content.decode()
    assert "Rows that are alike" in page and "flag=refusal" in page and "language=de" in page
    assert "/vault/datasets/messy/v1/?" in page


def test_a_reader_neither_stops_nor_restarts_it(make: Make, viewer_client: Client) -> None:
    make(MESSY)
    assert viewer_client.get(PAGE).status_code == 200
    assert viewer_client.post(PAGE + "cancel/").status_code == 403
    assert viewer_client.post(PAGE + "retry/").status_code == 403


@pytest.mark.parametrize("typed", ["10", "0", "-4", "x", "9" * 30, ""])
def test_a_maximum_length_says_what_would_be_lost(make: Make, viewer_client: Client, typed: str) -> None:
    version = make(MESSY)
    run(version)
    answer = viewer_client.get(PAGE + "limit/", {"max_length": typed})
    assert answer.status_code == 200
    if typed == "10":
        longer = sum(row["tokens"] > 10 for row in facts(version))
        assert longer and "min_tokens=11" in answer.content.decode() and f"{longer} row" in answer.content.decode()
    elif typed:
        assert "A whole number of tokens" in answer.content.decode()


@pytest.mark.parametrize(
    "rows",
    [
        [("One question", None)],
        [("The same", "x")] * 30,
        [(f"Question {n}", f"label {n}") for n in range(300)],
        [("🙂" * 50, ""), ("مرحبا كيف حالك اليوم", "نعم"), ("你好，今天怎么样？", "好")],
        [("<script>alert(1)</script>", "<b>bold</b>")] * 3,
    ],
    ids=["one row", "all the same", "a label for each row", "other alphabets", "markup"],
)
def test_odd_datasets_have_a_page(make: Make, viewer_client: Client, rows: list[tuple[str, str | None]]) -> None:
    version = make(rows)
    run(version)
    page = viewer_client.get(PAGE)
    assert page.status_code == 200
    assert "<script>alert(1)" not in page.content.decode() and "<b>bold" not in page.content.decode()


def test_another_students_tokens_are_counted_without_reading_the_rest_again(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = make(MESSY)
    plain = derivations.request(version.artifact, profile.NAME, {})
    derivations.run(plain.pk)
    monkeypatch.setattr("vault.profiling.scan.look", lambda *_, **__: pytest.fail("read again"))
    made = run(version)
    assert (
        made.result["tokens"]["rows"] == len(MESSY)
        and made.result["flags"] == derivations.find(version.artifact, profile.NAME).result["flags"]
    )  # type: ignore[union-attr]

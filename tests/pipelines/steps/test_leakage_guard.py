"""The leakage guard: every way a held-back row can reach training, and none of those it must leave alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipelines.building import drafts
from pipelines.models import Run, StepRun
from pipelines.running import runs
from pipelines.steps.leakage import GROUP, LINEAGE, NEAR, NORMALISED, SAME, HeldBack, Source, find_leaks, tie_families
from pipelines.steps.leakage_guard import LeakageGuard
from studio.jobs import State
from studio.models import Workspace
from tests.pipelines.steps.desk import row
from vault import store
from vault.ingest import record_version
from vault.models import DatasetVersion
from vault.rows import Row, prompt_id, read_rows, write_rows
from vault.scan import Tally

CARD = "Where is the new card that I ordered last week?"
RENT = "Why was the payment of my rent declined again?"
LIMIT = "What is the limit for a withdrawal abroad on a weekend?"
FILE = {"source": {"file": "a.csv", "line": 2}}


def made(text: str, *, id: str = "", **meta: Any) -> Row:
    return replace(row(text, "x", id=id), meta=meta)


def kinds(train: Sequence[Row], test: Sequence[Row], *, folder: Path, field: str = "") -> dict[int, str]:
    """Position of each training row that leaks → how."""
    write_rows(folder / "train", train)
    write_rows(folder / "test", test)
    held = HeldBack(tie_families([folder / "train", folder / "test"]), group_field=field)
    source = Source("the test rows", folder / "test", lambda: read_rows(folder / "test"))
    held.add(source)
    leaks = find_leaks(
        lambda: read_rows(folder / "train"), held, [source], threshold=0.8, beat=lambda done, total, note: None
    )
    return {position: leak.kind for position, leak in leaks.items()}


@pytest.mark.parametrize(
    ("train", "kind"),
    [
        (row(CARD), SAME),
        (row(CARD, system="another"), SAME),
        (row(CARD.upper().replace("?", "  !")), NORMALISED),
        (row(CARD.replace("new", "new,")), NORMALISED),
        (row(CARD.replace("last", "lasst")), NEAR),
        (row(RENT), None),
        (made("Wo ist meine Karte?", derived_from=[prompt_id(row(CARD).prompt)]), LINEAGE),
        (made("Wo ist meine Karte?", derived_from=["other", prompt_id(row(CARD).prompt)]), LINEAGE),
        (made("Wo ist meine Karte?", sample_of=prompt_id(row(CARD).prompt)), LINEAGE),
        (made("Wo ist meine Karte?", derived_from=["other"]), None),
        (made("Wo ist meine Karte?", id=prompt_id(row(CARD).prompt)), LINEAGE),
    ],
)
def test_a_row_leaks_by_its_prompt_or_by_where_it_comes_from(train: Row, kind: str | None, tmp_path: Path) -> None:
    assert kinds([train], [row(CARD), row(LIMIT)], folder=tmp_path) == ({} if kind is None else {0: kind})


def test_lineage_is_followed_through_rows_in_between(tmp_path: Path) -> None:
    train = [
        made("Wo ist meine Karte?", id="second", derived_from=["first"]),
        made("Où est ma carte bleue ?", id="first", derived_from=[prompt_id(row(CARD).prompt)]),
        made("Dov'è il mio conto corrente?", id="free", derived_from=["elsewhere"]),
    ]
    assert kinds(train, [row(CARD)], folder=tmp_path) == {0: LINEAGE, 1: LINEAGE}


def test_rows_made_from_one_row_are_not_parted_and_neither_is_that_row(tmp_path: Path) -> None:
    test = [made("Wo ist meine Karte?", id="t", derived_from=["origin"])]
    train = [made("Où est ma carte bleue ?", id="s", derived_from=["origin"]), made(RENT, id="origin")]
    assert kinds(train, test, folder=tmp_path) == {0: LINEAGE, 1: LINEAGE}


def test_the_row_a_held_back_row_was_made_from_is_known_by_its_prompt_too(tmp_path: Path) -> None:
    test = [made("Wo ist meine Karte?", derived_from=[prompt_id(row(CARD).prompt)])]
    assert kinds([made(CARD, id="9", **FILE)], test, folder=tmp_path) == {0: LINEAGE}


def test_an_edited_version_of_a_held_back_row_leaks_and_a_like_numbered_row_of_another_file_does_not(
    tmp_path: Path,
) -> None:
    test = [made(CARD, id="7", **FILE)]
    train = [
        made("Rewritten by hand from top to bottom", id="7", **FILE, derived_from=["7"]),
        made(LIMIT, id="7", source={"file": "b.csv", "line": 2}),
    ]
    assert kinds(train, test, folder=tmp_path) == {0: LINEAGE}


def test_turns_of_one_conversation_are_not_parted(tmp_path: Path) -> None:
    test = [made(CARD, conversation={"id": "c1", "turn": 2})]
    train = [made(RENT, conversation={"id": "c1", "turn": 4}), made(LIMIT, conversation={"id": "c2", "turn": 2})]
    assert kinds(train, test, folder=tmp_path, field="conversation") == {0: GROUP}
    (tmp_path / "off").mkdir()
    assert kinds(train, test, folder=tmp_path / "off") == {}


@settings(deadline=None, max_examples=40)
@given(
    edges=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=14),
    held=st.sets(st.integers(0, 11), min_size=1, max_size=4),
)
def test_what_leaks_by_lineage_is_what_is_connected_to_a_held_back_row(
    edges: list[tuple[int, int]], held: set[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    above: dict[int, list[str]] = {}
    for child, parent in edges:
        above.setdefault(child, []).append(str(parent))
    texts = [
        f"{word} " * 9
        for word in [
            "alpha",
            "bravo",
            "carrot",
            "dingo",
            "eagle",
            "fjord",
            "grape",
            "hotel",
            "igloo",
            "jolly",
            "kilo",
            "lemon",
        ]
    ]
    rows = [made(text, id=str(n), derived_from=above.get(n, [])) for n, text in enumerate(texts)]
    reached, before = set(held), set[int]()
    while reached != before:
        before = set(reached)
        reached |= {b for a, b in edges if a in before} | {a for a, b in edges if b in before}
    train = [n for n in range(12) if n not in held]
    found = kinds([rows[n] for n in train], [rows[n] for n in sorted(held)], folder=tmp_path_factory.mktemp("lineage"))
    assert {train[position] for position in found} == reached - held
    assert set(found.values()) <= {LINEAGE}


Add = Callable[..., DatasetVersion]


@pytest.fixture
def add(workspace: Workspace, tmp_path: Path) -> Add:
    """``add(name, rows)``: the next version of a dataset."""

    def make(name: str, rows: Sequence[Row], *, held_out: bool = False) -> DatasetVersion:
        folder = tmp_path / f"new-{name}"
        kept = write_rows(folder, rows)
        placed = store.place(folder, kind="dataset")
        tally = Tally(kept=kept)
        version = record_version(
            placed, workspace=workspace, name=name, user=None, file_name=f"{name}.csv", sha256="0" * 64, tally=tally
        )
        DatasetVersion.objects.filter(pk=version.pk).update(held_out=held_out)
        return version

    return make


def guard(workspace: Workspace, *, test: bool = True, **params: Any) -> StepRun:
    """The guard's step of a finished run over the datasets ``train`` and ``test``."""
    names = ["train", "test"] if test else ["train"]
    spec = {
        "schema": 1,
        "nodes": [
            *({"id": name, "step": "dataset", "params": {"dataset": name}} for name in names),
            {"id": "guard", "step": "leakage_guard", "params": params},
        ],
        "edges": [{"from": f"{name}.rows", "to": f"guard.{name}"} for name in names],
    }
    pipeline = drafts.create(workspace, name="Guarded", spec=spec, user=None)
    run = runs.start_run(runs.freeze(pipeline, user=None), user=None)
    runs.run_to_end(run, pause=0.01)
    return Run.objects.get(pk=run.pk).steps.get(node="guard")


def texts_of(step: StepRun, port: str) -> list[str]:
    artifact = step.outputs.get(port=port).artifact
    return [r.user_text for r in read_rows(store.path(artifact))]


def test_overlap_with_the_test_rows_is_dropped_counted_and_explained(workspace: Workspace, add: Add) -> None:
    add("train", [row(CARD, "x"), row(LIMIT, "x"), row(RENT + "!", "x")])
    add("test", [row(RENT, "x"), row(CARD, "x")])
    step = guard(workspace)
    assert step.state == State.SUCCEEDED, step.error
    assert texts_of(step, "train") == [LIMIT]
    rejects = list(read_rows(store.path(step.outputs.get(port="rejects").artifact)))
    assert [r.meta["reject"]["reason"] for r in rejects] == [
        f"The same prompt as row 2 (id {rejects[0].id}) of the test rows.",
        f"Differs only in case, spaces or signs from row 1 (id {prompt_id(row(RENT).prompt)}) of the test rows.",
    ]
    assert [(kind["kind"], kind["rows"], kind["sources"]) for kind in step.summary["found"]] == [
        (SAME, 1, {"the test rows": 1}),
        (NORMALISED, 1, {"the test rows": 1}),
    ]
    assert step.summary["found"][0]["examples"][0]["prompt"] == CARD
    assert step.summary["headline"].endswith("Compared with 2 rows of the test rows.")


def test_a_version_that_is_marked_as_held_out_is_guarded_without_being_wired(workspace: Workspace, add: Add) -> None:
    add("train", [row(CARD, "x"), row(LIMIT, "x")])
    add("exam", [row(CARD, "x")], held_out=True)
    add("other", [row(LIMIT, "x")])
    step = guard(workspace, test=False)
    assert texts_of(step, "train") == [LIMIT]
    assert step.facts["held_out"][0]["dataset"] == "exam"
    assert "“exam” version 1 (held out)" in step.summary["headline"]


def test_marking_a_version_later_does_the_guard_again_instead_of_reusing_it(workspace: Workspace, add: Add) -> None:
    add("train", [row(CARD, "x"), row(LIMIT, "x")])
    add("test", [row(RENT, "x")])
    assert len(texts_of(guard(workspace), "train")) == 2
    exam = add("exam", [row(CARD, "x")])
    DatasetVersion.objects.filter(pk=exam.pk).update(held_out=True)
    again = guard(workspace)
    assert again.reused_from is None
    assert texts_of(again, "train") == [LIMIT]


def test_only_named_versions_are_guarded_when_that_is_asked_for(workspace: Workspace, add: Add) -> None:
    add("train", [row(CARD, "x"), row(LIMIT, "x")])
    add("exam", [row(CARD, "x")], held_out=True)
    add("other", [row(LIMIT, "x")])
    step = guard(workspace, test=False, held_out="only those named", versions=["other v1"])
    assert texts_of(step, "train") == [CARD]
    lost = guard(workspace, test=False, held_out="only those named", versions=["other 9"])
    assert lost.state == State.FAILED and "has no version 9" in lost.error


def test_held_out_versions_of_another_workspace_are_not_looked_at(
    workspace: Workspace, other_workspace: Workspace, add: Add
) -> None:
    add("train", [row(CARD, "x")])
    exam = add("exam", [row(CARD, "x")], held_out=True)
    type(exam.dataset).objects.filter(pk=exam.dataset_id).update(workspace=other_workspace)
    step = guard(workspace, test=False)
    assert step.state == State.FAILED and "nothing to guard against" in step.error


def test_the_run_stops_with_counts_and_an_example_when_that_is_asked_for(workspace: Workspace, add: Add) -> None:
    add("train", [row(CARD, "x"), row(LIMIT, "x")])
    add("test", [row(CARD, "x")])
    step = guard(workspace, action="stop")
    assert step.state == State.FAILED
    assert "1 of 2 training rows overlap with rows that are held back (1 the same prompt)" in step.error
    assert f"row 1, “{CARD}”" in step.error


def test_without_overlap_nothing_changes_and_stopping_lets_pass(workspace: Workspace, add: Add) -> None:
    add("train", [row(CARD, "x"), row(LIMIT, "x")])
    add("test", [row(RENT, "x")])
    step = guard(workspace, action="stop")
    assert step.state == State.SUCCEEDED
    assert texts_of(step, "train") == [CARD, LIMIT]
    assert step.summary["found"] == []


def test_training_on_the_held_out_version_itself_is_refused(workspace: Workspace, add: Add) -> None:
    add("train", [row(CARD, "x"), row(LIMIT, "x")], held_out=True)
    step = guard(workspace, test=False)
    assert step.state == State.FAILED
    assert "No row is left after this step: 2 the same prompt." in step.error


@pytest.mark.parametrize("line", ["a b c", "exam vx", "exam 0", "exam -1"])
def test_versions_that_cannot_be_read_are_a_bad_parameter(line: str) -> None:
    with pytest.raises(ValidationError, match=r"version number|short name"):
        LeakageGuard.Params(versions=[line])

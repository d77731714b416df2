from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.jobs import State
from studio.models import Workspace
from vault import diffs, store
from vault.diffs import Shown
from vault.models import Dataset, DatasetVersion
from vault.rows import Row, assistant, write_rows


def row(key: str, text: str = "", answer: str | None = "a", tags: Sequence[str] = ()) -> Row:
    prompt = [{"role": "user", "content": text or f"prompt of {key}"}]
    return Row(key, prompt, assistant(answer) if answer is not None else None, tags=list(tags), meta={"line": key})  # type: ignore[arg-type]


@pytest.fixture
def make(workspace: Workspace, tmp_path: Path):  # type: ignore[no-untyped-def]
    """``make(rows)``: the next version of a dataset."""
    dataset = Dataset.objects.create(workspace=workspace, slug="d", name="D")

    def version(rows: Sequence[Row]) -> DatasetVersion:
        number = dataset.versions.count() + 1
        write_rows(tmp_path / str(number), rows)
        artifact = store.publish(tmp_path / str(number), kind="dataset", workspace=workspace)
        return DatasetVersion.objects.create(dataset=dataset, number=number, artifact=artifact, rows=len(rows))

    return version


def differences(
    old: DatasetVersion, new: DatasetVersion, shown: Shown | None = None
) -> list[tuple[str, int | None, int | None]]:
    made = diffs.request(old, new)
    assert made.state == State.SUCCEEDED, made.error + made.trace
    found, _ = diffs.page(made, shown or Shown())
    return [(one.kind, one.old, one.new) for one in found]


def test_rows_are_matched_by_id_wherever_they_lie(make) -> None:  # type: ignore[no-untyped-def]
    old = make([row("1"), row("2"), row("3")])
    new = make([row("3"), row("4"), row("1", answer="b")])
    assert differences(old, new) == [("added", None, 1), ("changed", 0, 2), ("removed", 1, None)]


def test_rows_with_new_ids_are_matched_by_their_prompt(make) -> None:  # type: ignore[no-untyped-def]
    old = make([row("1", "same"), row("2", "gone")])
    new = make([row("x", "same"), row("y", "came")])
    assert differences(old, new) == [("added", None, 1), ("removed", 1, None)]


def test_several_rows_with_one_id_are_matched_in_order(make) -> None:  # type: ignore[no-untyped-def]
    old = make([row("1", answer="a"), row("1", answer="b")])
    new = make([row("1", answer="a"), row("1", answer="c"), row("1", answer="d")])
    assert differences(old, new) == [("changed", 1, 1), ("added", None, 2)]


def test_where_a_row_comes_from_is_no_difference(make) -> None:  # type: ignore[no-untyped-def]
    old = make([row("1"), row("2")])
    new = make([replace(row("1"), meta={"line": "other"}), row("2")])
    assert differences(old, new) == []


def test_counts_flips_and_tags_are_summed_up(make) -> None:  # type: ignore[no-untyped-def]
    old = make([row("1", tags=["x"]), row("2"), row("3"), row("4", answer=None), row("5", "p")])
    new = make(
        [
            row("1", tags=["x", "y"]),
            row("2", answer="b"),
            row("3", answer="b"),
            row("4", answer="b"),
            row("5", "q", tags=["y"]),
        ]
    )
    result = diffs.request(old, new).result
    assert (result["added"], result["removed"], result["changed"]) == (0, 0, 5)
    assert result["fields"] == {"prompt": 1, "answer": 3, "reference": 0, "tags": 2, "soft": 0}
    assert result["flips"] == [["a", "b", 2], [None, "b", 1]]
    assert result["tags"] == [["y", 2, 0]]
    assert [one[1] for one in differences(old, new, Shown(kind="tags"))] == [0, 4]
    assert [one[1] for one in differences(old, new, Shown(flip=("a", "b")))] == [1, 2]
    assert [one[1] for one in differences(old, new, Shown(flip=("", "b")))] == [3]


def test_pages_follow_one_another(make) -> None:  # type: ignore[no-untyped-def]
    old = make([row(str(n)) for n in range(60)])
    new = make([row(str(n), answer="b") for n in range(60)])
    made = diffs.request(old, new)
    first, more = diffs.page(made, Shown())
    second, _ = diffs.page(made, Shown(), after=first[-1].n)
    assert more and [one.new for one in first + second] == list(range(50)) and diffs.count(made, Shown("answer")) == 60


def test_large_versions_are_compared_by_a_worker(make, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(diffs, "AT_ONCE", 1)
    assert diffs.request(make([row("1")]), make([row("2")])).state == State.PENDING


ROWS = st.lists(st.tuples(st.sampled_from("123"), st.sampled_from("pq"), st.sampled_from("ab")), max_size=5)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS, ROWS)
def test_every_row_is_matched_once_or_added_or_removed(
    tmp_path_factory: pytest.TempPathFactory, old: list[tuple[str, str, str]], new: list[tuple[str, str, str]]
) -> None:
    from django.conf import settings as django_settings

    folders = []
    for number, side in enumerate((old, new)):
        folder = Path(django_settings.DATA_ROOT) / "x" / f"{number}-{tmp_path_factory.mktemp('s').name}"
        write_rows(folder, [row(key, text, answer) for key, text, answer in side])
        folders.append(folder)
    out = folders[0].with_name(f"{folders[0].name}-diff")
    out.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "folder_of", lambda _: folders[0])
        result = diffs.derive(folders[1], out, params={"against": ""}, beat=lambda *_: None)
    assert len(old) - result["removed"] == len(new) - result["added"] >= result["changed"]
    if sorted(old) == sorted(new) and len({key for key, _, _ in old}) == len(old):
        assert result["added"] == result["removed"] == result["changed"] == 0

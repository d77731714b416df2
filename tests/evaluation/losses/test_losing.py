"""The groups of a report: computed once by a worker, with the rows that the student learnt from, and what became of them."""

from __future__ import annotations

import shutil
from urllib.parse import parse_qs

import numpy as np
import pytest

from evaluation.boards.tables import open_items
from evaluation.losses import losing
from evaluation.losses.losing import change_on
from evaluation.models import Scorecard
from evaluation.report.scorecards import read_report
from studio.jobs import State
from studio.models import Workspace
from tests.evaluation.lost_rows import record_losing
from vault import derivations
from vault.models import DatasetVersion

pytestmark = pytest.mark.django_db


@pytest.fixture
def card(workspace: Workspace) -> Scorecard:
    """The evaluation that loses two kinds of rows."""
    return record_losing(workspace)


def group(card: Scorecard) -> dict[str, object]:
    """Do the job, and give what came of it."""
    made = losing.request(card, read_report(card.report))
    derivations.run(made.pk)
    made.refresh_from_db()
    assert made.state == State.SUCCEEDED, made.trace
    return dict(made.result)


def test_a_worker_groups_the_lost_rows_once(card: Scorecard) -> None:
    report = read_report(card.report)
    assert losing.finished(card, report) is None and losing.groups_of(card, report) == []
    found = group(card)
    assert found["lost"] == 24 and found["won"] == 38
    assert losing.finished(card, report) == found
    assert losing.request(card, report).attempt == 1
    assert sorted(map(len, losing.groups_of(card, report))) == [0, 12, 12]


def test_groups_whose_files_were_swept_away_are_asked_for_again(card: Scorecard) -> None:
    report = read_report(card.report)
    group(card)
    made = losing.find(card, report)
    assert made is not None
    shutil.rmtree(derivations.folder(made))
    assert losing.find(card, report) is None
    assert losing.request(card, report).state == State.PENDING


def test_the_training_rows_come_from_the_report(card: Scorecard) -> None:
    version = DatasetVersion.objects.get(dataset__slug="learnt")
    assert losing.training_of(card, read_report(card.report)) == version.artifact
    found = losing.training_of(card, {"facts": {"Training rows": "0" * 64}})
    assert found is None


def test_the_rows_of_a_group_can_be_read_in_the_explorer(card: Scorecard) -> None:
    from evaluation.rows.page import read_filter

    assert read_filter({"group": "1"}, open_items(card)).group is None
    found = group(card)
    table = open_items(card)
    wanted = read_filter({"group": "1"}, table)
    assert table.positions(wanted).tolist() == sorted(found["groups"][0]["rids"])  # type: ignore[index]
    for bad in ("0", "4", "x", "-1"):
        assert read_filter({"group": bad}, table).group is None


def test_the_rows_to_review_are_the_training_rows_that_carry_the_mixed_up_answers(card: Scorecard) -> None:
    found = group(card)
    groups = found["groups"]
    assert isinstance(groups, list)
    abroad = next(g for g in groups if g["pairs"][0][0] == "transfer")
    there = losing.rows_to_review(card, abroad)
    assert there is not None and there.version.dataset.slug == "learnt" and there.rows == 10
    assert parse_qs(there.query)["op"] == ["regex"]
    assert losing.rows_to_review(card, {"pairs": [], "alike": []}) is None
    elsewhere = [{"id": "nobody", "answer": "x", "text": ""}]
    assert losing.rows_to_review(card, {"pairs": [], "alike": elsewhere}) is None


def test_what_became_of_a_slice_is_counted_row_by_row(workspace: Workspace, card: Scorecard) -> None:
    new = record_losing(workspace, number=2, mends=frozenset({"stolen"}))
    old_marks, new_marks = open_items(card).marks, open_items(new).marks
    was, now = old_marks.candidates["student"], new_marks.candidates["student"]
    rids = list(np.flatnonzero(was.wrong))
    change = change_on([int(r) for r in rids], old_marks, was, new_marks, now)
    assert change is not None
    assert (change.n, change.fixed, change.broken, change.before, change.after) == (24, 12, 0, 0.0, 0.5)
    rest = change_on(None, old_marks, was, new_marks, now)
    assert rest is not None and rest.n == 62
    assert change_on([], old_marks, was, new_marks, now) is None

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from studio.lib.errors import StudioError
from studio.models import AuditEvent
from tests.conftest import make_member
from tests.vault.reviewing.conftest import Begin
from tests.vault.reviewing.test_verdicts import say
from vault.editing import drafts
from vault.models import DatasetVersion, ReviewTask
from vault.reviewing import confidence, rounds, verdicts
from vault.views.lookup import table_of


def test_a_round_takes_the_rows_of_a_filter(begin: Begin) -> None:
    review = begin(query="label=card_arrival")
    assert [item.rid for item in review.items.all()] == [0, 1]
    assert review.population == 2
    with pytest.raises(StudioError, match="No row passes this filter"):
        begin(query="q=zzzz")


def test_the_most_doubtful_row_comes_first(begin: Begin) -> None:
    review = begin(order="worth", rows=2)
    first = review.items.get(position=1)
    assert first.rid == 1 and first.reasons == ["answer is not the reference"]


def test_the_last_student_is_asked_where_somebody_knows_it(
    begin: Begin, version: DatasetVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confidence, "_providers", [])
    row = table_of(version).row(7)
    assert row is not None
    confidence.register(lambda asked: {row.id: 0.05} if asked == version else {})
    review = begin(order="worth", rows=1)
    item = review.items.get()
    assert item.rid == 7 and item.reasons == ["the last student was 5 % sure"]


def test_each_row_needs_enough_people(begin: Begin) -> None:
    with pytest.raises(StudioError, match="Each row needs 3 reviewers, but 2 are chosen"):
        begin(per_row=3)


def test_a_random_round_goes_on_with_the_same_draw(begin: Begin, editor: User) -> None:
    review = begin(order="random", rows=5, per_row=1)
    assert rounds.extend(review, rows=7, by=editor) == 7
    rids = list(review.items.values_list("rid", flat=True))
    assert len(set(rids)) == 12 and list(review.items.values_list("position", flat=True)) == list(range(1, 13))
    assert rounds.extend(review, rows=1000, by=editor) == 48
    assert rounds.extend(review, rows=10, by=editor) == 0
    assert ReviewTask.objects.filter(item__round=review).count() == 60


def test_a_newcomer_takes_a_fair_part_of_what_is_open(begin: Begin, ada: User, ben: User, editor: User) -> None:
    review = begin(rows=30, per_row=1)
    cleo = make_member(review.dataset.workspace, "viewer")
    mine = verdicts.tasks_of(review, ada).first()
    assert mine is not None
    say(review, ada, mine.item.position)
    rounds.add_people(review, people=[cleo, editor], by=editor)
    counts = {u.pk: verdicts.tasks_of(review, u).count() for u in (ada, ben, editor, cleo)}
    # A viewer may hold a seat but gets no rows until the role allows it.
    assert counts == {ada.pk: 10, ben.pk: 10, editor.pk: 10, cleo.pk: 0}


def test_closing_turns_what_was_agreed_into_edits_of_the_draft(
    begin: Begin, version: DatasetVersion, ada: User, ben: User, editor: User
) -> None:
    review = begin(rows=6)
    for user in (ada, ben):
        say(review, user, 1, "edit", text="other", original="card_arrival")
        say(review, user, 2, "reject")
        say(review, user, 3, "accept", tags=["seen"])
    say(review, ada, 4, "accept")
    say(review, ben, 4, "reject")
    say(review, ada, 5, "accept")
    say(review, ben, 5, "reject")
    verdicts.decide(review.items.get(position=5), answer="edit", text="other", original="top_up", by=editor)
    assert rounds.close(review, by=editor) == {"accept": 1, "edit": 2, "reject": 1, "differ": 1, "open": 1}

    draft = drafts.live_draft(version)
    assert draft is not None and draft.is_open
    kinds = [(o.kind, o.count) for o in draft.operations.all()]
    assert kinds == [("label", 2), ("tag", 1), ("reject", 1)]
    table = table_of(version)
    lines = [(rid, table.row(rid)) for rid in range(6)]
    standing = drafts.lay_over(draft, lines)  # type: ignore[arg-type]
    assert standing[0].row.completion_text == standing[4].row.completion_text == "other"
    assert standing[1].rejected == {"by": "editor-of-lab", "reason": "Rejected in review: Round 1"}
    assert "seen" in standing[2].row.tags
    assert not standing[3].edited and standing[3].rejected is None
    drafts.undo(draft.operations.get(kind="reject"), user=editor)
    assert drafts.lay_over(draft, lines)[1].rejected is None  # type: ignore[arg-type]
    assert AuditEvent.objects.filter(verb="closed the review").count() == 1
    with pytest.raises(StudioError, match="Round 1 is closed"):
        rounds.close(review, by=editor)


def test_a_round_in_which_everything_was_accepted_opens_no_draft(
    begin: Begin, version: DatasetVersion, ada: User, editor: User
) -> None:
    review = begin(rows=1, per_row=1, people=[ada])
    say(review, ada, 1)
    rounds.close(review, by=editor)
    assert drafts.live_draft(version) is None


def test_a_draft_that_is_being_committed_keeps_the_round_open(
    begin: Begin, version: DatasetVersion, ada: User, editor: User
) -> None:
    review = begin(rows=1, per_row=1, people=[ada])
    say(review, ada, 1, "reject")
    drafts.open_draft(version, user=editor).close(message="x", user=editor)
    with pytest.raises(drafts.Closed):
        rounds.close(review, by=editor)
    review.refresh_from_db()
    assert review.is_open


def test_a_decision_is_for_open_rounds_and_is_no_skip(begin: Begin, editor: User) -> None:
    review = begin()
    item = review.items.get(position=1)
    with pytest.raises(StudioError, match="A decision is not a skip"):
        verdicts.decide(item, answer="skip", text=None, original="x", by=editor)
    rounds.close(review, by=editor)
    with pytest.raises(StudioError, match="is closed"):
        verdicts.decide(item, answer="accept", text=None, original="x", by=editor)

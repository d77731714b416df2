from __future__ import annotations

import pytest

from vault.reviewing.outcomes import Judged, Said, alpha, error_rate, pairs


def said(seat: int, answer: str, text: str | None = None, *tags: str) -> Said:
    return Said(seat, answer, text, tags)


def test_one_meaning_is_the_outcome_and_skips_do_not_count() -> None:
    outcome = Judged((said(1, "edit", "b", "odd"), said(2, "skip", None, "lost"), said(3, "edit", "b", "late"))).outcome
    assert outcome == ("edit", "b", ("odd", "late"), False)
    assert Judged((said(1, "skip"),)).outcome == ("", None, (), False)


def test_two_edits_to_different_texts_differ() -> None:
    assert Judged((said(1, "edit", "a"), said(2, "edit", "b"))).outcome.differs
    assert not Judged((said(1, "accept", "left over"), said(2, "accept"))).outcome.differs


def test_a_decision_settles_a_difference() -> None:
    row = Judged((said(1, "accept"), said(2, "reject", None, "odd")), decision=said(0, "edit", "c"))
    assert row.outcome == ("edit", "c", ("odd",), False) and row.error == 1.0


def test_a_row_on_which_reviewers_are_split_is_half_wrong() -> None:
    rows = [Judged((said(1, "accept"), said(2, "reject"))), Judged((said(1, "accept"),)), Judged((said(1, "skip"),))]
    rate = error_rate(rows, population=1000)
    assert rate is not None and (rate.value, rate.n) == (0.25, 2)
    assert error_rate([Judged(())], population=10) is None


def test_agreement_is_over_what_was_said_not_over_skips() -> None:
    rows = [
        Judged((said(1, "accept"), said(2, "accept"))),
        Judged((said(1, "accept"), said(2, "reject"))),
        Judged((said(1, "accept"), said(2, "skip"), said(3, "accept"))),
    ]
    # By hand: n_accept = 5, n_reject = 1, n = 6, two differing pairs: 1 - 5 · 2 / (2 · 5) = 0.
    assert alpha(rows) == pytest.approx(0.0)
    found = pairs(rows, [1, 2, 3])
    assert [(p.first, p.second, p.rows, p.same) for p in found] == [(1, 2, 2, 1), (1, 3, 1, 1)]
    assert found[0].kappa == pytest.approx(0.0) and found[1].kappa == 1.0

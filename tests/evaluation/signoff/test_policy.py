"""The rules a team signs by."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from evaluation.signoff.policy import Policy, describe, read


def test_the_defaults_ask_for_one_person_who_did_not_start_the_run() -> None:
    rules = read({})
    assert (rules.approvals, rules.alone) == (1, False)
    assert describe(rules)[0] == "1 approval by reviewers, editors and owners, not by who started the run."


def test_more_owners_than_approvals_are_refused() -> None:
    with pytest.raises(ValidationError, match="More approvals"):
        Policy(approvals=1, from_owners=2)


def test_a_checklist_says_a_thing_once() -> None:
    with pytest.raises(ValidationError, match="twice"):
        Policy(checklist=("Read the rows", " Read the rows "))


def test_a_minimum_is_a_share() -> None:
    with pytest.raises(ValidationError):
        Policy(minimums={"accuracy": 92.5})


def test_what_another_version_stored_is_left_out() -> None:
    assert read({"approvals": 2, "of_long_ago": True}) == Policy(approvals=2)


def test_equal_rules_have_equal_digests_and_others_do_not() -> None:
    assert Policy(minimums={"a": 0.5, "b": 0.6}).digest() == Policy(minimums={"b": 0.6, "a": 0.5}).digest()
    assert Policy(approvals=2).digest() != Policy().digest()


def test_rules_about_judges_are_in_the_hash_only_where_there_are_any() -> None:
    assert not {"judge_grade", "judge_wins", "judge_health"} & Policy().stored().keys()
    assert Policy(judge_grade=0.0).stored()["judge_grade"] == 0
    assert len({Policy().digest(), Policy(judge_health=True).digest(), Policy(judge_wins=0.5).digest()}) == 3
    assert read(Policy(judge_wins=0.5).stored()) == Policy(judge_wins=0.5)

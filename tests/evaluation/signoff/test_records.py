"""Decisions as records: who, what, and what voids them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from evaluation.models import Decision, Scorecard, SignOff, SignOffPolicy
from evaluation.signoff import reading, records, settling
from evaluation.signoff.policy import Policy
from pipelines.models import PipelineVersion, StepOutput
from studio import audit, members
from studio.lib.errors import StudioError
from studio.models import AuditEvent, Membership
from tests.evaluation.conftest import make_step, publish_folder
from tests.evaluation.signoff.conftest import say
from vault import store


def test_an_approval_by_somebody_else_approves_and_freezes_everything(card: Scorecard, reviewer: User) -> None:
    found = say(card, reviewer, reason="Read 50 rows.")
    assert found.state == "approved"
    decision = found.decisions.get()
    assert (decision.name, decision.role, decision.is_author) == (reviewer.username, "reviewer", False)
    assert decision.digest == found.digest == reading.look(card).digest
    assert decision.frozen["report"] == card.report.sha256
    assert decision.frozen["weights"]["adapter"] == card.student_sha
    assert decision.frozen["spec"]["digest"] == card.step_run.run.version.digest
    assert set(decision.frozen["steps"]) == {"train", "evaluate"}
    assert found.policy["approvals"] == 1


def test_the_author_cannot_approve_alone(card: Scorecard, editor: User, reviewer: User) -> None:
    found = say(card, editor)
    assert found.state == "open"
    assert found.decisions.get().is_author
    assert say(card, reviewer).state == "approved"


def test_a_viewer_or_a_stranger_may_not_sign(card: Scorecard, viewer: User, stranger: User) -> None:
    for person in (viewer, stranger):
        with pytest.raises(StudioError, match="needs the role 'reviewer'"):
            say(card, person)
    assert not SignOff.objects.exists()


def test_requesting_changes_and_rejecting_need_a_reason(card: Scorecard, reviewer: User) -> None:
    for verdict in ("changes", "reject"):
        with pytest.raises(StudioError, match="Say why"):
            say(card, reviewer, verdict, reason="  ")
    assert say(card, reviewer, "changes").state == "changes"
    assert say(card, reviewer).state == "approved"
    assert [d.current for d in Decision.objects.order_by("number")] == [False, True]


def test_an_unknown_decision_is_refused(card: Scorecard, reviewer: User) -> None:
    with pytest.raises(StudioError, match="is not a decision"):
        say(card, reviewer, "shrug", reason="x")


def test_a_rejection_is_final_until_somebody_asks_anew(card: Scorecard, reviewer: User, owner: User) -> None:
    assert say(card, reviewer, "reject").state == "rejected"
    with pytest.raises(StudioError, match="was rejected"):
        say(card, owner)
    assert records.ask(card, by=owner).number == 2
    assert say(card, owner).state == "approved"
    assert list(SignOff.objects.order_by("number").values_list("state", flat=True)) == ["rejected", "approved"]


def test_the_same_click_twice_is_one_decision(card: Scorecard, reviewer: User) -> None:
    seen = reading.look(card).digest
    say(card, reviewer, seen=seen)
    events = AuditEvent.objects.count()
    assert say(card, reviewer, seen=seen).state == "approved"
    assert Decision.objects.count() == 1
    assert AuditEvent.objects.count() == events


def test_what_changed_since_the_page_was_opened_is_not_signed(card: Scorecard, reviewer: User) -> None:
    seen = reading.look(card).digest
    card.scores.filter(metric="accuracy").update(value=0.99)
    with pytest.raises(settling.Changed):
        say(card, reviewer, seen=seen)
    assert not Decision.objects.exists()


def test_rules_that_changed_meanwhile_are_not_signed_by(
    card: Scorecard, reviewer: User, set_rules: Callable[..., None]
) -> None:
    seen = reading.look(card).digest
    set_rules(approvals=2)
    with pytest.raises(settling.Changed):
        say(card, reviewer, seen=seen)


def test_each_item_of_the_checklist_must_be_ticked(
    card: Scorecard, reviewer: User, set_rules: Callable[..., None]
) -> None:
    set_rules(checklist=("Read 20 wrong rows", "Checked the licence"))
    with pytest.raises(StudioError, match="Not ticked yet: Checked the licence"):
        say(card, reviewer, checked=["Read 20 wrong rows"])
    found = say(card, reviewer, checked=["Checked the licence", "Read 20 wrong rows", "Something else"])
    assert found.decisions.get().checked == ["Read 20 wrong rows", "Checked the licence"]


def test_nobody_approves_ahead_of_a_gate_but_may_request_changes(
    card: Scorecard, reviewer: User, set_rules: Callable[..., None]
) -> None:
    set_rules(minimums={"accuracy": 0.99})
    with pytest.raises(StudioError, match="A gate is closed"):
        say(card, reviewer)
    assert say(card, reviewer, "changes").state == "changes"


def test_a_decision_is_withdrawn_and_stays_in_the_record(card: Scorecard, reviewer: User, owner: User) -> None:
    say(card, reviewer)
    found = records.withdraw(card, user=reviewer, reason="Wrong report.")
    assert (found.state, found.settled_at) == ("open", None)
    decision = found.decisions.get()
    assert decision.withdrawn_at is not None
    assert decision.withdrawn_why == "Wrong report."
    with pytest.raises(StudioError, match="no decision"):
        records.withdraw(card, user=owner)


def test_the_only_person_signs_alone_only_where_the_rules_allow_it(card: Scorecard, editor: User) -> None:
    Membership.objects.exclude(user=editor).delete()
    assert say(card, editor).state == "open"
    records.change_policy(card.workspace, Policy(alone=True), by=editor, revision=0)
    found = say(card, editor)
    assert (found.state, found.alone, found.number) == ("approved", True, 2)


def test_other_rules_void_what_was_signed(card: Scorecard, reviewer: User, set_rules: Callable[..., None]) -> None:
    say(card, reviewer)
    set_rules(approvals=2)
    found = SignOff.objects.get()
    assert (found.state, found.reasons) == ("void", ["The workspace's rules for signing changed."])
    assert found.policy["approvals"] == 1


def test_a_signer_who_leaves_voids_the_approval_at_once(card: Scorecard, reviewer: User, owner: User) -> None:
    say(card, reviewer)
    members.remove_member(Membership.objects.get(user=reviewer), by=owner)
    found = SignOff.objects.get()
    assert found.state == "void"
    assert found.reasons == [f"{reviewer.username}, who approved it, is no longer in the team."]


def test_a_signer_who_becomes_a_viewer_voids_it_too(card: Scorecard, reviewer: User, owner: User) -> None:
    say(card, reviewer)
    members.change_role(Membership.objects.get(user=reviewer), role="viewer", by=owner)
    assert SignOff.objects.get().state == "void"


def test_a_signer_who_is_raised_voids_nothing(card: Scorecard, reviewer: User, owner: User) -> None:
    say(card, reviewer)
    members.change_role(Membership.objects.get(user=reviewer), role="editor", by=owner)
    assert SignOff.objects.get().state == "approved"


def test_who_asked_for_changes_and_left_holds_nobody_up(card: Scorecard, reviewer: User, owner: User) -> None:
    say(card, reviewer, "changes")
    say(card, owner)
    assert SignOff.objects.get().state == "changes"
    members.remove_member(Membership.objects.get(user=reviewer), by=owner)
    assert SignOff.objects.get().state == "approved"


def test_a_report_that_was_made_again_voids_it(card: Scorecard, reviewer: User) -> None:
    say(card, reviewer)
    other = publish_folder(card.workspace, "report", {"report.json": b"{}"})
    StepOutput.objects.filter(step_run=card.step_run, port="report").update(artifact=other)
    Scorecard.objects.filter(pk=card.pk).update(report=other)
    found = settling.settle(SignOff.objects.get())
    assert found.state == "void"
    assert found.reasons[0] == "The report was made again."


def test_a_step_that_was_done_again_voids_it(card: Scorecard, reviewer: User) -> None:
    say(card, reviewer)
    other = publish_folder(card.workspace, "adapter", {"adapter_model.safetensors": b"others"})
    StepOutput.objects.filter(step_run__node="train").update(artifact=other)
    assert settling.settle(SignOff.objects.get()).reasons == [
        "The step “train” was done again and made something else."
    ]


def test_a_spec_that_changed_voids_it(card: Scorecard, reviewer: User) -> None:
    say(card, reviewer)
    PipelineVersion.objects.update(spec={"nodes": [1]})
    assert settling.settle(SignOff.objects.get()).reasons == ["The pipeline's spec changed."]


def test_figures_that_were_tampered_with_void_it(card: Scorecard, reviewer: User) -> None:
    say(card, reviewer)
    card.scores.filter(metric="accuracy", kind="student").update(value=1.0)
    assert settling.settle(SignOff.objects.get()).reasons == ["The figures kept of the report changed."]


@pytest.mark.parametrize("harm", ["gone", "longer", "other bytes"])
def test_weights_that_are_gone_or_changed_on_disk_void_it(card: Scorecard, reviewer: User, harm: str) -> None:
    say(card, reviewer)
    folder = store.folder_of(card.student_sha)
    weights: Path = folder / "adapter_model.safetensors"
    if harm == "gone":
        shutil.rmtree(folder)
    else:
        weights.write_bytes(weights.read_bytes() + b"x" if harm == "longer" else b"WEIGHTS")
    found = settling.settle(SignOff.objects.get())
    assert found.state == "void"
    assert found.reasons[0].startswith(f"Student of the step “train” ({card.student_sha[:8]})")


def test_a_damaged_report_cannot_be_signed(card: Scorecard, reviewer: User) -> None:
    shutil.rmtree(store.folder_of(card.student_sha))
    with pytest.raises(StudioError, match="can't be signed"):
        say(card, reviewer)


def test_a_model_file_made_later_voids_nothing_but_one_that_vanishes_does(card: Scorecard, reviewer: User) -> None:
    run = card.step_run.run
    before = publish_folder(card.workspace, "gguf", {"a.gguf": b"one"}, name="first")
    output = StepOutput.objects.create(step_run=make_step(run, "export", position=2), port="gguf", artifact=before)
    say(card, reviewer)
    later = publish_folder(card.workspace, "gguf", {"b.gguf": b"two"}, name="second")
    StepOutput.objects.create(step_run=make_step(run, "export_again", position=3), port="gguf", artifact=later)
    assert settling.settle(SignOff.objects.get()).state == "approved"
    output.delete()
    assert settling.settle(SignOff.objects.get()).reasons == [f"The model file “first” ({before.sha256[:8]}) is gone."]


def test_nothing_is_void_while_all_is_as_it_was_signed(card: Scorecard, reviewer: User) -> None:
    say(card, reviewer)
    assert settling.settle_all() == 0
    assert settling.settle_all(deep=True) == 0


def test_the_rules_cannot_be_changed_from_an_old_page(card: Scorecard, owner: User) -> None:
    records.change_policy(card.workspace, Policy(approvals=2), by=owner, revision=0)
    with pytest.raises(StudioError, match="Somebody else changed the rules"):
        records.change_policy(card.workspace, Policy(approvals=3), by=owner, revision=0)
    assert SignOffPolicy.objects.get().rules["approvals"] == 2


def test_every_decision_is_in_the_audit_trail(card: Scorecard, reviewer: User, set_rules: Callable[..., None]) -> None:
    say(card, reviewer, reason="Fine.")
    set_rules(approvals=2)
    events = list(AuditEvent.objects.filter(workspace=card.workspace))
    approved = next(e for e in events if e.verb == "approved")
    assert approved.subject == "the report of run 1 of Cards 1"
    assert approved.details["reason"] == "Fine."
    assert approved.details["signed"] == SignOff.objects.get().digest
    voided = next(e for e in events if e.verb == "voided the sign-off of")
    assert (voided.actor, voided.details["was"]) == ("the Studio", "approved")
    assert list(audit.verify(card.workspace)) == []


def test_asking_twice_is_asking_once(card: Scorecard, owner: User, reviewer: User) -> None:
    first = records.ask(card, by=owner)
    assert records.ask(card, by=reviewer).pk == first.pk
    assert SignOff.objects.get().asked_by == owner

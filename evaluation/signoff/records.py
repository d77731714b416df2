"""Sign-offs as records: ask for one, decide, withdraw, and void what no longer holds.

Every change of a workspace's sign-offs happens under a lock of the workspace's row, and so do changes of its rules and its
members: an approval and a change never cross. The state itself is a conditional update on the revision that was read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Max
from django.utils import timezone

from evaluation.models import Decision, Scorecard, SignOff, SignOffPolicy, SignOffState, Verdict
from evaluation.models.signing import LIVE_STATES
from evaluation.signoff import freezing, gates, policy
from evaluation.signoff.policy import Policy
from evaluation.signoff.standing import Standing, Vote, may_decide, weigh
from studio import audit
from studio.lib.canonical import fingerprint
from studio.lib.errors import StudioError
from studio.models import Membership, Workspace

LONGEST_REASON = 4_000
THE_STUDIO = "the Studio"
VERBS = {
    Verdict.APPROVE: "approved",
    Verdict.CHANGES: "requested changes to",
    Verdict.REJECT: "rejected",
}


class Changed(StudioError):
    """What is to be signed is not what the person had in front of him."""

    def __init__(self) -> None:
        super().__init__(
            "The report, what it rests on, or the rules changed after you opened this page. Nothing was recorded.",
            action="Look at it again, then decide.",
        )


def policy_of(workspace: Workspace) -> Policy:
    """The rules that a workspace signs by now."""
    stored = SignOffPolicy.objects.filter(workspace=workspace).first()
    return policy.read(stored.rules) if stored else Policy()  # type: ignore[call-arg]


def newest(card: Scorecard) -> SignOff | None:
    """The report's latest sign-off, or None."""
    return card.sign_offs.order_by("-number").first()


def author_of(card: Scorecard) -> User | None:
    """Who started the run, or set up the schedule that did; None for the command line."""
    run = card.step_run.run
    return run.created_by or (run.schedule.created_by if run.schedule else None)


class Seen(NamedTuple):
    """What a decision would cover now: the rules and the frozen hashes, and a digest of both."""

    policy: Policy
    frozen: dict[str, Any]
    digest: str


def look(card: Scorecard) -> Seen:
    """What is to be signed, as it is now."""
    rules, frozen = policy_of(card.workspace), freezing.freeze(card)
    return Seen(rules, frozen, digest_of(rules.model_dump(mode="json"), frozen))


def digest_of(rules: Any, frozen: Any) -> str:
    """One hash for everything a signature covers."""
    return fingerprint({"policy": rules, "frozen": frozen})


def _lock(card: Scorecard) -> None:
    Workspace.objects.select_for_update().get(pk=card.workspace_id)


def _open(card: Scorecard, seen: Seen, *, asked_by: User | None) -> SignOff:
    number = (card.sign_offs.aggregate(n=Max("number"))["n"] or 0) + 1
    return SignOff.objects.create(
        scorecard=card,
        number=number,
        policy=seen.policy.model_dump(mode="json"),
        asked_by=asked_by,
        asked_at=timezone.now() if asked_by else None,
    )


@transaction.atomic
def ask(card: Scorecard, *, by: User | None) -> SignOff:
    """Ask the team to sign: the report then waits on everybody's Review page. One that is asked for already is returned.

    ``by`` None: a review gate asks. Raises ``StudioError`` for a report that is approved.
    """
    _lock(card)
    found = newest(card)
    if found is not None and found.is_live:
        settle(found)
    if found is not None and found.is_live:
        if found.asked_at is None:
            SignOff.objects.filter(pk=found.pk).update(asked_by=by, asked_at=timezone.now())
            found.refresh_from_db()
        return found
    made = _open(card, look(card), asked_by=by)
    SignOff.objects.filter(pk=made.pk).update(asked_at=timezone.now())
    made.refresh_from_db()
    audit.record(card.workspace, actor=by or "review gate", verb="asked for sign-off of", subject=subject_of(card))
    return made


def decide(
    card: Scorecard, *, user: User, verdict: str, reason: str = "", checked: Sequence[str] = (), seen: str
) -> SignOff:
    """Record what a person says of a report, and bring the sign-off up to date.

    ``seen``: the digest of :func:`look` that was on the page. The same decision twice is one. Raises :class:`Changed` when
    that is not what is there now, and ``StudioError`` for somebody who may not sign, a reason that is missing, or a checklist
    that is not ticked.
    """
    reason = _checked_reason(verdict, reason)
    before = newest(card)
    if before is not None:
        # Outside the transaction: what is void stays so although this decision may be refused.
        settle(before)
    with transaction.atomic():
        _lock(card)
        now = look(card)
        member = _member(card, user, now.policy)
        found = newest(card)
        if found is not None:
            settle(found)
        if found is not None and found.state == SignOffState.REJECTED:
            raise StudioError("This report was rejected.", action="Ask for a new sign-off if that is to be reopened.")
        if seen != now.digest:
            raise Changed
        wrong = freezing.damage(now.frozen)
        if wrong:
            raise StudioError(f"This can't be signed: {wrong[0]}", action="Restore it from a backup, or run it again.")
        if verdict == Verdict.APPROVE:
            _check_list(now.policy, checked)
            _check_gates(card, now.policy)
        if found is None or not found.is_live:
            found = _open(card, now, asked_by=None)
        made = _write(found, member, now, verdict=verdict, reason=reason, checked=checked)
        if made is not None:
            _advance(found)
            audit.record(
                card.workspace,
                actor=user,
                verb=VERBS[Verdict(verdict)],
                subject=subject_of(card),
                details={
                    "sign_off": found.number,
                    "decision": made.number,
                    "reason": reason,
                    "signed": made.digest,
                    "policy": now.policy.digest(),
                    "report": now.frozen["report"],
                    "weights": now.frozen["weights"],
                    "spec": now.frozen["spec"]["digest"],
                    "state": found.state,
                },
            )
    _tell_gates(card)
    return found


def _checked_reason(verdict: str, reason: str) -> str:
    if verdict not in Verdict.values:
        raise StudioError(f"“{verdict}” is not a decision.", action="Approve, request changes, or reject.")
    reason = reason.strip()
    if len(reason) > LONGEST_REASON:
        raise StudioError(
            f"The reason has {len(reason):,} characters; at most {LONGEST_REASON:,} are kept.", action="Shorten it."
        )
    if verdict != Verdict.APPROVE and not reason:
        raise StudioError("Say why, so that the author knows what to change.", action="Type a reason.")
    return reason


def _member(card: Scorecard, user: User, rules: Policy) -> Membership:
    member = Membership.objects.select_related("user").filter(workspace=card.workspace_id, user=user).first()
    if member is None or not may_decide(member.role, rules):
        raise StudioError(
            f"Signing needs the role '{rules.least_role}' here.",
            action="Ask an owner to change your role or the rules.",
        )
    return member


def _check_list(rules: Policy, checked: Sequence[str]) -> None:
    left = [item for item in rules.checklist if item not in checked]
    if left:
        raise StudioError(
            f"Not ticked yet: {'; '.join(left)}.", action="Tick each item of the checklist, then approve."
        )


def _check_gates(card: Scorecard, rules: Policy) -> None:
    """A signature covers only what was there: nobody approves ahead of a gate."""
    closed = [gate for gate in gates.check(card, rules) if not gate.ok and gate.name != "comments"]
    if closed:
        raise StudioError(
            f"A gate is closed, so this can't be approved: {closed[0].label}. {closed[0].text}",
            action="Request changes, or ask an owner whether the rules fit this report.",
        )


def _write(
    found: SignOff, member: Membership, now: Seen, *, verdict: str, reason: str, checked: Sequence[str]
) -> Decision | None:
    """The decision's record, or None when this very decision is there already."""
    before = found.decisions.filter(user=member.user, current=True).first()
    if before and (before.verdict, before.reason, before.digest) == (verdict, reason, now.digest):
        return None
    if not found.digest:
        found.frozen, found.digest, found.policy = now.frozen, now.digest, now.policy.model_dump(mode="json")
        found.save(update_fields=["frozen", "digest", "policy"])
    found.decisions.filter(user=member.user, current=True).update(current=False)
    author = author_of(found.scorecard)
    return Decision.objects.create(
        sign_off=found,
        number=(found.decisions.aggregate(n=Max("number"))["n"] or 0) + 1,
        user=member.user,
        name=member.user.get_username(),
        role=member.role,
        is_author=author is not None and author.pk == member.user_id,
        verdict=verdict,
        reason=reason,
        checked=[item for item in now.policy.checklist if item in checked],
        digest=now.digest,
        frozen=now.frozen,
        at=timezone.now(),
    )


def withdraw(card: Scorecard, *, user: User, reason: str = "") -> SignOff:
    """Take one's decision back; it stays in the record, marked. Raises ``StudioError`` when there is none, or after the end."""
    with transaction.atomic():
        _lock(card)
        found = newest(card)
        mine = found.decisions.filter(user=user, current=True).first() if found else None
        if found is None or mine is None:
            raise StudioError(
                "You have no decision here to withdraw.", action="Open the report to see where it stands."
            )
        settle(found)
        if not found.is_live:
            raise StudioError(
                f"This sign-off is {found.get_state_display().lower()}; what was said stays as it is.",
                action="Ask for a new sign-off.",
            )
        why = reason.strip()[:LONGEST_REASON]
        Decision.objects.filter(pk=mine.pk, current=True).update(
            current=False, withdrawn_at=timezone.now(), withdrawn_why=why
        )
        _advance(found)
        audit.record(
            card.workspace,
            actor=user,
            verb=f"withdrew “{mine.get_verdict_display().lower()}” of",
            subject=subject_of(card),
            details={"sign_off": found.number, "decision": mine.number, "reason": why, "state": found.state},
        )
    return found


def rules_of(found: SignOff) -> Policy:
    """The rules a sign-off goes by: its own copy from the first decision on, the workspace's before."""
    return policy.read(found.policy) if found.digest else policy_of(found.scorecard.workspace)


def roles_of(workspace_id: Any) -> dict[Any, str]:
    """User → present role, of everybody in the workspace."""
    return dict(Membership.objects.filter(workspace=workspace_id, user__is_active=True).values_list("user_id", "role"))


def stand(found: SignOff) -> tuple[Standing, list[gates.Gate]]:
    """Where a sign-off stands by its own copy of the rules, and its gates as they are now."""
    rules = rules_of(found)
    roles = roles_of(found.scorecard.workspace_id)
    checked = gates.check(found.scorecard, rules)
    votes = [
        Vote(d.name, roles.get(d.user_id, ""), d.verdict, d.is_author) for d in found.decisions.filter(current=True)
    ]
    able = [str(user) for user, role in roles.items() if may_decide(role, rules)]
    closed = [f"{gate.label}: {gate.text}" for gate in checked if not gate.ok]
    return weigh(rules, votes, able=able, closed=closed), checked


def _advance(found: SignOff) -> None:
    """Write the state that the decisions come to."""
    standing, checked = stand(found)
    ended = standing.state != SignOffState.OPEN
    _move(
        found,
        state=standing.state,
        alone=standing.alone,
        gates=[gate.as_dict() for gate in checked] if ended else [],
        settled_at=timezone.now() if ended else None,
    )


def _move(found: SignOff, **values: Any) -> None:
    moved = SignOff.objects.filter(pk=found.pk, revision=found.revision, state__in=LIVE_STATES)
    if not moved.update(**values, revision=F("revision") + 1):
        raise Changed
    found.refresh_from_db()


def reasons_to_void(found: SignOff, *, deep: bool = False) -> list[str]:
    """Why what was signed no longer holds; empty while it does."""
    if not found.digest:
        return []
    card = found.scorecard
    found_out = freezing.changes(found.frozen, freezing.freeze(card)) + freezing.damage(found.frozen, deep=deep)
    if card.replaced_at is not None:
        found_out.insert(0, "The evaluation was done again; this is the report of an earlier attempt.")
    rules = policy_of(card.workspace)
    if rules.model_dump(mode="json") != policy.read(found.policy).model_dump(mode="json"):
        found_out.append("The workspace's rules for signing changed.")
    if found.state == SignOffState.APPROVED:
        found_out += _reasons_in_people(found, rules)
        if not found_out:
            found_out += [
                f"A gate closed: {gate.label} ({gate.text})." for gate in gates.check(card, rules) if not gate.ok
            ]
    return found_out


def _reasons_in_people(found: SignOff, rules: Policy) -> list[str]:
    roles = roles_of(found.scorecard.workspace_id)
    reasons = []
    for decision in found.decisions.filter(current=True, verdict=Verdict.APPROVE):
        role = roles.get(decision.user_id)
        if role is None:
            reasons.append(f"{decision.name}, who approved it, is no longer in the team.")
        elif not may_decide(role, rules):
            reasons.append(f"{decision.name}, who approved it, is {role} now and may not sign.")
    return reasons


def settle(found: SignOff, *, deep: bool = False) -> SignOff:
    """Void a sign-off whose subject, rules or signers changed; nothing happens while all is as it was signed."""
    if not found.is_live:
        return found
    reasons = reasons_to_void(found, deep=deep)
    if not reasons:
        return found
    with transaction.atomic():
        _lock(found.scorecard)
        moved = SignOff.objects.filter(pk=found.pk, revision=found.revision, state__in=LIVE_STATES).update(
            state=SignOffState.VOID, reasons=reasons, settled_at=timezone.now(), revision=F("revision") + 1
        )
        if moved:
            audit.record(
                found.scorecard.workspace,
                actor=THE_STUDIO,
                verb="voided the sign-off of",
                subject=subject_of(found.scorecard),
                details={"sign_off": found.number, "was": found.state, "reasons": reasons},
            )
    found.refresh_from_db()
    return found


def settle_all(*, workspace: Workspace | None = None, deep: bool = False) -> int:
    """Look at every sign-off that is not at its end; returns how many were voided."""
    live = SignOff.objects.filter(state__in=LIVE_STATES).exclude(digest="")
    if workspace is not None:
        live = live.filter(scorecard__workspace=workspace)
    known = live.select_related(
        "scorecard__workspace", "scorecard__report", "scorecard__step_run__run__version__pipeline"
    )
    return sum(settle(found, deep=deep).state == SignOffState.VOID for found in known)


def people_changed(workspace: Workspace) -> None:
    """After somebody left, came or got another role: void what they had approved, and weigh the rest anew."""
    settle_all(workspace=workspace)
    live = SignOff.objects.filter(scorecard__workspace=workspace, state__in=LIVE_STATES).exclude(digest="")
    for found in live.select_related("scorecard__workspace", "scorecard__step_run__run__version__pipeline"):
        was = found.state
        if stand(found)[0].state != was:
            _advance(found)
            audit.record(
                workspace,
                actor=THE_STUDIO,
                verb="weighed anew the sign-off of",
                subject=subject_of(found.scorecard),
                details={"sign_off": found.number, "was": was, "state": found.state},
            )
            _tell_gates(found.scorecard)


@transaction.atomic
def change_policy(workspace: Workspace, rules: Policy, *, by: User, revision: int) -> None:
    """Put other rules in force; sign-offs by the old ones become void.

    ``revision``: the one that was on the page (0: the defaults). Raises ``StudioError`` when somebody else changed them
    meanwhile.
    """
    Workspace.objects.select_for_update().get(pk=workspace.pk)
    stored = SignOffPolicy.objects.filter(workspace=workspace).first()
    before = policy.read(stored.rules) if stored else Policy()  # type: ignore[call-arg]
    if (stored.revision if stored else 0) != revision:
        raise StudioError("Somebody else changed the rules meanwhile.", action="Look at them again, then change them.")
    if before == rules:
        return
    values = {"rules": rules.model_dump(mode="json"), "changed_by": by, "revision": revision + 1}
    SignOffPolicy.objects.update_or_create(workspace=workspace, defaults=values)
    new = rules.model_dump(mode="json")
    old = before.model_dump(mode="json")
    audit.record(
        workspace,
        actor=by,
        verb="changed",
        subject="the rules for signing",
        details={
            "from": {k: old[k] for k in old if old[k] != new[k]},
            "to": {k: new[k] for k in new if old[k] != new[k]},
        },
    )
    settle_all(workspace=workspace)


def subject_of(card: Scorecard) -> str:
    """A report as the audit trail names it."""
    run = card.step_run.run
    return f"the report of run {run.number} of {run.version.pipeline}"


def _tell_gates(card: Scorecard) -> None:
    from evaluation.signoff.waiting import resume_gates

    resume_gates(card.workspace_id)

"""Sign-offs as records: ask for one, decide, withdraw, and change the rules.

Every change of a workspace's sign-offs happens under a lock of the workspace's row, and so do changes of its rules and its
members: an approval and a change never cross. The state itself is a conditional update on the revision that was read.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from evaluation.models import Decision, Scorecard, SignOff, SignOffPolicy, SignOffState, Verdict
from evaluation.signoff import freezing, gates, policy
from evaluation.signoff.policy import Policy
from evaluation.signoff.reading import Seen, author_of, look, newest, subject_of
from evaluation.signoff.settling import Changed, advance, lock, settle, settle_all, tell_gates
from evaluation.signoff.standing import may_decide
from studio import audit
from studio.lib.errors import StudioError
from studio.models import Membership, Workspace

LONGEST_REASON = 4_000
VERBS = {
    Verdict.APPROVE: "approved",
    Verdict.CHANGES: "requested changes to",
    Verdict.REJECT: "rejected",
}


def _open(card: Scorecard, seen: Seen, *, asked_by: User | None) -> SignOff:
    number = (card.sign_offs.aggregate(n=Max("number"))["n"] or 0) + 1
    return SignOff.objects.create(
        scorecard=card,
        number=number,
        policy=seen.policy.stored(),
        asked_by=asked_by,
        asked_at=timezone.now() if asked_by else None,
    )


@transaction.atomic
def ask(card: Scorecard, *, by: User | None) -> SignOff:
    """Ask the team to sign: the report then waits on everybody's Review page. One that is asked for already is returned.

    ``by`` None: a review gate asks. Raises ``StudioError`` for a report that is approved.
    """
    lock(card)
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
        lock(card)
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
            advance(found)
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
    tell_gates(card)
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
        found.frozen, found.digest, found.policy = now.frozen, now.digest, now.policy.stored()
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
        lock(card)
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
        advance(found)
        audit.record(
            card.workspace,
            actor=user,
            verb=f"withdrew “{mine.get_verdict_display().lower()}” of",
            subject=subject_of(card),
            details={"sign_off": found.number, "decision": mine.number, "reason": why, "state": found.state},
        )
    return found


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

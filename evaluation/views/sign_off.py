"""The sign-off of a report: its page, decisions, and the workspace's rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from pydantic import ValidationError

from evaluation.figures.metric_names import Named, judging, own_of
from evaluation.models import Scorecard, SignOffPolicy
from evaluation.signoff import freezing, policy, reading, records
from evaluation.signoff.box import box_for
from evaluation.signoff.policy import Policy
from evaluation.views.evaluations import find
from studio.access import WorkspaceRequest, role_required
from studio.lib.errors import StudioError
from studio.lib.params import problems
from studio.models import Role, Workspace


@require_safe
@role_required("viewer")
def show(request: WorkspaceRequest, pk: UUID) -> HttpResponseBase:
    """The sign-off by itself: the box, every round with what was signed, and the rules."""
    return _page(request, find(request, pk))


def _page(request: WorkspaceRequest, card: Scorecard, *, status: int = 200, **more: Any) -> HttpResponse:
    box = box_for(card, request.membership)
    frozen = box.sign_off.frozen if box.sign_off and box.sign_off.frozen else reading.look(card).frozen
    context = {
        "card": card,
        "run": card.step_run.run,
        "box": box,
        "rounds": card.sign_offs.prefetch_related("decisions"),
        "hashes": freezing.hashes(frozen),
        "spec_digest": frozen["spec"]["digest"],
        "is_signed": bool(box.sign_off and box.sign_off.digest),
        "on_own_page": True,
        **more,
    }
    return render(request, "evaluation/sign_off.html", context, status=status)


@require_POST
@role_required("reviewer")
def decide(request: WorkspaceRequest, pk: UUID) -> HttpResponseBase:
    """Approve, request changes or reject."""
    card = find(request, pk)
    given = request.POST
    try:
        found = records.decide(
            card,
            user=cast(User, request.user),
            verdict=given.get("verdict", ""),
            reason=given.get("reason", ""),
            checked=given.getlist("checked"),
            seen=given.get("seen", ""),
        )
    except StudioError as error:
        typed = {"reason": given.get("reason", ""), "ticked": given.getlist("checked")}
        return _page(request, card, status=422, problem=error, **typed)
    messages.success(request, f"Recorded. Sign-off: {found.get_state_display().lower()}.")
    return _back(request, card)


@require_POST
@role_required("reviewer")
def withdraw(request: WorkspaceRequest, pk: UUID) -> HttpResponseBase:
    """Take one's decision back."""
    card = find(request, pk)
    try:
        records.withdraw(card, user=cast(User, request.user), reason=request.POST.get("reason", ""))
    except StudioError as error:
        return _page(request, card, status=422, problem=error)
    messages.success(request, "Your decision is withdrawn; the record keeps it, marked.")
    return _back(request, card)


@require_POST
@role_required("reviewer")
def ask(request: WorkspaceRequest, pk: UUID) -> HttpResponseBase:
    """Ask the team to sign."""
    card = find(request, pk)
    records.ask(card, by=cast(User, request.user))
    messages.success(request, "The report waits on the Review page of everybody who may sign.")
    return _back(request, card)


def _back(request: WorkspaceRequest, card: Scorecard) -> HttpResponse:
    if request.POST.get("from") == "page":
        return redirect("sign_off", request.workspace.slug, card.pk)
    return redirect(f"{card.get_absolute_url()}#sign-off")


FLAGS = ("non_inferior", "parity", "no_leakage", "comments_resolved", "judge_health")
LOOKED_AT = 50
"""Newest evaluations whose own metrics a rule can be about."""


def proportions_of(workspace: Workspace, present: Policy) -> dict[str, Named]:
    """Every metric that a least score can be set for: the Studio's, those of one's own in the newest evaluations, and those
    that the present rules name."""
    newest = Scorecard.objects.filter(workspace=workspace).order_by("-created_at")
    found = judging(own_of(newest.values_list("own_metrics", flat=True)[:LOOKED_AT]))
    return found | {name: Named(name, "%", True, True) for name in present.minimums if name not in found}


class PolicyForm(forms.Form):
    """The rules as a form. Minimums are in the metric's unit: percent, or a plain number."""

    approvals = forms.IntegerField(
        min_value=1, max_value=10, label="Approvals", help_text="How many people must approve."
    )
    least_role = forms.ChoiceField(
        choices=[("reviewer", "Reviewers, editors and owners"), ("editor", "Editors and owners"), ("owner", "Owners")],
        label="Who may sign",
    )
    from_editors = forms.IntegerField(
        min_value=0, max_value=10, required=False, label="Of them by editors or owners", help_text="0: no matter who."
    )
    from_owners = forms.IntegerField(
        min_value=0, max_value=10, required=False, label="Of them by owners", help_text="0: no matter who."
    )
    alone = forms.BooleanField(
        required=False,
        label="Allow signing alone",
        help_text="Where only one person may sign, that person's approval is enough, and the report says “signed alone”.",
    )
    checklist = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        label="Checklist",
        help_text="One item a line; whoever approves ticks each.",
    )
    non_inferior = forms.BooleanField(
        required=False,
        label="The verdict is “within the accepted loss”",
        help_text="The student is shown to lose no more than the accepted loss.",
    )
    parity = forms.BooleanField(
        required=False,
        label="Model files replayed",
        help_text="There is a GGUF export, and each answers the held-out rows as the student does.",
    )
    no_leakage = forms.BooleanField(
        required=False,
        label="No held-out row in training",
        help_text="A leakage guard compared the training rows with the held-out rows in the run.",
    )
    comments_resolved = forms.BooleanField(
        required=False, label="Comments resolved", help_text="No thread on the report or its rows is open."
    )
    judge_grade = forms.FloatField(
        min_value=0,
        max_value=100,
        required=False,
        label="Judge's mean grade",
        help_text="At least, % of the scale: 4 of 5 is 75 %; by pass or fail the share that passes.",
    )
    judge_wins = forms.FloatField(
        min_value=0,
        max_value=100,
        required=False,
        label="Judge prefers it to the teacher",
        help_text="At least, % of the pairs, ties half. 50 % is as good as the teacher.",
    )
    judge_health = forms.BooleanField(
        required=False,
        label="The judge agrees with people",
        help_text="Where people graded answers by its rubric: kappa 0.40 or more on 30 or more of them.",
    )
    by_interval = forms.BooleanField(
        required=False,
        label="Minimums hold for the lower end of the interval",
        help_text="Stricter: the student is that good even with bad luck in the rows.",
    )
    revision = forms.IntegerField(min_value=0, widget=forms.HiddenInput)

    def __init__(self, *args: Any, proportions: Mapping[str, Named], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.proportions = proportions
        for name, metric in proportions.items():
            top = 100 if metric.unit == "%" else 1
            self.fields[f"minimum_{name}"] = forms.FloatField(
                min_value=0,
                max_value=top,
                required=False,
                label=metric.label,
                help_text=("at most, " if metric.higher_is_better is False else "") + ("%" if top == 100 else "0 to 1"),
            )

    def minimums(self) -> list[forms.BoundField]:
        """The fields of the least scores."""
        return [self[f"minimum_{name}"] for name in self.proportions]

    def people(self) -> list[forms.BoundField]:
        """The fields about who signs."""
        return [self[name] for name in ("approvals", "least_role", "from_editors", "from_owners", "alone", "checklist")]

    def judging(self) -> list[forms.BoundField]:
        """The least figures of a judge."""
        return [self[name] for name in ("judge_grade", "judge_wins")]

    def gates(self) -> list[forms.BoundField]:
        """The fields of the other gates."""
        return [self[name] for name in ("non_inferior", "parity", "no_leakage", "comments_resolved", "judge_health")]

    def rules(self) -> Policy:
        """The rules that were typed. Raises ``ValidationError`` of pydantic."""
        given = self.cleaned_data
        minimums = {
            name: given[f"minimum_{name}"] / (100 if metric.unit == "%" else 1)
            for name, metric in self.proportions.items()
            if given[f"minimum_{name}"] is not None
        }
        plain = {name: given[name] for name in ("approvals", "least_role", "alone", "by_interval")}
        return Policy(
            **plain,
            **{name: given[name] for name in FLAGS},
            judge_grade=_share(given["judge_grade"]),
            judge_wins=_share(given["judge_wins"]),
            from_editors=given["from_editors"] or 0,
            from_owners=given["from_owners"] or 0,
            checklist=tuple(line.strip() for line in given["checklist"].splitlines() if line.strip()),
            minimums=minimums,
        )


def _share(percent: float | None) -> float | None:
    return None if percent is None else percent / 100


def initial_of(rules: Policy, revision: int, proportions: Mapping[str, Named]) -> dict[str, Any]:
    """The rules as the form shows them."""
    least = {
        f"minimum_{name}": round(value * 100, 6) if proportions[name].unit == "%" else value
        for name, value in rules.minimums.items()
        if name in proportions
    }
    plain = rules.model_dump(mode="json", exclude={"minimums", "checklist"})
    for name in ("judge_grade", "judge_wins"):
        plain[name] = None if plain[name] is None else round(plain[name] * 100, 6)
    return {**plain, **least, "checklist": "\n".join(rules.checklist), "revision": revision}


@require_http_methods(["GET", "POST"])
@role_required("viewer")
def rules(request: WorkspaceRequest) -> HttpResponseBase:
    """The workspace's rules for signing: everybody sees them, owners change them."""
    if request.method == "POST" and not request.membership.at_least(Role.OWNER):
        raise PermissionDenied("Only an owner can change the rules for signing. Ask one.")
    stored = SignOffPolicy.objects.filter(workspace=request.workspace).select_related("changed_by").first()
    present = reading.policy_of(request.workspace)
    proportions = proportions_of(request.workspace, present)
    form = PolicyForm(
        request.POST or None,
        initial=initial_of(present, stored.revision if stored else 0, proportions),
        proportions=proportions,
    )
    if request.method == "POST" and form.is_valid() and _change(request, form):
        messages.success(request, "The rules are changed. What was signed by the old ones is void.")
        return redirect("sign_off_rules", request.workspace.slug)
    minimums = [
        {"label": proportions[name].label, "least": least, "lower": proportions[name].higher_is_better is False}
        for name, least in present.minimums.items()
    ]
    context = {
        "form": form,
        "minimums": minimums,
        "lines": policy.describe(present),
        "present": present,
        "stored": stored,
        "tab": "sign_off",
    }
    return render(request, "evaluation/sign_off_rules.html", context, status=422 if form.errors else 200)


def _change(request: WorkspaceRequest, form: PolicyForm) -> bool:
    """Put the typed rules in force; what is wrong is written into the form."""
    try:
        wanted = form.rules()
        records.change_policy(
            request.workspace, wanted, by=cast(User, request.user), revision=form.cleaned_data["revision"]
        )
    except ValidationError as error:
        for _, problem in problems(error):
            form.add_error(None, problem)
    except StudioError as error:
        form.add_error(None, f"{error} {error.action}")
    return not form.errors

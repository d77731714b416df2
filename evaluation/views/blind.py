"""Blind review: the list with the form that begins one, a review's page, and the desk of somebody who judges."""

from __future__ import annotations

import secrets
from typing import Any, cast
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from evaluation.blind import rounds
from evaluation.blind.show import people_of, shown
from evaluation.boards.tables import open_items
from evaluation.models import BlindReview, BlindTask, Scorecard
from evaluation.models.blind import BlindKind, BlindPlan
from evaluation.report.scorecards import read_report
from evaluation.views.evaluations import find
from studio.access import WorkspaceRequest, role_required
from studio.lib.errors import StudioError
from studio.models import Membership, Role


class StartForm(forms.Form):
    """What is judged, on which rows, by whom."""

    kind = forms.ChoiceField(choices=BlindKind.choices, label="What is asked")
    first = forms.ChoiceField(label="Compare")
    second = forms.ChoiceField(label="with")
    plan = forms.ChoiceField(
        choices=BlindPlan.choices,
        label="Rows",
        help_text="Where both gave the same answer it is a tie, and nobody is asked. Drawing only differing rows makes most of "
        "people's time; the score for all rows is reckoned from it.",
    )
    rows = forms.IntegerField(min_value=1, max_value=rounds.MOST_ROWS, initial=50, label="How many")
    per_row = forms.IntegerField(min_value=1, max_value=rounds.MOST_PER_ROW, initial=2, label="People a row")
    criteria = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        label="Criteria",
        help_text="For ratings: one a line, such as right, clear, polite.",
    )
    people = forms.ModelMultipleChoiceField(
        queryset=User.objects.none(), widget=forms.CheckboxSelectMultiple, label="Who judges"
    )

    def __init__(self, *args: Any, card: Scorecard, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        report = read_report(card.report)
        names = [(c["name"], c["label"]) for c in report["candidates"] if c["asked"]]
        kinds = {c["kind"]: c["name"] for c in reversed(report["candidates"])}
        for field, kind in (("first", "student"), ("second", "teacher")):
            cast(forms.ChoiceField, self.fields[field]).choices = names
            self.fields[field].initial = kinds.get(kind)
        may = Membership.objects.filter(workspace=card.workspace_id, user__is_active=True).exclude(role=Role.VIEWER)
        people = cast("forms.ModelMultipleChoiceField[User]", self.fields["people"])
        people.queryset = User.objects.filter(pk__in=may.values("user")).order_by("username")
        self.fields["people"].initial = list(people.queryset)


@require_safe
@role_required("viewer")
def index(request: WorkspaceRequest, pk: UUID) -> HttpResponseBase:
    """The report's blind reviews, and for editors the form that begins one."""
    card = find(request, pk)
    return _index(request, card, StartForm(card=card))


def _index(request: WorkspaceRequest, card: Scorecard, form: StartForm, *, status: int = 200) -> HttpResponse:
    known = card.blind_reviews.prefetch_related("seats")
    reviews = [(review, rounds.tasks_of(review, request.user).filter(choice="").count()) for review in known]
    context = {"card": card, "run": card.step_run.run, "reviews": reviews, "form": form}
    return render(request, "evaluation/blind_reviews.html", context, status=status)


@require_POST
@role_required("editor")
def start(request: WorkspaceRequest, pk: UUID) -> HttpResponseBase:
    """Begin one."""
    card = find(request, pk)
    form = StartForm(request.POST, card=card)
    if form.is_valid():
        given = form.cleaned_data
        try:
            review = rounds.start(
                card,
                kind=given["kind"],
                plan=given["plan"],
                sources=[given["first"], given["second"]],
                criteria=list(dict.fromkeys(c.strip()[:60] for c in given["criteria"].splitlines() if c.strip())),
                rows=given["rows"],
                per_row=given["per_row"],
                seed=secrets.randbelow(2**31),
                people=list(given["people"]),
                by=cast(User, request.user),
            )
        except StudioError as error:
            form.add_error(None, f"{error} {error.action}")
        else:
            return redirect(review)
    return _index(request, card, form, status=422)


def get_review(request: WorkspaceRequest, pk: UUID, number: int) -> BlindReview:
    """A blind review of a report of this workspace, or 404."""
    known = BlindReview.objects.select_related("scorecard__workspace", "scorecard__step_run__run__version__pipeline")
    return get_object_or_404(known, scorecard=find(request, pk), number=number)


@require_safe
@role_required("viewer")
def show(request: WorkspaceRequest, pk: UUID, number: int) -> HttpResponseBase:
    """How far everybody is; once it is closed, what it came to."""
    review = get_review(request, pk, number)
    context = {
        "card": review.scorecard,
        "run": review.scorecard.step_run.run,
        "review": review,
        "people": people_of(review),
        "mine": rounds.tasks_of(review, request.user).filter(choice="").count() if review.is_open else 0,
        "blind": [] if review.is_open else [shown(review)],
    }
    return render(request, "evaluation/blind_review.html", context)


@require_POST
@role_required("editor")
def close(request: WorkspaceRequest, pk: UUID, number: int) -> HttpResponseBase:
    """End it and show what it came to."""
    review = get_review(request, pk, number)
    try:
        rounds.close(review, by=cast(User, request.user))
    except StudioError as error:
        messages.error(request, f"{error} {error.action}")
    else:
        messages.success(request, "Closed. The result stands in the report.")
    return redirect(review)


@require_safe
@role_required("reviewer")
def desk(request: WorkspaceRequest, pk: UUID, number: int) -> HttpResponseBase:
    """One item at a time: the next one that waits for this person."""
    return _desk(request, get_review(request, pk, number))


def _desk(request: WorkspaceRequest, review: BlindReview, *, problem: StudioError | None = None) -> HttpResponse:
    tasks = rounds.tasks_of(review, request.user)
    total = tasks.count()
    if not total:
        raise Http404("You have no answers to judge here.")
    task = tasks.filter(choice="").first() if review.is_open else None
    context: dict[str, Any] = {
        "card": review.scorecard,
        "run": review.scorecard.step_run.run,
        "review": review,
        "task": task,
        "done": tasks.exclude(choice="").count(),
        "total": total,
        "last": tasks.exclude(choice="").order_by("-judged_at", "-pk").first() if review.is_open else None,
        "problem": problem,
        **(_answers(review, task) if task is not None else {}),
    }
    return render(request, "evaluation/blind_desk.html", context, status=422 if problem else 200)


def _answers(review: BlindReview, task: BlindTask) -> dict[str, Any]:
    """The row and its answers, in this person's order. No name of a source is among them."""
    row = open_items(review.scorecard).row(task.item.rid)
    if row is None:
        raise Http404("This row is not in the report.")
    names = [task.item.source] if task.item.source else list(review.sources)
    if task.swapped and len(names) == 2:
        names.reverse()
    return {"prompt": row.prompt, "answers": [row.by_name[name].text or "" for name in names]}


@require_POST
@role_required("reviewer")
def vote(request: WorkspaceRequest, pk: UUID, number: int, task: int) -> HttpResponseBase:
    """Record a vote and show the next item."""
    review = get_review(request, pk, number)
    mine = get_object_or_404(rounds.tasks_of(review, request.user), pk=task)
    try:
        rounds.vote(
            mine, choice=request.POST.get("choice", ""), scores=request.POST.dict(), revision=_revision(request)
        )
    except StudioError as error:
        return _desk(request, review, problem=error)
    return redirect("blind_desk", request.workspace.slug, pk, number)


@require_POST
@role_required("reviewer")
def undo(request: WorkspaceRequest, pk: UUID, number: int, task: int) -> HttpResponseBase:
    """Open the item again that was judged last."""
    review = get_review(request, pk, number)
    mine = get_object_or_404(rounds.tasks_of(review, request.user), pk=task)
    try:
        rounds.take_back(mine, revision=_revision(request))
    except StudioError as error:
        return _desk(request, review, problem=error)
    return redirect("blind_desk", request.workspace.slug, pk, number)


def _revision(request: WorkspaceRequest) -> int:
    text = request.POST.get("revision", "")
    return int(text) if text.isdecimal() and len(text) < 9 else -1

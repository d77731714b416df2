"""Review rounds of a dataset: the list with the form that begins one, and a round's progress, agreement and differences."""

from __future__ import annotations

from typing import Any, NamedTuple

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from studio.access import WorkspaceRequest, role_required
from studio.lib.errors import StudioError
from vault.agreement import Share, rows_needed
from vault.browse_form import FilterForm
from vault.models import DatasetVersion, ReviewItem, ReviewRound, ReviewTask
from vault.models.reviews import Order
from vault.query import RowTable
from vault.reviewing import outcomes, rounds, verdicts
from vault.rows import Row
from vault.views.lookup import get_version, table_of

MARGINS = (1, 2, 3, 5, 10)
DIFFERENCES_SHOWN = 20
LEAST_ROWS = 10
"""Judged rows from which on their own share is planned with; before, half is: the widest case."""
RATED = ("accept", "edit", "reject")


class StartForm(forms.Form):
    """What a new round looks at, in which order, and who does it."""

    title = forms.CharField(max_length=120, required=False, label="Title", help_text="Left empty, it has a number.")
    order = forms.ChoiceField(
        choices=Order.choices,
        initial=Order.WORTH,
        label="Which rows first",
        help_text="Most worth a look: samples or judge disagree, answer is not the reference, the student was unsure, the "
        "profile flagged it; near-copies count once. A random sample tells how many rows of the whole are wrong.",
    )
    rows = forms.IntegerField(min_value=1, max_value=rounds.MOST_ROWS, initial=100, label="Rows")
    per_row = forms.IntegerField(
        min_value=1,
        max_value=rounds.MOST_PER_ROW,
        initial=1,
        label="Reviewers a row",
        help_text="With two or more, the Studio measures how far they agree. They don't see each other's verdicts until they are done.",
    )
    people = forms.ModelMultipleChoiceField(
        queryset=User.objects.none(), widget=forms.CheckboxSelectMultiple, label="Reviewers"
    )
    query = forms.CharField(required=False, max_length=4_000, widget=forms.HiddenInput)

    def __init__(self, *args: Any, people: list[User], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["people"]
        assert isinstance(field, forms.ModelMultipleChoiceField)
        field.queryset = User.objects.filter(pk__in=[user.pk for user in people]).order_by("username")


@role_required("viewer")
@require_safe
def index(request: WorkspaceRequest, slug: str, number: int) -> HttpResponse:
    """The dataset's rounds; with a filter in the address, the form begins a round over those rows."""
    version = get_version(request, slug, number)
    people = rounds.reviewers(request.workspace)
    initial = {"query": request.GET.urlencode(), "people": [user.pk for user in people]}
    return _index(request, version, StartForm(people=people, initial=initial), status=200)


def _index(request: WorkspaceRequest, version: DatasetVersion, form: StartForm, *, status: int) -> HttpResponse:
    judged = Count("items__tasks", filter=~Q(items__tasks__answer=""))
    listed = version.dataset.rounds.select_related("version", "created_by", "dataset__workspace").annotate(
        tasks=Count("items__tasks"), judged=judged
    )
    mine = dict(
        ReviewTask.objects.filter(seat__user=request.user.pk, seat__round__dataset=version.dataset, answer="")
        .values_list("seat__round")
        .annotate(n=Count("pk"))
    )
    query = str(form["query"].value() or "")
    context = {
        "version": version,
        "dataset": version.dataset,
        "tab": "review",
        "rounds": [(review, mine.get(review.pk, 0) if review.is_open else 0) for review in listed],
        "form": form,
        "query": query,
        "filtered": _filtered(version, query, user=request.user) if query else None,
        "people_count": len(form.fields["people"].queryset),  # type: ignore[attr-defined]
    }
    return render(request, "vault/review_rounds.html", context, status=status)


def _filtered(version: DatasetVersion, query: str, *, user: Any) -> int | None:
    """How many rows the filter leaves; None when it does not filter or can't be answered."""
    if not FilterForm(QueryDict(query)).wanted().active:
        return None
    try:
        return len(rounds.rows_under(version, query, user=user))
    except StudioError:
        return None


@role_required("editor")
@require_POST
def start(request: WorkspaceRequest, slug: str, number: int) -> HttpResponse:
    """Begin a round and open its page."""
    version = get_version(request, slug, number)
    people = rounds.reviewers(request.workspace)
    form = StartForm(request.POST, people=people)
    if form.is_valid():
        values = dict(form.cleaned_data) | {"people": list(form.cleaned_data["people"])}
        try:
            review = rounds.start(version, **values, by=_user(request))
        except StudioError as error:
            form.add_error(None, f"{error} {error.action}")
        else:
            return redirect(review)
    return _index(request, version, form, status=422)


def _user(request: WorkspaceRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def get_round(request: WorkspaceRequest, slug: str, number: int) -> ReviewRound:
    """A round of one of the workspace's datasets, or 404."""
    known = ReviewRound.objects.select_related("dataset__workspace", "version__artifact", "version__dataset__workspace")
    return get_object_or_404(known, dataset__workspace=request.workspace, dataset__slug=slug, number=number)


class Person(NamedTuple):
    """One reviewer's progress. Counts only: what he said is not told."""

    name: str
    done: int
    total: int
    skipped: int
    here: bool


def people_of(review: ReviewRound) -> list[Person]:
    """Everybody with a seat, and how far they are."""
    seats = review.seats.select_related("user", "round__dataset").annotate(
        total=Count("tasks"),
        done=Count("tasks", filter=~Q(tasks__answer="")),
        skipped=Count("tasks", filter=Q(tasks__answer="skip")),
    )
    return [Person(seat.name, seat.done, seat.total, seat.skipped, verdicts.may_review(seat)) for seat in seats]


class Sampling(NamedTuple):
    """What the verdicts so far say of all rows, and how many more are needed for ``margin`` (0..1)."""

    rate: Share | None
    margin: int
    needed: int
    more: int


def sampling_of(review: ReviewRound, *, margin: int, only: Any = None) -> Sampling:
    """The error rate by everybody's verdicts, or by those of one person (for somebody who is blind to the others)."""
    rows = (judged for _, judged in verdicts.judged_rows(review, only=only))
    rate = outcomes.error_rate(rows, population=review.population)
    share = rate.value if rate is not None and rate.n >= LEAST_ROWS else 0.5
    needed = rows_needed(margin / 100, population=review.population, share=share)
    # How many rows others have judged tells nobody what they said.
    judged = review.items.filter(tasks__answer__in=RATED).distinct().count()
    return Sampling(rate, margin, needed, max(0, needed - judged))


@role_required("viewer")
@require_safe
def show(request: WorkspaceRequest, slug: str, number: int) -> HttpResponse:
    """A round: progress, agreement, the error rate; or, in its other tab, the rows on which reviewers differ."""
    review = get_round(request, slug, number)
    if request.GET.get("tab") == "differences":
        return _differences(request, review)
    blind = verdicts.is_blind(review, request.user)
    margin = request.GET.get("margin", "")
    margin_value = int(margin) if margin.isdigit() and int(margin) in MARGINS else 5
    judged = [] if blind else [one for _, one in verdicts.judged_rows(review)]
    seats = {seat.pk: seat.name for seat in review.seats.all()}
    people = people_of(review)
    context = {
        **_common(request, review, tab="overview"),
        "people": people,
        "gone": [person.name for person in people if not person.here and person.done < person.total],
        "done": sum(person.done for person in people),
        "total": sum(person.total for person in people),
        "blind": blind,
        "sampling": sampling_of(review, margin=margin_value, only=request.user if blind else None)
        if review.order == Order.RANDOM
        else None,
        "margins": MARGINS,
        "alpha": outcomes.alpha(judged) if review.per_row > 1 else None,
        "pairs": [(seats[p.first], seats[p.second], p) for p in outcomes.pairs(judged, list(seats))],
        "tally": _tally(judged),
        "newcomers": _newcomers(request, review),
    }
    template = "vault/review_round.html#live" if request.htmx else "vault/review_round.html"
    return render(request, template, context)


def _tally(judged: list[outcomes.Judged]) -> dict[str, int]:
    counts = dict.fromkeys(("accept", "edit", "reject", "differ", "open"), 0)
    for one in judged:
        outcome = one.outcome
        counts[outcome.answer or ("differ" if outcome.differs else "open")] += 1
    return counts


def _newcomers(request: WorkspaceRequest, review: ReviewRound) -> list[User]:
    """People who could have a seat and have none."""
    seated = set(review.seats.values_list("user_id", flat=True))
    return [user for user in rounds.reviewers(request.workspace) if user.pk not in seated]


def _common(request: WorkspaceRequest, review: ReviewRound, *, tab: str) -> dict[str, Any]:
    mine = verdicts.tasks_of(review, request.user)
    return {
        "review": review,
        "version": review.version,
        "dataset": review.dataset,
        "tab": "review",
        "part": tab,
        "rows": review.items.count(),
        "mine_open": mine.filter(answer="").count() if review.is_open else 0,
        "mine": mine.count(),
        "here": review.get_absolute_url(),
        "rows_here": f"{reverse('dataset_version', args=[request.workspace.slug, review.dataset.slug, review.version.number])}?{review.query}",
    }


class Voice(NamedTuple):
    """What one person said of a row, as the list of differences shows it."""

    name: str
    answer: str
    words: str
    text: str | None
    tags: list[str]
    comment: str


class Difference(NamedTuple):
    """A row on which reviewers differ, both verdicts side by side, and what was decided."""

    item: ReviewItem
    row: Row | None
    voices: list[Voice]
    choices: list[tuple[str, str | None, str]]


def _differences(request: WorkspaceRequest, review: ReviewRound) -> HttpResponse:
    common = _common(request, review, tab="differences")
    try:
        verdicts.compare(review, request.user)
    except StudioError as error:
        return render(request, "vault/review_round.html", {**common, "problem": error}, status=403)
    rows = list(verdicts.judged_rows(review))
    differing = [item for item, judged in rows if len({one.meaning for one in judged.ratings}) > 1]
    undecided = [item for item in differing if not item.decision]
    wanted = differing if request.GET.get("show") == "all" else undecided
    table = table_of(review.version)
    page = Paginator(wanted, DIFFERENCES_SHOWN).get_page(request.GET.get("page"))
    context = {
        **common,
        "differing": len(differing),
        "undecided": len(undecided),
        "showing_all": request.GET.get("show") == "all",
        "page": page,
        "differences": [difference_of(item, table) for item in page],
    }
    return render(request, "vault/review_round.html", context)


def difference_of(item: ReviewItem, table: RowTable) -> Difference:
    """One row with everybody's verdict and the decisions that they suggest."""
    tasks = item.tasks.exclude(answer="").select_related("seat").order_by("seat__pk")
    voices = [
        Voice(t.seat.name, t.answer, t.get_answer_display(), t.text if t.answer == "edit" else None, t.tags, t.comment)
        for t in tasks
    ]
    choices: dict[tuple[str, str | None], str] = {}
    for voice in voices:
        if voice.answer != "skip":
            choices.setdefault((voice.answer, voice.text), voice.name)
    return Difference(item, table.row(item.rid), voices, [(a, text, name) for (a, text), name in choices.items()])


@role_required("editor")
@require_POST
def decide(request: WorkspaceRequest, slug: str, number: int, position: int) -> HttpResponse:
    """An editor's word on a row on which reviewers differ."""
    review = get_round(request, slug, number)
    item = get_object_or_404(review.items, position=position)
    here = f"{review.get_absolute_url()}?tab=differences"
    table = table_of(review.version)
    row = table.row(item.rid)
    try:
        verdicts.compare(review, request.user)
        verdicts.decide(
            item,
            answer=request.POST.get("answer", ""),
            text=request.POST.get("text"),
            original=row.completion_text if row else None,
            by=_user(request),
        )
    except StudioError as error:
        messages.error(request, f"{error} {error.action}")
        return redirect(here)
    if request.htmx:
        context = {**_common(request, review, tab="differences"), "difference": difference_of(item, table)}
        return render(request, "vault/review_round.html#difference", context)
    return redirect(here)


@role_required("editor")
@require_POST
def extend(request: WorkspaceRequest, slug: str, number: int) -> HttpResponse:
    """Take more rows into the round."""
    review = get_round(request, slug, number)
    text = request.POST.get("rows", "")
    rows = int(text) if text.isdigit() and len(text) < 7 else 0
    try:
        added = rounds.extend(review, rows=rows, by=_user(request))
    except StudioError as error:
        messages.error(request, f"{error} {error.action}")
        return redirect(review)
    if added:
        messages.success(request, f"{added:,} more row{'s' if added != 1 else ''} to review.")
    else:
        messages.info(request, "No more rows: every row of the filter is in the round, or it holds as many as one may.")
    return redirect(review)


@role_required("editor")
@require_POST
def share(request: WorkspaceRequest, slug: str, number: int) -> HttpResponse:
    """Give new people a seat, and share the open rows anew among everybody who may review."""
    review = get_round(request, slug, number)
    chosen = set(request.POST.getlist("people"))
    people = [user for user in _newcomers(request, review) if str(user.pk) in chosen]
    try:
        rounds.add_people(review, people=people, by=_user(request))
    except StudioError as error:
        messages.error(request, f"{error} {error.action}")
    else:
        messages.success(request, "The open rows are shared anew.")
    return redirect(review)


@role_required("editor")
@require_POST
def close(request: WorkspaceRequest, slug: str, number: int) -> HttpResponse:
    """End the round: what came of it becomes edits of the version's draft."""
    review = get_round(request, slug, number)
    try:
        counts = rounds.close(review, by=_user(request))
    except StudioError as error:
        messages.error(request, f"{error} {error.action}")
        return redirect(review)
    changed = counts["edit"] + counts["reject"]
    words = f"{changed:,} row{'s' if changed != 1 else ''} changed as edits of version {review.version.number}"
    messages.success(request, f"{review} is closed: {words}. Look at them and commit the next version.")
    return redirect(review)

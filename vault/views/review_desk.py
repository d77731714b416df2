"""The desk of a reviewer: one row at a time, a verdict by key or click, the next row already there."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from studio.access import WorkspaceRequest, role_required
from studio.lib.errors import StudioError
from vault import store
from vault.agreement import wilson
from vault.models import DatasetVersion, ReviewRound, ReviewTask
from vault.models.reviews import Order
from vault.query import RowTable
from vault.reviewing import verdicts
from vault.rows import text_of
from vault.views.lookup import table_of
from vault.views.reviews import get_round

LABELS = 500
SHORT = 80


@role_required("reviewer")
@require_safe
def desk(request: WorkspaceRequest, slug: str, number: int) -> HttpResponse:
    """The person's next open row, the one after ``?after=``, or the one at ``?at=`` again. htmx gets the row alone.

    ``?ahead=1`` is for fetching before a verdict is given: only a row further on, or nothing.
    """
    review = get_round(request, slug, number)
    if verdicts.seat_of(review, request.user) is None:
        raise Http404("You have no rows in this round.")
    at = _number(request.GET.get("at"))
    if at is not None:
        task = verdicts.tasks_of(review, request.user).filter(item__position=at).first()
        if task is None:
            raise Http404("This row is not among yours.")
    else:
        ahead = bool(request.GET.get("ahead"))
        task = verdicts.next_task(review, request.user, after=_number(request.GET.get("after")) or 0, wrap=not ahead)
        if task is None and ahead:
            # A row before this one may be open only because its verdict is still on its way.
            return HttpResponse(status=204)
        if task is not None and not review.is_open:
            task = None
    context = {**_frame(request, review), **(_row_context(review, task) if task else {}), "task": task}
    template = "vault/review_desk.html#row" if request.htmx else "vault/review_desk.html"
    return render(request, template, context)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() and len(text) < 10 else None


def _address(review: ReviewRound, name: str, *more: Any) -> str:
    return reverse(name, args=[review.dataset.workspace.slug, review.dataset.slug, review.number, *more])


def _frame(request: WorkspaceRequest, review: ReviewRound) -> dict[str, Any]:
    """What stays while rows change."""
    return {
        "review": review,
        "dataset": review.dataset,
        "version": review.version,
        "progress": progress_of(review, request.user),
        "desk": _address(review, "review_desk"),
        "undo": _address(review, "review_undo"),
        "last": verdicts.last_judged(review, request.user) if review.is_open else None,
        "outbox": f"review:{request.user.pk}:{review.pk}",
    }


def progress_of(review: ReviewRound, user: Any) -> dict[str, Any]:
    """How far the person is, and what his own verdicts say of a random sample."""
    answers = list(verdicts.tasks_of(review, user).values_list("answer", flat=True))
    done = sum(bool(answer) for answer in answers)
    rated = [answer for answer in answers if answer and answer != "skip"]
    wrong = sum(answer != "accept" for answer in rated)
    note = ""
    share = wilson(wrong, len(rated), population=review.population)
    if review.order == Order.RANDOM and share is not None:
        note = f"{share.value * 100:.1f} % wrong, ±{share.margin * 100:.1f} % by your verdicts"
    return {"done": done, "total": len(answers), "note": note}


def _row_context(review: ReviewRound, task: ReviewTask) -> dict[str, Any]:
    table = table_of(review.version)
    row = table.row(task.item.rid)
    if row is None:
        raise Http404("There is no such row.")
    answer, reference = row.completion_text, row.reference_text
    labels = known_answers(review.version)
    source = row.meta.get("source")
    around = verdicts.tasks_of(review, task.seat.user)
    position = task.item.position
    return {
        "row": row,
        "prompt": [{"role": m.get("role", ""), "content": text_of(m)} for m in row.prompt],
        "answer": {"role": "assistant", "content": answer} if answer is not None else None,
        "reference": {"role": "assistant", "content": reference} if reference is not None else None,
        "differs": answer is not None and reference is not None and answer != reference,
        "soft": [
            {"label": one["text"], "value": one["probability"], "text": f"{one['probability']:.0%}".replace("%", " %")}
            for one in sorted(row.soft or [], key=lambda one: -one["probability"])[:6]
        ],
        "source": source if isinstance(source, dict) else {},
        "facts": {key: row.meta[key] for key in ("teacher", "model") if row.meta.get(key)},
        "judge": row.meta.get("judge") if isinstance(row.meta.get("judge"), dict) else None,
        "typed": task.text if task.text is not None else answer or "",
        "labels": labels,
        "one_line": bool(labels) and len(answer or "") <= SHORT and "\n" not in (answer or ""),
        "judge_url": _address(review, "review_judge", position),
        "before": around.filter(item__position__lt=position).values_list("item__position", flat=True).last(),
        "following": around.filter(item__position__gt=position).values_list("item__position", flat=True).first(),
    }


def known_answers(version: DatasetVersion) -> list[str]:
    """The answers of a version that looks like a task with labels, to choose from; empty when it does not."""
    folder = store.path(version.artifact)
    return list(_answers(folder))


@lru_cache(maxsize=64)
def _answers(folder: Path) -> tuple[str, ...]:
    """Remembered as long as the process lives: a version's folder never changes."""
    table = RowTable(folder, root=folder.parents[1])
    found = table.labels(limit=LABELS + 1)
    answered = sum(count.rows for count in found)
    if len(found) > LABELS or len(found) > max(answered // 2, 12):
        return ()
    return tuple(sorted(count.value for count in found if len(count.value) <= SHORT and "\n" not in count.value))


@role_required("reviewer")
@require_POST
def judge(request: WorkspaceRequest, slug: str, number: int, position: int) -> HttpResponse:
    """Keep a verdict. A script gets JSON; a form without script goes on to the next row."""
    review = get_round(request, slug, number)
    task = verdicts.tasks_of(review, request.user).filter(item__position=position).first()
    if task is None:
        raise Http404("This row is not among yours.")
    row = table_of(review.version).row(task.item.rid)
    data = request.POST
    try:
        verdicts.judge(
            task,
            revision=_number(data.get("revision")) or 0,
            answer=data.get("answer", ""),
            text=data.get("text"),
            tags=data.get("tags", "").split(","),
            comment=data.get("comment", ""),
            original=row.completion_text if row else None,
        )
    except StudioError as error:
        return _refused(request, review, task, error)
    if _wants_json(request):
        return JsonResponse(
            {"position": position, "revision": task.revision, "progress": progress_of(review, request.user)}
        )
    return redirect(f"{_address(review, 'review_desk')}?after={position}")


@role_required("reviewer")
@require_POST
def undo(request: WorkspaceRequest, slug: str, number: int) -> HttpResponse:
    """Take back the verdict on the row at ``position``, or the person's last one; that row is shown again."""
    review = get_round(request, slug, number)
    position = _number(request.POST.get("position"))
    mine = verdicts.tasks_of(review, request.user)
    task = (
        verdicts.last_judged(review, request.user) if position is None else mine.filter(item__position=position).first()
    )
    if task is None:
        error = StudioError("There is nothing to undo.", action="Judge a row first.")
        return _refused(request, review, None, error)
    revision = _number(request.POST.get("revision"))
    try:
        verdicts.take_back(task, revision=task.revision if revision is None else revision)
    except StudioError as error:
        return _refused(request, review, task, error)
    if _wants_json(request):
        return JsonResponse({"position": task.item.position, "progress": progress_of(review, request.user)})
    return redirect(f"{_address(review, 'review_desk')}?at={task.item.position}")


def _wants_json(request: WorkspaceRequest) -> bool:
    return request.headers.get("Accept") == "application/json"


def _refused(
    request: WorkspaceRequest, review: ReviewRound, task: ReviewTask | None, error: StudioError
) -> HttpResponse:
    status = 409 if isinstance(error, verdicts.Stale) else 422
    if _wants_json(request):
        position = task.item.position if task else None
        body = {"error": str(error), "action": error.action, "position": position}
        return JsonResponse(body | {"progress": progress_of(review, request.user)}, status=status)
    messages.error(request, f"{error} {error.action}")
    return redirect(f"{_address(review, 'review_desk')}{f'?at={task.item.position}' if task else ''}")

"""Comments on a subject: a part of any page, loaded by htmx, and a page of its own without script."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods, require_POST

from studio import comment_text, comments
from studio.access import WorkspaceRequest, role_required
from studio.comments import Subject
from studio.forms import CommentForm
from studio.lib.errors import StudioError
from studio.models import Comment, Role


@dataclass(frozen=True)
class CommentView:
    """A comment as this member sees it."""

    comment: Comment
    author: str
    html: SafeString
    can_change: bool
    can_delete: bool
    answers: tuple[CommentView, ...] = ()

    @property
    def deleted_by_other(self) -> str:
        """Who deleted it, when that was not its author."""
        by = self.comment.deleted_by
        return by.get_username() if by and by.pk != self.comment.author_id else ""


def find_subject(request: WorkspaceRequest, kind: str, key: str) -> Subject:
    """What is commented on, or 404."""
    subject = comments.find_subject(request.workspace, kind, key)
    if subject is None:
        raise Http404("There is nothing of that name to comment on.")
    return subject


@require_http_methods(["GET", "POST"])
@role_required("viewer")
def show(request: WorkspaceRequest, kind: str, key: str) -> HttpResponse:
    """The threads of a subject; a POST (reviewers and above) adds a comment, or an answer to the thread ``parent``."""
    subject = find_subject(request, kind, key)
    if request.method == "GET":
        return _threads(request, subject, kind, key)
    role_required_to_write(request)
    form = CommentForm(request.POST)
    parent = _parent(request, kind, key)
    if not form.is_valid():
        return _threads(request, subject, kind, key, form=form, answering=parent)
    try:
        said = comments.say(
            request.workspace,
            kind=kind,
            key=key,
            subject=subject,
            text=form.cleaned_data["text"],
            request_key=form.cleaned_data["request_key"],
            parent=parent,
            by=cast(User, request.user),
        )
    except StudioError as error:
        form.add_error("text", f"{error} {error.action}")
        return _threads(request, subject, kind, key, form=form, answering=parent)
    return _after(request, said, subject)


def role_required_to_write(request: WorkspaceRequest) -> None:
    """Raise 403 for members who may only look."""
    if not request.membership.at_least(Role.REVIEWER):
        raise PermissionDenied("Viewers read comments; reviewers write them. Ask an owner to change your role.")


def _parent(request: WorkspaceRequest, kind: str, key: str) -> Comment | None:
    pk = request.POST.get("parent", "")
    if not pk:
        return None
    if not pk.isdecimal() or len(pk) > 18:
        raise Http404("No such thread.")
    found = Comment.objects.filter(workspace=request.workspace, kind=kind, key=key, parent__isnull=True)
    return get_object_or_404(found, pk=int(pk))


def _get(request: WorkspaceRequest, pk: int) -> tuple[Comment, Subject]:
    found = Comment.objects.filter(workspace=request.workspace).select_related("author", "workspace", "parent")
    comment = get_object_or_404(found, pk=pk)
    return comment, find_subject(request, comment.kind, comment.key)


@require_POST
@role_required("reviewer")
def change(request: WorkspaceRequest, pk: int) -> HttpResponse:
    """Another text for an own comment."""
    comment, subject = _get(request, pk)
    if not comments.may_change(comment, request.membership):
        raise Http404("Only its author changes a comment.")
    form = CommentForm(request.POST)
    if not form.is_valid():
        return _threads(request, subject, comment.kind, comment.key, form=form, changing=comment)
    comments.change(comment, text=form.cleaned_data["text"], by=cast(User, request.user), subject=subject)
    return _after(request, comment, subject)


@require_POST
@role_required("reviewer")
def delete(request: WorkspaceRequest, pk: int) -> HttpResponse:
    """Delete an own comment (owners: anybody's)."""
    comment, subject = _get(request, pk)
    if comments.may_delete(comment, request.membership):
        comments.delete(comment, by=cast(User, request.user))
    elif comment.deleted_at is None:
        raise Http404("Only its author or an owner deletes a comment.")
    return _after(request, comment, subject)


@require_POST
@role_required("reviewer")
def resolve(request: WorkspaceRequest, pk: int) -> HttpResponse:
    """Settle a thread, or open it again (``back``)."""
    comment, subject = _get(request, pk)
    if comment.parent_id:
        raise Http404("Threads are resolved, not answers.")
    if request.POST.get("back"):
        comments.reopen(comment)
    else:
        comments.resolve(comment, by=cast(User, request.user))
    return _after(request, comment, subject)


def _after(request: WorkspaceRequest, comment: Comment, subject: Subject) -> HttpResponse:
    """The threads anew for htmx, else the page of the comments at this one."""
    if request.htmx:
        return _threads(request, subject, comment.kind, comment.key, fresh=comment)
    if comment.deleted_at is None and request.resolver_match and request.resolver_match.url_name == "comments":
        messages.success(request, "Your comment is there.")
    page = reverse("comments", args=[request.workspace.slug, comment.kind, comment.key])
    return redirect(f"{page}#comment-{comment.pk}")


def _threads(
    request: WorkspaceRequest,
    subject: Subject,
    kind: str,
    key: str,
    *,
    form: CommentForm | None = None,
    answering: Comment | None = None,
    changing: Comment | None = None,
    fresh: Comment | None = None,
) -> HttpResponse:
    names = comments.member_names(request.workspace)
    found = comments.threads(request.workspace, kind, key)
    views = [_view(request, thread, names) for thread in found]
    bad = form if form is not None and form.errors else None
    context = {
        "subject": subject,
        "kind": kind,
        "key": key,
        "open": [v for v in views if v.comment.resolved_at is None and not _is_gone(v)],
        "settled": [v for v in views if v.comment.resolved_at is not None],
        "gone": [v for v in views if v.comment.resolved_at is None and _is_gone(v)],
        "names": names,
        "may_write": request.membership.at_least(Role.REVIEWER),
        "request_key": uuid.uuid4().hex,
        "error": bad.errors["text"][0] if bad and bad.errors.get("text") else "",
        "typed": request.POST.get("text", "") if bad else "",
        "answering": answering.pk if answering and bad else None,
        "changing": changing.pk if changing and bad else None,
        "fresh": fresh.pk if fresh else None,
        "limit": comments.TEXT_LIMIT,
    }
    part = "#threads" if request.htmx else ""
    return render(request, f"studio/comments.html{part}", context, status=422 if bad else 200)


def _is_gone(view: CommentView) -> bool:
    """Whether nothing of a thread is left to read."""
    return view.comment.deleted_at is not None and all(a.comment.deleted_at for a in view.answers)


def _view(request: WorkspaceRequest, comment: Comment, names: list[str]) -> CommentView:
    # Only a thread's answers are fetched; an answer has none.
    answers: Any = comment.answers.all() if comment.parent_id is None else ()
    return CommentView(
        comment=comment,
        author=comment.author.get_username() if comment.author else "somebody who left",
        html=comment_text.render(comment.text, names),
        can_change=comments.may_change(comment, request.membership),
        can_delete=comments.may_delete(comment, request.membership),
        answers=tuple(_view(request, answer, names) for answer in answers),
    )

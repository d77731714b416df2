"""Polls that bring nothing new."""

from __future__ import annotations

import itertools

from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.test import Client, RequestFactory
from django.urls import reverse

from studio.models import Workspace
from studio.polling import HEADER, skip_unchanged


def ask(content: str, *, tag: str | None, method: str = "get", status: int = 200) -> HttpResponseBase:
    """The answer of a view that says ``content`` to a request with ``tag``."""
    headers = {} if tag is None else {HEADER: tag}
    request: HttpRequest = getattr(RequestFactory(headers=headers), method)("/")
    return skip_unchanged(lambda _: HttpResponse(content, status=status))(request)


def test_the_same_answer_again_is_not_sent_again() -> None:
    first = ask("<p>3 rows</p>", tag="none")
    assert first.status_code == 200
    again = ask("<p>3 rows</p>", tag=first[HEADER])
    assert again.status_code == 304
    assert again[HEADER] == first[HEADER]
    changed = ask("<p>4 rows</p>", tag=first[HEADER])
    assert changed.status_code == 200
    assert changed[HEADER] != first[HEADER]


def test_a_fresh_csrf_token_is_no_change() -> None:
    numbers = itertools.count()
    form = '<form><input type="hidden" name="csrfmiddlewaretoken" value="{}"></form>'
    first = ask(form.format(next(numbers)), tag="none")
    assert ask(form.format(next(numbers)), tag=first[HEADER]).status_code == 304


def test_requests_without_a_tag_errors_and_posts_are_left_alone() -> None:
    assert HEADER not in ask("x", tag=None)
    assert HEADER not in ask("x", tag="none", status=404)
    assert HEADER not in ask("x", tag="none", method="post")


def test_a_streamed_file_is_left_alone() -> None:
    request = RequestFactory(headers={HEADER: "none"}).get("/")
    answer = FileResponse(iter([b"x"]))
    assert skip_unchanged(lambda _: answer)(request) is answer


def test_the_indicator_of_every_page_uses_it(viewer_client: Client, workspace: Workspace) -> None:
    url = reverse("activity", args=["lab"])
    first = viewer_client.get(url, headers={"HX-Request": "true", HEADER: "none"})
    again = viewer_client.get(url, headers={"HX-Request": "true", HEADER: first[HEADER]})
    assert (first.status_code, again.status_code) == (200, 304)

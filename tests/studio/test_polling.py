"""Polls that bring nothing new."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.test import Client, RequestFactory
from django.urls import reverse
from pytest_django.fixtures import Settings

from studio import polling
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


FORM = b'<form><input type="hidden" name="csrfmiddlewaretoken" value="%s"></form>'


class Kitchen:
    """Counts how often an answer was really made."""

    def __init__(self) -> None:
        self.made = 0

    def cook(self) -> HttpResponse:
        self.made += 1
        return HttpResponse(b"answer %d " % self.made + FORM % b"somebody's")


@pytest.fixture
def sharing(settings: Settings) -> Iterator[Settings]:
    cache.clear()
    settings.SHARED_POLL_SECONDS = 1.0
    yield settings
    cache.clear()


def test_what_two_people_poll_at_once_is_made_once_and_each_gets_a_token_of_their_own(
    rf: RequestFactory, sharing: Settings
) -> None:
    kitchen = Kitchen()
    first = polling.share(rf.get("/"), key=("run", 1), render=kitchen.cook)
    second = polling.share(rf.get("/"), key=("run", 1), render=kitchen.cook)
    assert kitchen.made == 1
    assert second.content.startswith(b"answer 1 ")
    assert b"somebody's" not in second.content
    assert polling.tag_of(first.content) == polling.tag_of(second.content)


def test_another_key_is_another_answer(rf: RequestFactory, sharing: Settings) -> None:
    kitchen = Kitchen()
    polling.share(rf.get("/"), key=("run", 1, "viewer"), render=kitchen.cook)
    answer = polling.share(rf.get("/"), key=("run", 1, "owner"), render=kitchen.cook)
    assert answer.content.startswith(b"answer 2 ")


def test_a_shared_answer_grows_old(rf: RequestFactory, sharing: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    kitchen, clock = Kitchen(), [100.0]
    monkeypatch.setattr("studio.polling.time.monotonic", lambda: clock[0])
    polling.share(rf.get("/"), key=("run", 1), render=kitchen.cook)
    clock[0] += 1.1
    answer = polling.share(rf.get("/"), key=("run", 1), render=kitchen.cook)
    assert answer.content.startswith(b"answer 2 ")


def test_while_somebody_makes_a_new_answer_the_others_get_the_last_one(
    rf: RequestFactory, sharing: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    kitchen, clock = Kitchen(), [100.0]
    monkeypatch.setattr("studio.polling.time.monotonic", lambda: clock[0])
    polling.share(rf.get("/"), key=("run", 1), render=kitchen.cook)
    clock[0] += 1.1

    def slow() -> HttpResponse:
        meanwhile = polling.share(rf.get("/"), key=("run", 1), render=kitchen.cook)
        assert meanwhile.content.startswith(b"answer 1 ")
        return kitchen.cook()

    answer = polling.share(rf.get("/"), key=("run", 1), render=slow)
    assert answer.content.startswith(b"answer 2 ")


def test_a_failure_is_not_shared(rf: RequestFactory, sharing: Settings) -> None:
    polling.share(rf.get("/"), key=("run", 1), render=lambda: HttpResponse(status=500))
    answer = polling.share(rf.get("/"), key=("run", 1), render=Kitchen().cook)
    assert answer.status_code == 200

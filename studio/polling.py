"""Polls whose answer has not changed are answered with 304, so that the browser does not touch the page, and what many people
poll at once is rendered once.

An element that polls carries ``hx-ptag="none"``; htmx's ptag extension then sends the tag of its last answer with each request.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Hashable

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import get_token

HEADER = "HX-PTag"
CSRF_TOKEN = re.compile(rb'name="csrfmiddlewaretoken" value="[^"]*"')
"""Masked anew in every answer, and never a change that anybody could see."""


def tag_of(content: bytes) -> str:
    """A short tag of an answer: equal for answers that look the same."""
    return hashlib.sha256(CSRF_TOKEN.sub(b"", content)).hexdigest()[:20]


def skip_unchanged(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: tag the answers of requests that sent a tag, and shorten those that are what the browser has."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        sent = request.headers.get(HEADER)
        if sent is None or request.method != "GET" or response.status_code != 200:
            return response
        if not isinstance(response, HttpResponse):
            return response
        tag = tag_of(response.content)
        if tag == sent:
            response = HttpResponse(status=304)
        response[HEADER] = tag
        return response

    return middleware


def share(request: HttpRequest, *, key: tuple[Hashable, ...], render: Callable[[], HttpResponse]) -> HttpResponse:
    """The answer of ``render()``, or what it gave for the same ``key`` a moment ago, with this request's own CSRF token in its forms.

    ``key`` must name everything the answer depends on: what is shown, the query, and what this person may do. Fifty people who watch
    one run then cost little more than one. An answer is shared for ``settings.SHARED_POLL_SECONDS``, and once more as long while somebody
    makes a new one: together no longer than the time between two polls, so that whoever did something never sees the state before it.
    """
    fresh = settings.SHARED_POLL_SECONDS
    if not fresh:
        return render()
    name = "shared-" + hashlib.sha256(repr(key).encode()).hexdigest()
    kept = cache.get(name)
    age = time.monotonic() - kept[0] if kept else 2 * fresh
    if kept and (age < fresh or (age < 2 * fresh and not cache.add(f"{name}-busy", 1, 2 * fresh))):
        return HttpResponse(_with_own_token(kept[1], request))
    response = render()
    if response.status_code == 200:
        cache.set(name, (time.monotonic(), response.content), 2 * fresh)
    cache.delete(f"{name}-busy")
    return response


def _with_own_token(content: bytes, request: HttpRequest) -> bytes:
    if not CSRF_TOKEN.search(content):
        return content
    return CSRF_TOKEN.sub(b'name="csrfmiddlewaretoken" value="%s"' % get_token(request).encode(), content)

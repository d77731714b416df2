"""Polls whose answer has not changed are answered with 304, so that the browser does not touch the page.

An element that polls carries ``hx-ptag="none"``; htmx's ptag extension then sends the tag of its last answer with each request.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

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

"""What happens to an error that a view lets through although it was written for the user."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from studio.lib.errors import StudioError

log = structlog.get_logger(__name__)

PAGE = "studio/problem.html"


class ProblemPage:
    """Middleware: a ``StudioError`` (an artifact's files are gone, say) becomes a page that says what to do, with status 503.

    An htmx request gets the message alone, to stand where its answer would have stood.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Nothing to do while all goes well."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """The page for an error with words for the user; any other error stays a fault of ours."""
        if not isinstance(exception, StudioError):
            return None
        log.warning("a page could not be shown", path=request.path, problem=str(exception))
        htmx: Any = getattr(request, "htmx", False)
        return render(request, f"{PAGE}#problem" if htmx else PAGE, {"problem": exception}, status=503)

"""Providers' failures in one vocabulary: what happened, whether asking again may help, and what a person should do."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Mapping

from pipelines.teachers.base import TeacherError

RETRYABLE_STATUS = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
OUT_OF_CREDIT = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
LONGEST_DETAIL = 300


def retry_after(headers: Mapping[str, str], *, now: float | None = None) -> float | None:
    """Seconds to wait from ``retry-after-ms`` or ``retry-after`` (seconds or an HTTP date), or None.

    Source: RFC 9110, section 10.2.3; the millisecond form is OpenAI's.
    """
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            return max(float(value) * scale, 0.0)
        except ValueError:
            date = email.utils.parsedate_tz(value)
            if date is not None:
                return max(email.utils.mktime_tz(date) - (time.time() if now is None else now), 0.0)
    return None


def from_status(where: str, *, status: int, detail: str, headers: Mapping[str, str], code: str = "") -> TeacherError:
    """The error for an HTTP status. ``where`` names provider and model, ``detail`` is the provider's own text."""
    detail = " ".join(detail.split())[:LONGEST_DETAIL]
    said = f"{where} answered {status}: {detail}" if detail else f"{where} answered {status}"
    if status == 401:
        return TeacherError(
            said, action="Check the API key of the credential: it is missing, wrong or revoked.", fatal=True
        )
    if status == 403:
        return TeacherError(said, action="Check that this key may use this model, then retry.", fatal=True)
    if status == 402 or code in OUT_OF_CREDIT:
        return TeacherError(
            said, action="Add credit to the provider's account, then retry: stored answers are kept.", fatal=True
        )
    if status == 404:
        return TeacherError(said, action="Check the model's name and the address.", fatal=True)
    if status in (301, 302, 303, 307, 308):
        return TeacherError(said, action="Enter the address it redirects to: redirects are not followed.", fatal=True)
    if status in RETRYABLE_STATUS or status >= 500:
        action = (
            "Lower the number of calls at once, or wait."
            if status == 429
            else "Wait until the provider is well, then retry."
        )
        return TeacherError(said, action=action, retryable=True, retry_after=retry_after(headers))
    action = "Read what the provider says about the request."
    if "temperature" in detail.lower():
        action = "This model accepts no temperature: leave the field empty."
    elif "max_tokens" in detail or "max_completion_tokens" in detail:
        action = "Lower the longest answer, or choose a model that may answer longer."
    return TeacherError(said, action=action)


def timed_out(where: str, seconds: float) -> TeacherError:
    """No answer within the time limit; the provider may still charge for it."""
    return TeacherError(
        f"{where} did not answer within {seconds:g} seconds",
        action="Raise the time limit of a call, or lower the longest answer.",
        retryable=True,
        billed=True,
    )


def unreachable(where: str, url: str, cause: BaseException | None) -> TeacherError:
    """No connection, or one that broke."""
    reason = f" ({cause})" if cause is not None and str(cause) else ""
    return TeacherError(
        f"{where} can't be reached at {url}{reason}",
        action="Check that the address is right and the server is running, then retry.",
        retryable=True,
    )


def not_an_answer(label: str) -> TeacherError:
    """Something came back that is not in the wire format."""
    return TeacherError(
        f"{label} answered something that is not a chat completion",
        action="Check the address: it must end where the API begins (usually /v1).",
        retryable=True,
        billed=True,
    )


def broken_off(where: str, said: str = "") -> TeacherError:
    """A streamed answer that did not come to its end; the provider may still charge for it."""
    said = " ".join(said.split())[:LONGEST_DETAIL]
    return TeacherError(
        f"{where} broke off its streamed answer{': ' + said if said else ''}",
        action="If it happens each time, the server can't stream: switch off “Time the first token”.",
        retryable=True,
        billed=True,
    )


def uncounted(where: str) -> TeacherError:
    """A streamed answer without its number of tokens: what it cost can't be known."""
    return TeacherError(
        f"{where} streams answers without saying how many tokens they used",
        action="Switch off “Time the first token”: whole answers come with their number of tokens.",
        fatal=True,
        billed=True,
    )

"""Providers' failures in one vocabulary."""

from __future__ import annotations

import pytest

from pipelines.teachers.errors import from_status, retry_after


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "12"}, 12.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:10 GMT"}, 10.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:27:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
    ],
)
def test_the_wait_a_provider_asks_for_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, now=1_445_412_480.0) == seconds


def test_a_long_page_of_html_is_cut_down_to_a_line() -> None:
    error = from_status("X (m)", status=502, detail="<html>\n" + "x" * 5_000, headers={})
    assert len(str(error)) < 400
    assert "\n" not in str(error)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 413, 422, 429, 500, 529])
def test_every_status_says_what_to_do(status: int) -> None:
    assert from_status("X (m)", status=status, detail="d", headers={}).action

"""Telling a full disk from other failures, by whatever name it comes."""

from __future__ import annotations

import errno

import pytest

from studio.lib.disk import is_disk_full


def raised_from(cause: BaseException) -> BaseException:
    try:
        raise ValueError("could not be saved") from cause
    except ValueError as error:
        return error


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        OSError("Error writing bytes to file. Detail: [errno 28] No space left on device"),
        Exception("Error while serializing: I/O error: No space left on device (os error 28)"),
        RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"),
        RuntimeError("database or disk is full"),
        raised_from(raised_from(OSError(errno.ENOSPC, "x"))),
    ],
)
def test_a_full_disk_is_known_by_its_number_its_words_or_its_cause(error: BaseException) -> None:
    assert is_disk_full(error)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EACCES, "Permission denied: 'no space left.txt'"),
        OSError("not a directory"),
        RuntimeError("os error 2"),
        raised_from(OSError(errno.ENOENT, "x")),
    ],
)
def test_other_failures_are_not_taken_for_it(error: BaseException) -> None:
    assert not is_disk_full(error)

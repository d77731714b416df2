"""Errors whose text is written for the user: what happened, and what to do next."""

from __future__ import annotations


class StudioError(Exception):
    """Something the user can act on. ``str(error)`` says what happened, ``action`` says what to do next."""

    def __init__(self, message: str, *, action: str = "") -> None:
        super().__init__(message)
        self.action = action


class StepError(StudioError):
    """A step could not finish for a reason the user can mend. Set ``retryable`` when trying again may help by itself.

    ``code``: the short name that a child process gave its error (``out_of_memory``, ``no_rows``…), blank otherwise.
    """

    def __init__(self, message: str, *, action: str = "", retryable: bool = False, code: str = "") -> None:
        super().__init__(message, action=action)
        self.retryable = retryable
        self.code = code


class WaitForPerson(Exception):
    """Raised by a step that cannot go on without a decision (a cost cap reached, a gate); the worker is freed."""

    def __init__(self, question: str, *, action: str = "") -> None:
        super().__init__(question)
        self.action = action


class Cancelled(Exception):
    """The user asked for this job to stop; raised at the next heartbeat."""


class LeaseLost(Exception):
    """Another worker owns this job now: stop, write nothing more."""

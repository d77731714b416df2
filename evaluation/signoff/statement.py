"""The sign-off as a report that stands alone tells it: absolute times, whole hashes, nothing to press."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evaluation.models import Decision, Scorecard, SignOff
from evaluation.signoff import freezing
from evaluation.signoff.policy import describe
from evaluation.signoff.reading import author_of, newest, rules_of
from evaluation.signoff.settling import settle


@dataclass(frozen=True)
class Statement:
    """Who said what of a report, by which rules, and the hashes that it covers."""

    sign_off: SignOff
    decisions: list[Decision]
    author: str
    rules: list[str]
    hashes: list[tuple[str, str]]
    """What it is and its SHA-256, in the order of the record."""


def statement_of(card: Scorecard) -> Statement | None:
    """What is to be told of a report's latest sign-off; None before anybody was asked or said anything."""
    found = newest(card)
    if found is None:
        return None
    settle(found)
    author = author_of(card)
    return Statement(
        sign_off=found,
        decisions=list(found.decisions.all()),
        author=author.get_username() if author else "",
        rules=describe(rules_of(found)),
        hashes=_hashes(found.frozen, found.digest) if found.digest else [],
    )


def _hashes(frozen: Any, digest: str) -> list[tuple[str, str]]:
    named = [(what, sha) for sha, what in freezing.hashes(frozen).items()]
    return [*named, ("the pipeline's spec", frozen["spec"]["digest"]), ("all of it with the rules", digest)]

"""What a sign-off says of one model file."""

from __future__ import annotations

from typing import NamedTuple

from evaluation.models import Scorecard, SignOff, SignOffState
from evaluation.signoff.reading import newest
from evaluation.signoff.settling import settle
from vault.models import Artifact


class Signature(NamedTuple):
    """A report's sign-off, and whether it covers this very file."""

    sign_off: SignOff
    text: str


def of(card: Scorecard, model: Artifact) -> Signature | None:
    """What the sign-off of a student's report says of a model made from it; None before there is one."""
    found = newest(card)
    if found is None:
        return None
    settle(found)
    if found.state != SignOffState.APPROVED:
        return Signature(found, "")
    if model.sha256 in found.frozen["weights"]["gguf"]:
        return Signature(found, "this very file is part of what was signed")
    return Signature(found, "its student is signed; this file was made later")

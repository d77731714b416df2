"""A report with an author, and shortcuts to sign it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from evaluation.models import Scorecard, SignOff
from evaluation.signoff import reading, records
from evaluation.signoff.policy import Policy


@pytest.fixture
def card(scorecard: Scorecard, editor: User) -> Scorecard:
    """The recorded evaluation, its run started by the editor."""
    run = scorecard.step_run.run
    run.created_by = editor
    run.save(update_fields=["created_by"])
    return Scorecard.objects.select_related("step_run__run__version__pipeline", "workspace", "report").get(
        pk=scorecard.pk
    )


def say(card: Scorecard, user: User, verdict: str = "approve", **more: Any) -> SignOff:
    """A decision by somebody who looks at what is there now."""
    more.setdefault("seen", reading.look(card).digest)
    more.setdefault("reason", "" if verdict == "approve" else "Too few rows.")
    return records.decide(card, user=user, verdict=verdict, **more)


@pytest.fixture
def set_rules(card: Scorecard, owner: User) -> Callable[..., None]:
    """Put rules in force."""

    def change(**rules: Any) -> None:
        from evaluation.models import SignOffPolicy

        stored = SignOffPolicy.objects.filter(workspace=card.workspace).first()
        records.change_policy(card.workspace, Policy(**rules), by=owner, revision=stored.revision if stored else 0)

    return change

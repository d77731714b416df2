"""A round over the tickets, reviewed by two people."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User

from studio.models import Workspace
from tests.conftest import make_member
from vault.models import DatasetVersion, ReviewRound
from vault.reviewing import rounds

Begin = Callable[..., ReviewRound]


@pytest.fixture
def ada(workspace: Workspace) -> User:
    """A reviewer."""
    user = make_member(workspace, "reviewer")
    user.username = "ada"
    user.save()
    return user


@pytest.fixture
def ben(workspace: Workspace) -> User:
    """Another reviewer."""
    user = make_member(workspace, "reviewer")
    user.username = "ben"
    user.save()
    return user


@pytest.fixture
def begin(version: DatasetVersion, editor: User, ada: User, ben: User) -> Begin:
    """``begin(rows=4, per_row=2, order="rows", query="")``: a round with ada and ben."""

    def make(
        *, rows: int = 4, per_row: int = 2, order: str = "rows", query: str = "", people: list[User] | None = None
    ) -> ReviewRound:
        return rounds.start(
            version,
            title="",
            order=order,
            query=query,
            rows=rows,
            per_row=per_row,
            people=people or [ada, ben],
            by=editor,
        )

    return make

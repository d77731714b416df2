"""Drafts of the ``tickets`` dataset, and a second editor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from studio.models import Membership, Role, Workspace
from vault.editing import drafts
from vault.editing.positions import as_positions
from vault.models import DatasetVersion, Draft, EditOperation

Edit = Callable[..., EditOperation]


@pytest.fixture
def second_editor(workspace: Workspace) -> User:
    """Another person who may edit."""
    user = User.objects.create_user(username="grace")
    Membership.objects.create(workspace=workspace, user=user, role=Role.EDITOR)
    return user


@pytest.fixture
def draft(version: DatasetVersion, editor: User) -> Draft:
    """The open draft of version 1 of ``tickets``."""
    return drafts.open_draft(version, user=editor)


@pytest.fixture
def edit(draft: Draft, editor: User) -> Edit:
    """``edit(kind, *rids, **params)`` lays an operation over rows of the draft."""

    def make(kind: str, *rids: int, user: User = editor, **params: Any) -> EditOperation:
        return drafts.add(draft, kind, params, rids=as_positions(rids), user=user)

    return make

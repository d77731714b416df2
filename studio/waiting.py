"""What waits for one person, from whoever knows it: for the Review page, the home page and the count in the rail.

Imports go one way, so an app whose things wait for people registers a function from its ``AppConfig.ready``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User

from studio.models import Workspace

Provider = Callable[[User, Workspace], list[dict[str, Any]]]
"""``f(user, workspace)``: ``title``, ``text``, ``url``, ``since``, ``action`` (the button's verb) of each."""

_providers: list[Provider] = []


def register(provider: Provider) -> None:
    """Ask this function too. Registering it again changes nothing."""
    if provider not in _providers:
        _providers.append(provider)


def items(user: Any, workspace: Workspace) -> list[dict[str, Any]]:
    """Everything that waits for this person in a workspace, the oldest first."""
    found = [item for provider in _providers for item in provider(user, workspace)]
    return sorted(found, key=lambda item: item["since"])

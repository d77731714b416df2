"""System checks: what ``manage.py check`` says about this installation."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register


@register()
def data_root_is_writable(**_: Any) -> list[CheckMessage]:
    """The data root must be writable by the user that runs the Studio."""
    root = settings.DATA_ROOT
    if os.access(root, os.W_OK):
        return []
    return [Error(f"The data root {root} is not writable.", hint="Set STUDIO_DATA_ROOT or change the folder's owner.")]


@register()
def served_beyond_this_machine(**_: Any) -> list[CheckMessage]:
    """A Studio that listens on a public address should send its cookies over HTTPS only."""
    if settings.HOST in {"127.0.0.1", "localhost", "::1"} or settings.SESSION_COOKIE_SECURE:
        return []
    return [
        Warning(
            f"The Studio listens on {settings.HOST} and its cookies may travel unencrypted.",
            hint="Put a TLS proxy in front of it and set STUDIO_SECURE_COOKIES=1.",
        )
    ]

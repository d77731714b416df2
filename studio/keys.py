"""Secrets the Studio makes for itself on first start and keeps in a 0600 file under the data root."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from studio.lib.errors import StudioError


def load_or_make(path: Path, make: Callable[[], str]) -> str:
    """The secret kept in ``path``; made with ``make()`` and written with mode 0600 when there is none yet.

    Two processes may race here: the file is written aside and linked into place, so both read the same secret.
    Raises ``StudioError`` when the folder cannot be written.
    """
    try:
        return _load_or_make(path, make)
    except OSError as error:
        raise StudioError(
            f"The key file {path} cannot be read or made: {error.strerror}.",
            action="Change the folder's owner, or set STUDIO_DATA_ROOT to a folder that you may write.",
        ) from error


def _load_or_make(path: Path, make: Callable[[], str]) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(make() + "\n")
    try:
        os.link(aside, path)
    except FileExistsError:
        pass
    finally:
        aside.unlink()
    return path.read_text().strip()


def make_django_key() -> str:
    """A secret key for Django's signing."""
    return secrets.token_urlsafe(48)


def make_fernet_key() -> str:
    """A key for :class:`cryptography.fernet.Fernet`."""
    from cryptography.fernet import Fernet

    return Fernet.generate_key().decode()

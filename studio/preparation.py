"""Brings the database and the static files of this installation up to date: before every start, and after an upgrade."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from studio import accounts


def prepare(say: Callable[[str], None]) -> str | None:
    """Migrate, gather static files, make the first owner. Returns the owner's sign-in path while it is still needed."""
    migrate(say)
    collect_static()
    return accounts.ensure_owner()


def migrate(say: Callable[[str], None]) -> None:
    """Apply the migrations that are missing; a SQLite database that holds data is copied aside first."""
    executor = MigrationExecutor(connection)
    if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return
    say("Preparing the database ...")
    if executor.loader.applied_migrations and connection.vendor == "sqlite":
        back_up(say)
    call_command("migrate", verbosity=0, interactive=False)


def back_up(say: Callable[[str], None]) -> None:
    """Copy the SQLite database into the data root's ``backups`` folder."""
    folder = settings.DATA_ROOT / "backups"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"before-upgrade-{time.strftime('%Y%m%d-%H%M%S')}.sqlite3"
    with connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(target)])
    say(f"The database was copied to {target} before the upgrade.")


def collect_static() -> None:
    """Gather styles and scripts under names that carry their hash. Django's debug mode serves them where they lie."""
    if not settings.DEBUG:
        call_command("collectstatic", verbosity=0, interactive=False)

"""What is computed from a dataset artifact once, in a worker, and kept until it is asked for: search index, profile.

``request`` asks for one, ``run`` makes it, ``folder`` is where its files lie. One variant is one function and one line in
:data:`DERIVERS`.
"""

from __future__ import annotations

import shutil
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from django.utils.module_loading import import_string

from studio.jobs import FINISHED, State
from studio.lib.canonical import fingerprint
from studio.lib.disk import is_disk_full
from studio.lib.errors import Cancelled, LeaseLost, StudioError
from vault import store
from vault.models import Artifact, Derivation

Beat = Callable[[int, int, str], None]
"""``beat(done, total, note)`` in rows: call it often; it writes at most once a second and raises when cancelled."""


class Deriver(Protocol):
    """Computes something from the dataset in ``rows`` (a folder with ``rows.parquet``) into the empty folder ``out``.

    What it returns (plain JSON) is kept in the database for pages to show.
    """

    def __call__(self, rows: Path, out: Path, *, params: Mapping[str, Any], beat: Beat) -> dict[str, Any]: ...


DERIVERS: dict[str, str] = {
    "browse-1": "vault.browse_index.index_rows",
    "diff-1": "vault.diffs.derive",
    "profile-1": "vault.profiling.deriver.derive",
}
"""Name → dotted path of the function. Raise the number in a name when what it computes changes: ``profile-1``."""


def register(name: str, path: str) -> None:
    """Another app's derivation, told from its ``AppConfig.ready``: the dotted path of its function."""
    DERIVERS[name] = path


def params_hash(params: Mapping[str, Any]) -> str:
    """The hash under which a derivation's parameters are found."""
    return fingerprint(dict(params))


def find(artifact: Artifact, name: str, params: Mapping[str, Any] | None = None) -> Derivation | None:
    """The derivation if somebody asked for it before."""
    return Derivation.objects.filter(artifact=artifact, name=name, params_hash=params_hash(params or {})).first()


def request(artifact: Artifact, name: str, params: Mapping[str, Any] | None = None) -> Derivation:
    """The derivation, asked for now unless it is there or under way; one that failed or was swept away is tried again."""
    values = dict(params or {})
    made, is_new = Derivation.objects.get_or_create(
        artifact=artifact, name=name, params_hash=params_hash(values), defaults={"params": values}
    )
    lost = made.state == State.SUCCEEDED and not folder(made).exists()
    if lost:
        Derivation.objects.filter(pk=made.pk, state=State.SUCCEEDED).update(state=State.CANCELLED)
        made.refresh_from_db()
    if is_new or (made.state in FINISHED and made.state != State.SUCCEEDED and made.retry()):
        made.ring()
    return made


def folder(made: Derivation) -> Path:
    """Where the files of a derivation lie (or would lie)."""
    return store.derived_dir(made.artifact.sha256, f"{made.name}-{made.params_hash[:16]}")


def run(pk: Any) -> None:
    """Do it if it is there to be done. Safe to call twice, or by two workers: one of them claims it."""
    made = Derivation.claim(pk)
    if made is None:
        return
    scratch = f"derive-{made.pk}-{made.attempt}"
    try:
        _conclude(made, store.scratch_dir(scratch))
    except LeaseLost:
        pass
    finally:
        store.remove_scratch(scratch)


def _conclude(made: Derivation, out: Path) -> None:
    try:
        result = _derive(made, out)
        made.write(result=result)
        made.finish(State.SUCCEEDED)
    except LeaseLost:
        raise
    except Cancelled as stopped:
        made.finish(State.CANCELLED, error=str(stopped))
    except StudioError as error:
        made.finish(State.FAILED, error=str(error), action=error.action)
    except Exception:  # The one place where a bug in a derivation becomes a failed job with its trace.
        made.finish(
            State.FAILED,
            error=f"“{made.name}” stopped because of a fault in the Studio.",
            action="Try again; if it happens again, give the operator the time and this dataset's address.",
            trace=traceback.format_exc(),
        )


def _derive(made: Derivation, out: Path) -> dict[str, Any]:
    from vault.ingest import every_second

    place = {"done": 0, "total": 0, "note": ""}
    tick = every_second(
        lambda: made.heartbeat(
            progress_done=place["done"],
            progress_total=place["total"] or None,
            progress_note=place["note"],
            progress_unit="rows",
        )
    )

    def beat(done: int, total: int, note: str) -> None:
        place.update(done=done, total=total, note=note)
        tick()

    make = cast(Deriver, import_string(DERIVERS[made.name]))
    try:
        result = make(store.path(made.artifact), out, params=made.params, beat=beat)
        target = folder(made)
        target.parent.mkdir(parents=True, exist_ok=True)
        made.heartbeat()
        shutil.rmtree(target, ignore_errors=True)
        out.rename(target)
    except OSError as error:
        if is_disk_full(error):
            raise store.DiskFull from error
        raise
    return result

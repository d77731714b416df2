"""From a user's file to a dataset version: mapping, import. The import is a job; nothing is ever half imported."""

from __future__ import annotations

import re
import shutil
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.text import slugify
from pydantic import ValidationError

from studio import audit
from studio.jobs import State
from studio.lib.canonical import file_sha256, fingerprint
from studio.lib.disk import is_disk_full
from studio.lib.errors import Cancelled, LeaseLost, StudioError
from studio.lib.params import problems as param_problems
from studio.models import Workspace
from studio.registries import READERS
from vault import archives, scan, store
from vault.models import Dataset, DatasetVersion, Upload
from vault.problems import ProblemLog
from vault.readers import Reader, ReaderError, recognise
from vault.readers.base import RowError
from vault.rows import Row, write_rows
from vault.scan import Tally, good_rows

BEAT_SECONDS = 1.0
UNSAFE = re.compile(r"[^\w.-]+")


class NeedsGoodRowsOnly(StudioError):
    """Some lines were refused and nobody has said yet that the good ones may be imported alone."""


# --- where it lies ---------------------------------------------------------------------------------------------------------


def scratch_of(upload: Upload) -> Path:
    """The working folder of an upload."""
    return store.scratch_dir(f"upload-{upload.pk}")


def safe_name(name: str) -> str:
    """A file's name made harmless: no path, no spaces; only there to be shown."""
    return UNSAFE.sub("_", name.replace("\\", "/").rsplit("/", 1)[-1])[-80:].strip("._") or "file"


def source_path(upload: Upload) -> Path:
    """Where the user's file lies until it is imported; a folder when there are several."""
    folder = scratch_of(upload) / "source"
    return folder if upload.findings.get("files") else folder / safe_name(upload.file_name)


def joint_hash(hashes: list[str]) -> str:
    """One hash for several files."""
    return fingerprint(hashes)


def drafts(workspace: Workspace) -> QuerySet[Upload]:
    """Uploads whose mapping nobody settled yet."""
    return Upload.objects.filter(workspace=workspace, state=State.PENDING, ready=False).order_by("created_at")


def problems_path(upload: Upload) -> Path:
    """Where the refused lines of the last import attempt are listed."""
    return scratch_of(upload) / "problems.jsonl"


def discard(upload: Upload) -> None:
    """Delete the working folder of an upload that will not be imported."""
    store.remove_scratch(f"upload-{upload.pk}")


def dismiss(upload: Upload) -> bool:
    """Forget an import that failed: its row and its file. False when it is not (or no longer) a failed one."""
    deleted, _ = Upload.objects.filter(pk=upload.pk, state=State.FAILED, version=None).delete()
    if deleted:
        discard(upload)
    return bool(deleted)


# --- mapping -----------------------------------------------------------------------------------------------------------


def parse_params(reader: str, values: dict[str, Any]) -> Any:
    """The reader's validated ``Params``; raises ``StudioError`` with every problem in words."""
    try:
        return READERS[reader].Params(**values)
    except ValidationError as error:
        text = " ".join(f"{field}: {message}" for field, message in param_problems(error))
        raise StudioError(
            f"The parameters of the reader '{reader}' are wrong. {text}", action="Correct them."
        ) from None


def start(upload: Upload, *, reader: str, params: Any, good_rows_only: bool) -> bool:
    """The user said: import. False when it was started before (a second click, another tab)."""
    changed = Upload.objects.filter(pk=upload.pk, state=State.PENDING, ready=False).update(
        reader=reader, params=params.model_dump(mode="json"), good_rows_only=good_rows_only, ready=True
    )
    upload.refresh_from_db()
    if changed:
        upload.ring()
    return bool(changed)


def accept_good_rows(upload: Upload) -> bool:
    """The user said that the good rows are enough; False when nobody was asked any more."""
    Upload.objects.filter(pk=upload.pk, state=State.WAITING).update(good_rows_only=True)
    resumed = upload.resume()
    if resumed:
        upload.ring()
    return resumed


# --- importing ---------------------------------------------------------------------------------------------------------


def run_upload(pk: Any) -> None:
    """Do an upload's import if it is there to be done. Safe to call twice, or by two workers: one of them claims it."""
    upload = Upload.claim(pk)
    if upload is None:
        return
    try:
        _conclude(upload)
    except LeaseLost:
        # Another worker has it now, and its folder is not ours.
        shutil.rmtree(rows_path(upload), ignore_errors=True)


def rows_path(upload: Upload) -> Path:
    """Where this attempt writes its rows before they are published."""
    return scratch_of(upload) / f"rows-{upload.attempt}"


def _conclude(upload: Upload) -> None:
    """Import, and end the attempt in the state that fits what happened."""
    try:
        _import(upload)
    except LeaseLost:
        raise
    except Cancelled as stopped:
        upload.finish(State.CANCELLED, error=str(stopped))
        discard(upload)
    except NeedsGoodRowsOnly as question:
        upload.wait(question=str(question), action=question.action)
    except StudioError as error:
        upload.finish(State.FAILED, error=str(error), action=error.action)
    except Exception:  # The one place where a bug in an import becomes a failed job with its trace.
        upload.finish(
            State.FAILED,
            error="The import stopped because of a fault in the Studio.",
            action="Try again; if it happens again, give the operator the time and this upload's address.",
            trace=traceback.format_exc(),
        )


def _import(upload: Upload) -> None:
    source = source_path(upload)
    if not source.exists():
        raise StudioError(f"The uploaded file {upload.file_name} is gone.", action="Upload it again.")
    folder = rows_path(upload)
    shutil.rmtree(folder, ignore_errors=True)
    tally = Tally()
    upload.heartbeat(
        progress_done=0,
        progress_from=0,
        progress_since=timezone.now(),
        progress_unit="lines",
        progress_total=upload.findings.get("lines") or None,
        progress_note="Reading rows",
    )
    reader, params = READERS[upload.reader](), parse_params(upload.reader, upload.params)

    def beat() -> None:
        upload.heartbeat(progress_done=tally.done)

    with ProblemLog(problems_path(upload)) as log:
        write(source, folder, reader, params, tally, file_name=upload.file_name, beat=beat, on_problem=log.add)
    found = upload.findings | tally.as_json() | {"notices": scan.notices(source, params, tally), "complete": True}
    upload.write(findings=found)
    check(tally, file_name=upload.file_name, good_rows_only=upload.good_rows_only)
    upload.heartbeat(progress_done=tally.done, progress_note="Storing")
    placed = store.place(folder, kind="dataset", beat=every_second(beat))
    with transaction.atomic():
        upload.version = record_version(
            placed,
            workspace=upload.workspace,
            name=upload.dataset_name,
            user=upload.created_by,
            file_name=upload.file_name,
            sha256=upload.sha256,
            tally=tally,
        )
        upload.write(version=upload.version)
        upload.finish(State.SUCCEEDED)
    shutil.rmtree(scratch_of(upload) / "source", ignore_errors=True)
    for leftover in scratch_of(upload).glob("rows-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def write(
    source: Path,
    folder: Path,
    reader: Reader,
    params: Any,
    tally: Tally,
    *,
    file_name: str,
    beat: Callable[[], None],
    on_problem: Callable[[RowError], None] | None = None,
) -> None:
    """Read ``source`` into ``folder/rows.parquet``, calling ``beat`` about once a second. Raises ``DiskFull``."""
    from vault import bulk  # Arrow and numpy, which the web server's other pages do without.

    try:
        try:
            if not bulk.suits(source, reader, params):
                raise bulk.Unsuitable
            bulk.write(
                source,
                folder,
                reader,
                params,
                tally,
                file_name=file_name,
                beat=every_second(beat),
                on_problem=on_problem,
            )
        except bulk.Unsuitable:
            items = _beating(reader.rows(source, params), beat)
            write_rows(
                folder, good_rows(items, tally, repeated=params.repeated, file_name=file_name, on_problem=on_problem)
            )
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        if is_disk_full(error):
            raise store.DiskFull from error
        raise


def _beating(items: Iterator[Row | RowError], beat: Callable[[], None]) -> Iterator[Row | RowError]:
    tick = every_second(beat)
    for item in items:
        tick()
        yield item


def every_second(beat: Callable[[], None]) -> Callable[[], None]:
    """A function that may be called as often as one likes and calls ``beat`` at most once in ``BEAT_SECONDS``."""
    last = time.monotonic()

    def tick() -> None:
        nonlocal last
        if time.monotonic() - last >= BEAT_SECONDS:
            beat()
            last = time.monotonic()

    return tick


def check(tally: Tally, *, file_name: str, good_rows_only: bool) -> None:
    """Raise when a file gave no row, or when lines were refused and nobody allowed that."""
    first = tally.problems[0] if tally.problems else None
    if tally.kept == 0:
        reason = f" The first problem is on line {first.line}: {first.reason}" if first else ""
        raise ReaderError(
            f"{file_name} holds no row that can be used.{reason}",
            action="Check the format, the mapping and the encoding, or mend the file, and upload it again.",
        )
    if first and not good_rows_only:
        total = tally.kept + tally.refused
        raise NeedsGoodRowsOnly(
            f"{tally.refused:,} of {total:,} rows can't be used. The first is on line {first.line}: {first.reason}",
            action=f"Import the {tally.kept:,} good rows, or cancel, mend the file and upload it again.",
        )


def record_version(
    placed: store.Placed, *, workspace: Workspace, name: str, user: Any, file_name: str, sha256: str, tally: Tally
) -> DatasetVersion:
    """Record rows that lie in the store as the next version of the dataset ``name``. Call it inside a transaction.

    When the newest version already holds these very rows, that version is returned and no new one is made.
    """
    slug = dataset_slug(name)
    dataset, _ = Dataset.objects.get_or_create(
        workspace=workspace, slug=slug, defaults={"name": name, "created_by": user}
    )
    # Two imports into one dataset take their numbers one after the other.
    dataset = Dataset.objects.select_for_update().get(pk=dataset.pk)
    artifact = store.record(placed, kind="dataset", workspace=workspace, meta={"rows": tally.kept})
    latest = dataset.latest
    if latest is not None and latest.artifact_id == artifact.pk:
        return latest
    summary = {k: v for k, v in tally.as_json().items() if k != "problems"}
    version = DatasetVersion.objects.create(
        dataset=dataset,
        number=latest.number + 1 if latest else 1,
        artifact=artifact,
        rows=tally.kept,
        message=f"Imported from {file_name}"[:300],
        summary=summary | {"file": file_name, "sha256": sha256},
        created_by=user,
    )
    audit.record(
        workspace,
        actor=user or "system",
        verb="imported",
        subject=str(version),
        details={"file": file_name, "sha256": sha256, "rows": tally.kept, "refused": tally.refused},
    )
    return version


def dataset_slug(name: str) -> str:
    """The address of a dataset with this name; names without Latin letters or digits get a short hash."""
    return slugify(name)[:80].strip("-") or f"dataset-{fingerprint(name)[:8]}"


def import_file(
    path: Path,
    *,
    workspace: Workspace,
    name: str,
    reader: str = "",
    params: dict[str, Any] | None = None,
    user: Any = None,
    good_rows_only: bool = False,
) -> DatasetVersion:
    """Import a file (or archive, or folder of files) that lies on this machine, here and now, without a job or a broker.

    Without ``reader`` the format is recognised; without ``params`` the mapping is guessed from the column names. The same
    file again gives the version that is already there. Raises ``StudioError`` (``NeedsGoodRowsOnly`` for refused lines).
    """
    if not path.exists():
        raise StudioError(f"There is no file {path}.", action="Check the path.")
    scratch = f"import-{uuid.uuid4()}"
    tally = Tally()
    try:
        folder = store.scratch_dir(scratch) / "rows"
        source = _unpacked(path, store.scratch_dir(scratch) / "unpacked")
        chosen = reader or recognise(source, READERS.items(), name=path.name)
        made = READERS[chosen]()
        values = parse_params(chosen, made.suggest(source) if params is None else params)
        write(source, folder, made, values, tally, file_name=path.name, beat=lambda: None)
        check(tally, file_name=path.name, good_rows_only=good_rows_only)
        placed, sha256 = store.place(folder, kind="dataset"), _hash_of(path)
        with transaction.atomic():
            return record_version(
                placed,
                workspace=workspace,
                name=name,
                user=user,
                file_name=path.name,
                sha256=sha256,
                tally=tally,
            )
    finally:
        store.remove_scratch(scratch)


def _unpacked(path: Path, folder: Path) -> Path:
    """The file or folder to read: what an archive holds, or ``path`` itself."""
    if path.is_dir():
        return path
    found = archives.expand(path, folder)
    return found[0] if len(found) == 1 else folder


def _hash_of(path: Path) -> str:
    return file_sha256(path) if path.is_file() else fingerprint(store.list_files(path))

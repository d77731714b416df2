"""Files that arrived become drafts of imports: unpacked, recognised, and joined or kept apart as the user said."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from studio.lib.disk import is_disk_full
from studio.lib.errors import StudioError
from studio.models import Workspace
from studio.registries import READERS
from vault import archives, ingest, store
from vault.arrivals import Received
from vault.models import Upload
from vault.readers import recognise
from vault.readers.folder import holds_data
from vault.readers.records import form_of
from vault.uploads import SPARE

SUFFIXES = {"jsonl": ".jsonl", "json": ".json", "parquet": ".parquet", "arrow": ".arrow", "xlsx": ".xlsx"}
NUMBER = re.compile(r"^\d{4}-")
"""What ``vault.archives`` puts before the name of each unpacked file."""
LISTED = 200


class Plain(NamedTuple):
    """A file that is no archive (any more), and what the user calls it."""

    path: Path
    name: str


def receive(
    files: Sequence[Received],
    *,
    workspace: Workspace,
    name: str,
    user: Any,
    together: bool = True,
    arrivals: Sequence[str] = (),
) -> list[Upload]:
    """Drafts for files that are here: one for all of them, or one each. An archive is one file, whatever it holds.

    ``arrivals``: the ids of those that came in pieces, kept so that a second click finds the drafts. Raises ``StudioError``
    (``ReaderError`` for a file that no reader can use) and then keeps nothing.
    """
    groups = [list(files)] if together else [[file] for file in files]
    drafts: list[Upload] = []
    with ExitStack() as undo:
        for group in groups:
            stem = PurePath(group[0].name).stem[:120] or "Dataset"
            chosen = name if len(groups) == 1 and name else f"{name} {stem}"[:120].strip()
            draft = _draft(group, workspace=workspace, name=chosen, user=user)
            undo.callback(ingest.discard, draft)
            _fill(draft, group)
            drafts.append(draft)
        for draft in drafts:
            draft.findings |= {"batch": str(drafts[0].pk), "arrivals": list(arrivals)}
            draft.save(force_insert=True)
        undo.pop_all()
    return drafts


def _draft(group: list[Received], *, workspace: Workspace, name: str, user: Any) -> Upload:
    first = group[0]
    more = f" and {len(group) - 1} more" if len(group) > 1 else ""
    draft = Upload(
        workspace=workspace,
        dataset_name=name,
        file_name=first.name[: 255 - len(more)] + more,
        size=sum(file.size for file in group),
        sha256=first.sha256 if len(group) == 1 else ingest.joint_hash([file.sha256 for file in group]),
        ready=False,
        created_by=user,
    )
    draft.findings = {"lines": sum(file.line_count for file in group)}
    return draft


def _fill(draft: Upload, group: list[Received]) -> None:
    """Put the files of a draft into its folder and find out what they are."""
    try:
        plain = [item for number, file in enumerate(group) for item in _unpack(draft, file, number)]
        if len(plain) > 1:
            _store_several(draft, plain)
        else:
            target = ingest.source_path(draft)
            target.parent.mkdir(exist_ok=True)
            os.replace(plain[0].path, target)
    except OSError as error:
        if is_disk_full(error):
            raise store.DiskFull from error
        raise
    shutil.rmtree(_aside(draft), ignore_errors=True)
    path = ingest.source_path(draft)
    if not draft.reader:
        draft.reader = recognise(path, READERS.items(), name=plain[0].name)
    draft.params = READERS[draft.reader]().suggest(path)


def _aside(draft: Upload) -> Path:
    return ingest.scratch_of(draft) / "arrived"


def _unpack(draft: Upload, file: Received, number: int) -> list[Plain]:
    """The plain files in one that arrived."""
    inbox = _aside(draft) / f"{number:04d}"
    inbox.mkdir(parents=True)
    packed = inbox / ingest.safe_name(file.name)
    if file.keep:
        os.link(file.path, packed)
    else:
        os.replace(file.path, packed)
    free = shutil.disk_usage(inbox).free - SPARE
    if free <= 0:
        raise store.DiskFull
    limits = archives.Limits(total_bytes=min(archives.DEFAULT.total_bytes, free))
    found = archives.expand(packed, inbox / "unpacked", limits=limits)
    if found == [packed]:
        return [Plain(packed, file.name)]
    packed.unlink()
    draft.findings["lines"] = 0
    return [Plain(path, NUMBER.sub("", path.name)) for path in found]


def _store_several(draft: Upload, plain: list[Plain]) -> None:
    """Put several files side by side under harmless names of their own, when they are of one kind."""
    kinds = [(item.name, recognise(item.path, READERS.items(), name=item.name)) for item in plain]
    other = next((pair for pair in kinds if pair[1] != kinds[0][1]), None)
    if other is not None:
        labels = [READERS[kind].label for kind in (kinds[0][1], other[1])]
        raise StudioError(
            f"The files are not of one kind: {kinds[0][0]} is {labels[0]}, {other[0]} is {labels[1]}.",
            action="Make one dataset of each file, or upload those of one kind.",
        )
    draft.reader = kinds[0][1]
    folder = ingest.scratch_of(draft) / "source"
    folder.mkdir()
    for item in plain:
        os.replace(item.path, folder / _free_name(folder, item))
    draft.findings["files"] = [name for name, _ in kinds[:LISTED]]
    draft.findings["file_count"] = len(plain)


def _free_name(folder: Path, item: Plain) -> str:
    """A name in ``folder`` that says what kind of file it is and that none has yet."""
    name = ingest.safe_name(item.name)
    if not holds_data(name):
        name = f"{name.strip('_')}{SUFFIXES.get(form_of(item.path), '.csv')}"
    stem, suffix, count = PurePath(name).stem, PurePath(name).suffix, 1
    while (folder / name).exists():
        count += 1
        name = f"{stem}-{count}{suffix}"
    return name


def batch_of(upload: Upload) -> list[Upload]:
    """Other drafts that came in the same upload and wait for their mapping."""
    batch = upload.findings.get("batch")
    return [
        draft
        for draft in ingest.drafts(upload.workspace)
        if batch and draft.pk != upload.pk and draft.findings.get("batch") == batch
    ]

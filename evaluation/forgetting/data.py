"""The datasets of public benchmarks: on this machine already, or fetched under the Studio's own rules for outgoing requests."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.recipes.benchmark_tasks import REVISION, PublicTask
from studio.lib.disk import is_disk_full
from studio.lib.errors import StepError, StudioError
from vault.readers import hub
from vault.store import DiskFull

FOLDER = "benchmarks"
SOURCE_FILE = "source.json"
LIMITS = hub.HubLimits(total_bytes=2 << 30, files=200)
SPLIT = re.compile(r"[A-Za-z0-9][\w-]*")


@dataclass(frozen=True)
class Source:
    """Where datasets lie (``root``), and how the hub is asked for those that do not. ``beat`` is called after every piece."""

    root: Path
    endpoint: str
    allowed_hosts: Collection[str]
    beat: Callable[[], None]


def is_here(task: PublicTask, root: Path) -> bool:
    """Whether a benchmark's dataset lies below ``root``."""
    return any(task.data_folder(root).glob("*/*.parquet"))


def make_ready(tasks: Sequence[PublicTask], source: Source, *, say: Callable[[str], None]) -> None:
    """See to it that every task's dataset lies below the root. Raises ``StepError``, naming all that are missing."""
    missing = [task for task in tasks if not is_here(task, source.root)]
    for task in missing:
        if is_here(task, source.root):  # two tasks of one dataset
            continue
        say(f"{task.label}: fetching {task.repo} from the hub.")
        try:
            fetch(task, source)
        except StudioError as problem:
            raise unavailable(task, missing, source.root, problem) from problem


def unavailable(task: PublicTask, missing: Sequence[PublicTask], root: Path, problem: StudioError) -> StepError:
    """What to do when a dataset is neither here nor to be had."""
    left = [t for t in missing if not is_here(t, root)]
    folders = ", ".join(dict.fromkeys(f"{FOLDER}/{t.data_folder(root).relative_to(root)}/" for t in left))
    return StepError(
        f"The dataset of {task.label} is not on this machine and could not be fetched: {problem}",
        action=f"Put its Parquet files into the data folder as {folders}<split>/0000.parquet, or choose other benchmarks. "
        "The documentation names the command that fetches them elsewhere.",
    )


def fetch(task: PublicTask, source: Source) -> Path:
    """Download one dataset's configuration, every split of it; the folder appears whole or not at all. Raises ``StudioError``."""
    found = hub.look_up(task.repo, revision=REVISION, allowed_hosts=source.allowed_hosts, endpoint=source.endpoint)
    splits: dict[str, list[hub.HubFile]] = {}
    for file in found.files:
        config, _, rest = file.name.partition("/")
        split, _, name = rest.partition("/")
        if config == task.config and SPLIT.fullmatch(split) and name.endswith(".parquet") and "partial-" not in split:
            splits.setdefault(split, []).append(file)
    if not splits:
        raise StudioError(
            f"{task.repo} has no Parquet files of its part {task.config}.", action="Choose another benchmark."
        )
    target = task.data_folder(source.root)
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".fetch-", dir=target.parent))
    try:
        for split, files in splits.items():
            part = replace(found, files=files)
            hub.fetch(
                part,
                scratch / split,
                allowed_hosts=source.allowed_hosts,
                endpoint=source.endpoint,
                limits=LIMITS,
                beat=source.beat,
            )
        told = {"repo": task.repo, "revision": found.revision, "licence": found.licence}
        (scratch / SOURCE_FILE).write_text(json.dumps(told), encoding="utf-8")
        scratch.chmod(0o755)
        if not target.exists():
            scratch.rename(target)
    except OSError as problem:
        if is_disk_full(problem):
            raise DiskFull from problem
        if not is_here(task, source.root):  # otherwise another worker was first, with the same files
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def source_of(task: PublicTask, root: Path) -> str:
    """The hub's commit that a dataset was fetched at, or blank for files that were put there by hand."""
    path = task.data_folder(root) / SOURCE_FILE
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["revision"])
    except (OSError, ValueError, KeyError):
        return ""

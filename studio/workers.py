"""Who does the work: every worker process says what it is and that it lives; people look, and drain a worker.

A worker is one Celery worker of one machine (:class:`studio.models.Worker`), its processes are what claims jobs. A beat is one
small write every :data:`BEAT_SECONDS`. Nothing is decided by it: a job is taken from a dead worker by its lease alone.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import structlog
from django.apps import apps
from django.db import close_old_connections, connections, transaction
from django.db.models import Exists, Q
from django.db.utils import DatabaseError

from studio import jobs, reaping
from studio.models import Worker, WorkerProcess

log = structlog.get_logger(__name__)

BEAT_SECONDS = 15.0
SILENT_AFTER = timedelta(seconds=50)
"""Three beats and a little: a worker that said nothing for longer is called silent."""
FORGET_AFTER = timedelta(days=7)
CODE_FOLDERS = ("studio", "vault", "pipelines", "evaluation")
WORK_QUEUES = ("cpu", "io", "gpu")


# --- what this process is --------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def code_version() -> str:
    """A digest of the Studio's Python files, as they are when this is asked for first."""
    digest = hashlib.sha256()
    root = Path(__file__).resolve().parent.parent
    for folder in CODE_FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:10]


def find_gpus() -> list[dict[str, Any]]:
    """``[{"name", "memory_bytes"}]`` of the GPUs this process may use: asked of nvidia-smi, else of torch in a process of its own.

    ``CUDA_VISIBLE_DEVICES`` with numbers chooses among them.
    """
    found = _ask_nvidia_smi() if shutil.which("nvidia-smi") else []
    if not found and (Path("/dev/kfd").exists() or Path("/dev/nvidiactl").exists()):
        return _ask_torch()
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return found
    numbers = [int(part) for part in chosen.split(",") if part.strip().isdigit()]
    return [found[n] for n in numbers if n < len(found)]


def _ask_nvidia_smi() -> list[dict[str, Any]]:
    command = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    return list(parse_gpus(_answer_of(command)))


def _ask_torch() -> list[dict[str, Any]]:
    """Torch knows GPUs that nvidia-smi doesn't (ROCm), and honours ``CUDA_VISIBLE_DEVICES`` by itself."""
    code = (
        "import torch\n"
        "for i in range(torch.cuda.device_count()):\n"
        "    p = torch.cuda.get_device_properties(i)\n"
        "    print(f'{p.name}, {p.total_memory >> 20}')"
    )
    return list(parse_gpus(_answer_of([sys.executable, "-c", code])))


def _answer_of(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def parse_gpus(text: str) -> Iterable[dict[str, Any]]:
    """Lines of ``name, mebibytes`` as dictionaries; others are passed over."""
    for line in text.splitlines():
        name, _, mebibytes = line.rpartition(",")
        if name and mebibytes.strip().isdigit():
            yield {"name": name.strip(), "memory_bytes": int(mebibytes) << 20}


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return None


# --- a worker's own moves --------------------------------------------------------------------------------------------


@dataclass
class Here:
    """The worker that this process belongs to. ``pk`` is None before its row is written (and in every other process)."""

    label: str = ""
    queues: tuple[str, ...] = ()
    concurrency: int = 1
    pk: int | None = None
    stop: threading.Event = field(default_factory=threading.Event)


here = Here()


def introduce(*, label: str, queues: Iterable[str], concurrency: int) -> None:
    """Say, in a worker's first process, what it is. Nothing is written yet: its processes are not forked."""
    here.label, here.queues, here.concurrency = label, tuple(sorted(queues)), concurrency
    code_version()


def enter(*, beats: bool = True) -> None:
    """Write this process down as one of the introduced worker's, and go on saying that it lives."""
    if not here.label:
        return
    here.stop = threading.Event()
    try:
        here.pk = _register().pk
    except DatabaseError as error:
        # The beat tries again: a worker that people don't see still works.
        log.warning("this worker could not be written down", exc_info=error)
    if beats:
        threading.Thread(target=_beat_on, args=(here.stop,), name="worker-beat", daemon=True).start()


@transaction.atomic
def _register() -> Worker:
    now = jobs.clock()
    facts = {
        "queues": list(here.queues),
        "concurrency": here.concurrency,
        "memory_bytes": _memory_bytes(),
        "cpus": os.cpu_count() or 1,
        "code": code_version(),
        "beat_at": now,
        "stopped_at": None,
    }
    worker, is_new = Worker.objects.select_for_update().get_or_create(
        machine=jobs.machine_name(), label=here.label, defaults={**facts, "started_at": now}
    )
    others = worker.processes.filter(beat_at__gt=now - SILENT_AFTER).exclude(pid=os.getpid())
    if not is_new:
        # The first process of a new start; those that follow belong to the same start.
        begin = worker.started_at if others.exists() and worker.code == facts["code"] else now
        Worker.objects.filter(pk=worker.pk).update(**facts, started_at=begin)
    WorkerProcess.objects.update_or_create(worker=worker, pid=os.getpid(), defaults={"started_at": now, "beat_at": now})
    return worker


def beat() -> None:
    """Say that this process lives; the first beat after a lost row writes it anew."""
    now = jobs.clock()
    if here.pk is None or not WorkerProcess.objects.filter(worker_id=here.pk, pid=os.getpid()).update(beat_at=now):
        here.pk = _register().pk
        return
    Worker.objects.filter(pk=here.pk).update(beat_at=now, stopped_at=None)


def _beat_on(stop: threading.Event) -> None:
    if "gpu" in here.queues:
        gpus = find_gpus()
        _quietly(lambda: Worker.objects.filter(machine=jobs.machine_name(), label=here.label).update(gpus=gpus))
    while not stop.wait(BEAT_SECONDS):
        close_old_connections()
        _quietly(beat)
    connections.close_all()


def _quietly(do: Any) -> None:
    try:
        do()
    except DatabaseError as error:
        log.warning("this worker's beat could not be written", exc_info=error)


def leave() -> None:
    """This process ends: its row goes, and the last one takes the worker's leave."""
    here.stop.set()
    if here.pk is not None:
        WorkerProcess.objects.filter(worker_id=here.pk, pid=os.getpid()).delete()
        _say_good_bye(Worker.objects.filter(pk=here.pk))
        here.pk = None


def may_claim() -> Q:
    """The condition under which this process may take a job: a drained worker takes none. Part of the claim's one UPDATE."""
    if here.pk is None:
        return Q()
    return ~Q(Exists(Worker.objects.filter(pk=here.pk, draining_since__isnull=False)))


def is_drained() -> bool:
    """Whether this process' worker takes no new job."""
    return Worker.objects.filter(machine=jobs.machine_name(), label=here.label, draining_since__isnull=False).exists()


# --- what others do --------------------------------------------------------------------------------------------------


def tidy() -> None:
    """Forget processes of this machine that are gone, say good-bye for workers without any, and drop what is long silent."""
    on_this_machine = WorkerProcess.objects.filter(worker__machine=jobs.machine_name())
    gone = [row.pk for row in on_this_machine if not reaping.is_alive(str(row.pid))]
    if gone:
        WorkerProcess.objects.filter(pk__in=gone).delete()
        _say_good_bye(Worker.objects.filter(machine=jobs.machine_name(), stopped_at__isnull=True))
    # A drained worker is kept: it must still be drained when its machine comes back.
    Worker.objects.filter(beat_at__lt=jobs.clock() - FORGET_AFTER, draining_since__isnull=True).delete()


def _say_good_bye(rows: Any) -> None:
    rows.filter(processes__isnull=True).update(stopped_at=jobs.clock())


def drain(worker: Worker, *, by: str) -> None:
    """Let ``worker`` finish what it does and take nothing new, also after a restart, until :func:`undrain`."""
    Worker.objects.filter(pk=worker.pk, draining_since__isnull=True).update(draining_since=jobs.clock(), drained_by=by)
    _tell(worker, "cancel_consumer")


def undrain(worker: Worker) -> None:
    """Let ``worker`` take jobs again."""
    Worker.objects.filter(pk=worker.pk).update(draining_since=None, drained_by="")
    _tell(worker, "add_consumer")


def _tell(worker: Worker, what: str) -> None:
    """Have the worker listen to its doorbells or not, so that it does not swallow rings that others could follow.

    Only a courtesy: the claim decides, and a swallowed ring is repeated.
    """
    from django.conf import settings
    from kombu.exceptions import OperationalError

    from studio.celery import app

    if not settings.RING:
        return
    try:
        for queue in worker.queues:
            getattr(app.control, what)(queue, destination=[f"{worker.label}@{worker.host}"])
    except (OperationalError, OSError) as error:
        log.warning("the broker did not pass it on", worker=str(worker), exc_info=error)


# --- the page --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WorkerView:
    """A worker as people see it. ``word``: working, idle, draining, drained, silent or stopped; ``tasks`` are its jobs."""

    worker: Worker
    word: str
    tasks: tuple[jobs.Job, ...]
    processes: int
    other_code: bool

    @property
    def is_there(self) -> bool:
        """Whether it lives, as far as anybody knows."""
        return self.word not in ("silent", "stopped")


def list_workers(*, now: datetime | None = None) -> list[WorkerView]:
    """Every worker that was heard of lately, those that live first."""
    now = now or jobs.clock()
    tasks = _running()
    views = []
    for worker in Worker.objects.prefetch_related("processes"):
        pids = [p.pid for p in worker.processes.all()]
        mine = tuple(job for pid in pids for job in tasks.get(f"{worker.machine}:{pid}", ()))
        word = _word(worker, busy=bool(mine), now=now)
        other = bool(worker.code) and worker.code != code_version()
        views.append(WorkerView(worker, word, mine, len(pids), other))
    return sorted(views, key=lambda v: (not v.is_there, v.worker.machine, v.worker.label))


def _word(worker: Worker, *, busy: bool, now: datetime) -> str:
    if worker.stopped_at is not None:
        return "stopped"
    if worker.beat_at < now - SILENT_AFTER:
        return "silent"
    if worker.draining_since is not None:
        return "draining" if busy else "drained"
    return "working" if busy else "idle"


def _running() -> dict[str, list[jobs.Job]]:
    found: dict[str, list[jobs.Job]] = defaultdict(list)
    for model in apps.get_models():
        if issubclass(model, jobs.Job):
            for job in model.list_running():
                found[job.owner].append(job)
    return found


def slots(queue: str, *, now: datetime | None = None) -> int | None:
    """How many jobs of ``queue`` the living, undrained workers do at once; None when no worker was ever written down."""
    now = now or jobs.clock()
    rows = list(Worker.objects.all())
    if not rows:
        return None
    there = [w for w in rows if w.stopped_at is None and w.beat_at >= now - SILENT_AFTER and not w.draining_since]
    return sum(w.concurrency for w in there if queue in w.queues)


def untended(views: Iterable[WorkerView]) -> list[str]:
    """The queues that no living, undrained worker takes jobs from."""
    tended = {q for v in views if v.word in ("working", "idle") for q in v.worker.queues}
    return [queue for queue in WORK_QUEUES if queue not in tended]

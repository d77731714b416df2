"""What a running step may ask of the Studio: scratch space, progress, logs, metrics, child processes."""

from __future__ import annotations

import fcntl
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from pipelines.models import MetricPoint, StepRun
from pipelines.running import attempts
from pipelines.running.child import run_child
from studio.jobs import clock
from studio.lib.errors import StepError
from vault import store

WRITE_EVERY_SECONDS = 1.0


def log_path(step_run_id: Any) -> Path:
    """The file a step's log lines go to."""
    return Path(settings.DATA_ROOT / "logs" / "steps" / f"{step_run_id}.log")


def scratch_name(step_run_id: Any) -> str:
    """The name of a step's scratch folder in the store."""
    return f"steps/{step_run_id}"


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold a scratch folder alone. Raises a retryable ``StepError`` while another process of this machine still has it.

    The database's fencing keeps a worker that lost its lease from recording anything; this keeps it from writing into the
    files of the worker that took over.
    """
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StepError(
                "An earlier attempt of this step is still shutting down.",
                action="It is tried again by itself.",
                retryable=True,
            ) from None
        yield


class StepContext:
    """The :class:`pipelines.steps.base.Context` of one attempt of one step."""

    def __init__(self, job: StepRun, *, on_progress: Callable[[StepRun], None]) -> None:
        self.job = job
        self._on_progress = on_progress
        self.scratch = store.scratch_dir(scratch_name(job.pk))
        log_path(job.pk).parent.mkdir(parents=True, exist_ok=True)
        self.meter = attempts.Meter()
        self._points: dict[tuple[str, int], float] = {}
        self._progress: dict[str, Any] = {}
        self._last_write = 0.0

    @property
    def workspace_id(self) -> uuid.UUID:
        """The workspace the run belongs to."""
        return self.job.run.workspace_id

    @property
    def step_run_id(self) -> uuid.UUID:
        """The id of the step run, for rows that point back to it."""
        return self.job.pk

    @property
    def asks_anew_after(self) -> int | None:
        """See :class:`pipelines.steps.base.Context`."""
        return self.job.answers_after

    @property
    def seed(self) -> int:
        """The step's ``seed`` parameter, 0 when it has none."""
        return int(self.job.params.get("seed") or 0)

    def progress(self, done: int, total: int | None = None, *, unit: str = "rows", note: str = "") -> None:
        """Say how far this is; written at most once a second. Raises ``Cancelled`` or ``LeaseLost``.

        Rate and time left count from the beginning of a stretch of work: a new one begins when the unit or the total
        changes, when ``done`` goes back, and as long as nothing is done. A changing note changes nothing.
        """
        job = self.job
        same = (unit, total) == (job.progress_unit, job.progress_total) and 0 < job.progress_done <= done
        if not same or job.progress_since is None:
            self._progress.update(progress_since=clock(), progress_from=done)
            job.progress_since, job.progress_from = self._progress["progress_since"], done
        self._progress.update(progress_done=done, progress_total=total, progress_unit=unit, progress_note=note[:200])
        job.progress_done, job.progress_total, job.progress_unit = done, total, unit
        self.beat()

    def beat(self, *, force: bool = False) -> None:
        """Show that this attempt is alive and write what is pending. Raises ``Cancelled`` or ``LeaseLost``."""
        now = time.monotonic()
        if not force and now - self._last_write < WRITE_EVERY_SECONDS:
            return
        self._last_write = now
        pending, self._progress = self._progress, {}
        self.job.heartbeat(**pending)
        self._write_points()
        attempts.sample(self.job, self.meter)
        if pending:
            self._on_progress(self.job)

    def flush(self) -> None:
        """Write everything that is pending, at the end of an attempt."""
        self.beat(force=True)

    def log(self, message: str) -> None:
        """Add lines to the step's log, each with its time (UTC); ``pipelines.running.logs`` reads them."""
        stamp = timezone.now().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        with log_path(self.job.pk).open("a", encoding="utf-8") as out:
            for line in message.splitlines() or [""]:
                out.write(f"{stamp}  {line[:4000]}\n")

    def metric(self, name: str, value: float, *, at: int) -> None:
        """Record a point of a live curve; a later value for the same ``at`` (after a resume) replaces the earlier one."""
        self._points[(name[:60], at)] = value

    def _write_points(self) -> None:
        points, self._points = self._points, {}
        rows = [
            MetricPoint(step_run_id=self.job.pk, name=name, at=at, value=value)
            for (name, at), value in points.items()
            if value == value and abs(value) != float("inf")
        ]
        if rows:
            MetricPoint.objects.bulk_create(
                rows, update_conflicts=True, unique_fields=["step_run", "name", "at"], update_fields=["value"]
            )

    def run_child(
        self, module: str, config: Mapping[str, Any], on_event: Callable[[dict[str, Any]], None] | None = None
    ) -> dict[str, Any]:
        """Run a recipe or exporter to its end and return its ``result`` event.

        Progress, metric and log events are handled here; ``on_event`` sees every event as well.
        """

        def handle(event: dict[str, Any]) -> None:
            match event["event"]:
                case "progress":
                    self.progress(
                        int(event.get("done") or 0),
                        event.get("total"),
                        unit=str(event.get("unit") or "rows"),
                        note=str(event.get("note") or ""),
                    )
                case "metric":
                    self.metric(str(event["name"]), float(event["value"]), at=int(event["at"]))
                case "log":
                    self.log(str(event.get("message", "")))
                case "usage":
                    self.meter.note_gpu(event.get("gpu_memory_bytes"))
            if on_event is not None:
                on_event(event)

        result = run_child(
            module, config=config, folder=self.scratch, on_event=handle, beat=self.beat, on_line=self.log
        )
        self.flush()
        return result

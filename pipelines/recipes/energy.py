"""The energy this machine takes while it works: processors by RAPL, NVIDIA GPUs by NVML. Readings, never estimates.

RAPL: counters in microjoules below ``/sys/class/powercap`` (https://docs.kernel.org/power/powercap/powercap.html), one a processor
package and one its memory; they begin again at zero after some minutes under load. NVML: millijoules of a whole board since its driver
was loaded (``nvmlDeviceGetTotalEnergyConsumption``, Volta and later). Both count everything that runs on the machine meanwhile, and what
it takes at rest.
"""

from __future__ import annotations

import contextlib
import ctypes
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

POWERCAP = Path("/sys/class/powercap")
LOOK_EVERY = 20.0
"""Seconds between two looks at the counters: often enough that none comes round twice."""
MICRO, MILLI = 1e-6, 1e-3
NO_RAPL = "this machine shows no counter of its processor's energy"
UNREADABLE_RAPL = "the processor's energy counters may be read by the administrator only"


@dataclass
class Counter:
    """A counter of energy that only grows, but for beginning again at zero behind ``most`` (None: it never does).

    ``read`` gives the value in units of ``unit`` joules and may raise ``OSError`` or ``ValueError``; ``name`` says what it counts.
    """

    name: str
    read: Callable[[], int]
    unit: float
    most: int | None = None


def zones(root: Path = POWERCAP) -> list[Path]:
    """The RAPL folders that together count everything once: packages and the memory beside them, not the parts of a package, and not
    the whole platform, which would count the packages again."""
    found = []
    for folder in sorted(root.glob("intel-rapl:*")):
        name = _text(folder / "name")
        whole = re.fullmatch(r"intel-rapl:\d+", folder.name) is not None
        if (whole and name.startswith("package")) or (not whole and name == "dram"):
            found.append(folder)
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def rapl_counters(root: Path = POWERCAP) -> tuple[list[Counter], str]:
    """The processor's counters, or none and why."""
    found = zones(root)
    counters = []
    for folder in found:
        try:
            int((folder / "energy_uj").read_text(encoding="ascii"))
            most = int((folder / "max_energy_range_uj").read_text(encoding="ascii"))
        except (OSError, ValueError):
            return [], UNREADABLE_RAPL
        read = _reader(folder / "energy_uj")
        counters.append(
            Counter(
                "memory" if _text(folder / "name") == "dram" else "processor", read, MICRO, most if most > 0 else None
            )
        )
    return counters, "" if counters else NO_RAPL


def _reader(path: Path) -> Callable[[], int]:
    return lambda: int(path.read_text(encoding="ascii"))


def nvml_counters(uuids: Sequence[str], library: Any = None) -> tuple[list[Counter], str]:
    """The counters of these GPUs (``GPU-…``, as the driver names them), or none and why. ``library``: NVML, loaded here when None."""
    if not uuids:
        return [], ""
    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1") if library is None else library
    except OSError:
        return [], "the GPU's driver library was not found"
    if nvml.nvmlInit_v2():
        return [], "the GPU's driver does not answer"
    counters = []
    for uuid in uuids:
        handle = ctypes.c_void_p()
        if nvml.nvmlDeviceGetHandleByUUID(uuid.encode(), ctypes.byref(handle)):
            return [], "the driver does not know the GPU that was used"
        counter = Counter("GPU", _gpu_reader(nvml, handle), MILLI)
        try:
            counter.read()
        except OSError:
            return [], "this GPU counts no energy"
        counters.append(counter)
    return counters, ""


def _gpu_reader(nvml: Any, handle: ctypes.c_void_p) -> Callable[[], int]:
    def read() -> int:
        value = ctypes.c_ulonglong()
        if code := nvml.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(value)):
            raise OSError(f"NVML answered {code}")
        return int(value.value)

    return read


def gpus_in_use() -> list[str]:
    """The driver's names of the GPUs that torch uses in this process; of GPUs that are not NVIDIA's none."""
    import torch

    if not torch.cuda.is_available() or torch.version.hip:
        return []
    found = []
    for number in range(torch.cuda.device_count()):
        uuid = getattr(torch.cuda.get_device_properties(number), "uuid", None)
        if uuid is not None:
            found.append(f"GPU-{str(uuid).removeprefix('GPU-')}")
    return found


class Meter:
    """Adds up what a few counters count from its start on. A counter that fails ends the measurement: half of it would be a lie."""

    def __init__(self, counters: Sequence[Counter], reasons: Sequence[str] = ()) -> None:
        self._counters = list(counters)
        self._lock = threading.Lock()
        self._joules = 0.0
        self._why = "; ".join(dict.fromkeys(r for r in reasons if r))
        self._last: list[int] = []
        self._over = threading.Event()
        self._failed = False
        if self._counters:
            self._look()
            threading.Thread(target=self._watch, name="energy", daemon=True).start()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_EVERY):
            self._look()

    def _look(self) -> None:
        with self._lock:
            if self._failed or not self._counters:
                return
            try:
                now = [counter.read() for counter in self._counters]
            except (OSError, ValueError):
                self._failed, self._why = True, "a counter of energy could no longer be read"
                return
            for counter, before, after in zip(self._counters, self._last, now, strict=False):
                self._joules += since(before, after, most=counter.most) * counter.unit
            self._last = now

    def joules(self) -> float | None:
        """Joules since the start, or None where nothing is measured."""
        self._look()
        return None if self._failed or not self._counters else self._joules

    def told(self) -> dict[str, Any]:
        """``{"joules", "counted", "why"}``: the sum so far or null, what was counted, and what was not, with the reason."""
        joules = self.joules()
        names = sorted({counter.name for counter in self._counters}, key=("GPU", "processor", "memory").index)
        return {
            "joules": None if joules is None else round(joules, 3),
            "counted": [] if joules is None else names,
            "why": self._why,
        }

    def close(self) -> None:
        """Look no more."""
        self._over.set()


def since(before: int, after: int, *, most: int | None) -> int:
    """How far a counter went. It began again at zero when it shows less than before and has an end; otherwise it was set back, and
    only what it shows since then is known."""
    if after >= before:
        return after - before
    return after + (most - before if most is not None and most >= before else 0)


def open_meter(*, gpu: bool = True) -> Meter:
    """A meter over everything that can be read here: the processor's packages and memory and, with ``gpu``, the GPUs that torch uses."""
    processor, why_processor = rapl_counters()
    board: list[Counter] = []
    why_board = ""
    if gpu:
        with contextlib.suppress(ImportError):
            board, why_board = nvml_counters(gpus_in_use())
    return Meter([*board, *processor], [why_board, why_processor])

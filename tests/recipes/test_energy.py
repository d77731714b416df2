"""Energy counters: which are read, how they come round, and what is said where there are none."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import pytest

from pipelines.recipes.energy import (
    NO_RAPL,
    UNREADABLE_RAPL,
    Counter,
    Meter,
    nvml_counters,
    rapl_counters,
    since,
    zones,
)


def zone(root: Path, folder: str, name: str, energy: int | str, most: int = 262_143_328_850) -> Path:
    """A RAPL folder as Linux shows it."""
    made = root / folder
    made.mkdir(parents=True)
    (made / "name").write_text(f"{name}\n")
    (made / "energy_uj").write_text(f"{energy}\n")
    (made / "max_energy_range_uj").write_text(f"{most}\n")
    return made


@pytest.fixture
def powercap(tmp_path: Path) -> Path:
    """Two packages with their parts, the memory of one, and the whole platform."""
    zone(tmp_path, "intel-rapl:0", "package-0", 1_000_000)
    zone(tmp_path, "intel-rapl:0:0", "core", 400_000)
    zone(tmp_path, "intel-rapl:0:1", "dram", 50_000, 65_712_999_613)
    zone(tmp_path, "intel-rapl:1", "package-1", 2_000_000)
    zone(tmp_path, "intel-rapl:2", "psys", 9_000_000)
    (tmp_path / "intel-rapl").mkdir()
    return tmp_path


def test_packages_and_memory_are_counted_once_and_their_parts_not_again(powercap: Path) -> None:
    assert [folder.name for folder in zones(powercap)] == ["intel-rapl:0", "intel-rapl:0:1", "intel-rapl:1"]
    counters, why = rapl_counters(powercap)
    assert [(c.name, c.read()) for c in counters] == [
        ("processor", 1_000_000),
        ("memory", 50_000),
        ("processor", 2_000_000),
    ]
    assert why == ""


def test_what_is_counted_is_added_up_in_joules(powercap: Path) -> None:
    meter = Meter(rapl_counters(powercap)[0])
    (powercap / "intel-rapl:0" / "energy_uj").write_text("13500000")
    (powercap / "intel-rapl:0:1" / "energy_uj").write_text("1050000")
    assert meter.told() == {"joules": 13.5, "counted": ["processor", "memory"], "why": ""}
    (powercap / "intel-rapl:1" / "energy_uj").write_text("4000000")
    assert meter.joules() == pytest.approx(15.5)
    meter.close()


def test_a_counter_that_came_round_goes_on_where_it_stood(powercap: Path) -> None:
    most = 262_143_328_850
    (powercap / "intel-rapl:0" / "energy_uj").write_text(str(most - 2_000_000))
    meter = Meter(rapl_counters(powercap)[0])
    (powercap / "intel-rapl:0" / "energy_uj").write_text("3000000")
    assert meter.joules() == pytest.approx(5.0)
    meter.close()


@pytest.mark.parametrize(
    ("before", "after", "most", "went"),
    [(5, 9, 10, 4), (9, 9, 10, 0), (9, 2, 10, 3), (9, 2, None, 2), (99, 2, 10, 2)],
)
def test_how_far_a_counter_went_is_never_negative(before: int, after: int, most: int | None, went: int) -> None:
    assert since(before, after, most=most) == went


def test_a_machine_without_counters_says_so_and_gives_no_figure(tmp_path: Path) -> None:
    counters, why = rapl_counters(tmp_path / "nothing")
    assert (counters, why) == ([], NO_RAPL)
    meter = Meter(counters, [why, why])
    assert meter.told() == {"joules": None, "counted": [], "why": NO_RAPL}


@pytest.mark.parametrize("broken", ["", "many"])
def test_counters_that_cannot_be_read_give_no_figure(powercap: Path, broken: str) -> None:
    (powercap / "intel-rapl:1" / "energy_uj").write_text(broken)
    assert rapl_counters(powercap) == ([], UNREADABLE_RAPL)


def test_counters_of_the_administrator_alone_are_named(powercap: Path) -> None:
    # A folder in the file's place can't be read by anybody, the administrator who may run this test included.
    (powercap / "intel-rapl:0" / "energy_uj").unlink()
    (powercap / "intel-rapl:0" / "energy_uj").mkdir()
    assert rapl_counters(powercap) == ([], UNREADABLE_RAPL)


def test_a_counter_that_fails_on_the_way_ends_the_measurement(powercap: Path) -> None:
    meter = Meter(rapl_counters(powercap)[0])
    (powercap / "intel-rapl:1" / "energy_uj").unlink()
    told = meter.told()
    assert told["joules"] is None
    assert told["counted"] == []
    assert "no longer" in told["why"]
    meter.close()


class Driver:
    """The functions of NVML that are used, over boards whose millijoules are known."""

    def __init__(self, boards: dict[str, int | None], *, up: bool = True) -> None:
        self.boards, self.up = boards, up
        self.names = list(boards)

    def nvmlInit_v2(self) -> int:
        return 0 if self.up else 9

    def nvmlDeviceGetHandleByUUID(self, uuid: bytes, handle: Any) -> int:
        if uuid.decode() not in self.boards:
            return 6
        handle._obj.value = self.names.index(uuid.decode()) + 1
        return 0

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: ctypes.c_void_p, value: Any) -> int:
        energy = self.boards[self.names[(handle.value or 0) - 1]]
        if energy is None:
            return 3
        value._obj.value = energy
        return 0


def test_boards_are_read_in_joules_beside_the_processor(powercap: Path) -> None:
    driver = Driver({"GPU-a": 1_000, "GPU-b": 5_000})
    board, why = nvml_counters(["GPU-a", "GPU-b"], driver)
    meter = Meter([*board, *rapl_counters(powercap)[0]], [why])
    driver.boards["GPU-a"], driver.boards["GPU-b"] = 3_000, 5_500
    (powercap / "intel-rapl:0" / "energy_uj").write_text("2000000")
    assert meter.told() == {"joules": 3.5, "counted": ["GPU", "processor", "memory"], "why": ""}
    meter.close()


@pytest.mark.parametrize(
    ("driver", "said"),
    [
        (Driver({"GPU-a": 1}, up=False), "does not answer"),
        (Driver({}), "does not know the GPU"),
        (Driver({"GPU-a": None}), "counts no energy"),
    ],
)
def test_a_board_that_counts_nothing_says_why(driver: Driver, said: str) -> None:
    counters, why = nvml_counters(["GPU-a"], driver)
    assert counters == []
    assert said in why


def test_without_a_gpu_nothing_is_said_of_gpus() -> None:
    assert nvml_counters([]) == ([], "")


def test_the_meter_looks_by_itself_so_that_no_counter_comes_round_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.recipes.energy.LOOK_EVERY", 0.005)
    values = iter(range(0, 10_000_000, 7))
    looked = 0

    def read() -> int:
        nonlocal looked
        looked += 1
        return next(values) % 10

    meter = Meter([Counter("processor", read, 1.0, most=10)])
    while looked < 5:
        pass
    assert (meter.joules() or 0) >= 7 * 4
    meter.close()

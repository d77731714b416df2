"""When does the student pay for itself? Traffic, prices and one-off cost in; payback, monthly saving and sensitivity out. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

DAYS = 365.25 / 12
"""Days in a month."""
HORIZON = 24
"""Months of the picture."""


@dataclass(frozen=True)
class Assumptions:
    """``per_day``: answers a day. ``teacher_per_1000``: US$ for 1,000 teacher's answers. ``machine_per_month``: US$ of the
    machine the student runs on, which is paid whether it is used or not; ``machine_per_1000``: US$ for 1,000 answers where it
    is paid by use. ``handed_back``: share of answers (0..1) that go to the teacher after all. ``one_off``: US$ already paid or
    to be paid once (teacher calls, GPU hours, people's hours)."""

    per_day: float
    teacher_per_1000: float
    machine_per_month: float = 0.0
    machine_per_1000: float = 0.0
    handed_back: float = 0.0
    one_off: float = 0.0

    @property
    def per_month(self) -> float:
        """Answers a month."""
        return self.per_day * DAYS


class Result(NamedTuple):
    """US$ a month with the teacher alone, with the student, what is saved (negative: what it costs more), and after how many
    months the one-off cost is back; None when it never is, 0 when there was none. ``break_even_per_day``: answers a day at
    which both cost the same each month, None when the student is not cheaper an answer."""

    teacher: float
    student: float
    saving: float
    payback_months: float | None
    break_even_per_day: float | None

    @property
    def payback_text(self) -> str:
        """After what time the one-off cost is back: ``never``, ``at once``, ``9 days``, ``3.4 months``."""
        if self.payback_months is None:
            return "never"
        if self.payback_months == 0:
            return "at once"
        if self.payback_months >= 2:
            return f"{self.payback_months:,.1f} months"
        days = math.ceil(self.payback_months * DAYS)
        return f"{days} day{'s' if days != 1 else ''}"

    @property
    def cost(self) -> float:
        """What the student costs more a month, where it saves nothing."""
        return max(0.0, -self.saving)


def calculate(given: Assumptions) -> Result:
    """The monthly sums and the payback."""
    thousands = given.per_month / 1000
    teacher = thousands * given.teacher_per_1000
    per_1000 = given.machine_per_1000 + given.handed_back * given.teacher_per_1000
    student = given.machine_per_month + thousands * per_1000
    saving = teacher - student
    payback = None
    if given.one_off <= 0 and saving >= 0:
        payback = 0.0
    elif saving > 0:
        payback = given.one_off / saving
    gain = given.teacher_per_1000 - per_1000
    even = given.machine_per_month / gain * 1000 / DAYS if gain > 0 else None
    return Result(teacher, student, saving, payback, even)


def price_to_beat(given: Assumptions) -> float | None:
    """US$ for 1,000 teacher's answers from which on the student saves money each month; None where no price is enough."""
    if given.handed_back >= 1 or given.per_day <= 0:
        return None
    own = given.machine_per_1000 + given.machine_per_month / (given.per_month / 1000)
    return own / (1 - given.handed_back)


class Line(NamedTuple):
    """One line of the sensitivity table: what was changed, and the result then."""

    label: str
    assumptions: Assumptions
    result: Result


def sensitivity(given: Assumptions) -> list[Line]:
    """Half and double of each assumption that is not zero, one at a time, and a quarter of the answers handed back."""
    changes = {
        "per_day": "Traffic",
        "teacher_per_1000": "Teacher's price",
        "machine_per_month": "Machine's price",
        "machine_per_1000": "Price of the student's answers",
        "one_off": "One-off cost",
    }
    lines = []
    for name, label in changes.items():
        value = getattr(given, name)
        if value:
            for factor, word in ((0.5, "half"), (2.0, "double")):
                changed = replace(given, **{name: factor * value})
                lines.append(Line(f"{label}: {word}", changed, calculate(changed)))
    if given.handed_back < 0.25:
        changed = replace(given, handed_back=0.25)
        lines.append(Line("A quarter of the answers handed back to the teacher", changed, calculate(changed)))
    return lines


class Point(NamedTuple):
    """US$ spent in total after so many months, with the teacher alone and with the student."""

    month: int
    teacher: float
    student: float


def spent(given: Assumptions, *, months: int = HORIZON) -> list[Point]:
    """What was spent in total by each month, from 0 on."""
    result = calculate(given)
    return [Point(m, m * result.teacher, given.one_off + m * result.student) for m in range(months + 1)]


def nice_steps(top: float, *, most: int = 4) -> list[float]:
    """Round numbers from 0 up to at least ``top``, at most ``most`` steps, for an axis."""
    if not math.isfinite(top) or top <= 0:
        return [0.0, 1.0]
    rough = top / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * (1 - 1e-9))
    return [step * i for i in range(math.ceil(top / step - 1e-9) + 1)]


class Frame(NamedTuple):
    """The picture's box in SVG units."""

    width: int = 640
    height: int = 280
    left: int = 64
    right: int = 140
    top: int = 16
    bottom: int = 36


def picture(given: Assumptions, *, months: int = HORIZON, frame: Frame | None = None) -> dict[str, object]:
    """What was spent in total month by month as two lines, where they cross, and the ticks: coordinates in SVG units.

    ``cross`` is None when the lines don't meet within the months shown. Names of the lines stand at their ends, moved apart
    where they would be written over each other.
    """
    box = frame or Frame()
    points = spent(given, months=months)
    steps = nice_steps(max(max(p.teacher, p.student) for p in points))
    x0, x1, y0, y1 = box.left, box.width - box.right, box.height - box.bottom, box.top

    def x_at(month: float) -> float:
        return round(x0 + (x1 - x0) * month / months, 1)

    def y_at(usd: float) -> float:
        return round(y0 + (y1 - y0) * usd / steps[-1], 1)

    payback = calculate(given).payback_months
    cross = None
    if payback is not None and 0 < payback <= months:
        cross = {
            "x": x_at(payback),
            "y": y_at(payback * calculate(given).teacher),
            "months": payback,
            "text": calculate(given).payback_text,
            # Its name stands at the top of the line, on the side where there is room.
            "anchor": "end" if payback > months / 2 else "start",
        }
    ends = {name: y_at(getattr(points[-1], name)) for name in ("teacher", "student")}
    if abs(ends["teacher"] - ends["student"]) < 16:
        upper = min(ends, key=lambda name: ends[name])
        middle = sum(ends.values()) / 2
        ends = {name: middle + (-8 if name == upper else 8) for name in ends}
    return {
        **box._asdict(),
        "x0": x0,
        "x1": x1,
        "y0": y0,
        "y1": y1,
        "lines": [
            {
                "role": name,
                "points": " ".join(f"{x_at(p.month)},{y_at(getattr(p, name))}" for p in points),
                "text": f"{name.capitalize()} {'alone' if name == 'teacher' else 'instead'}",
                "y": round(ends[name], 1),
            }
            for name in ("teacher", "student")
        ],
        "cross": cross,
        "x_ticks": [{"x": x_at(m), "text": str(m)} for m in range(0, months + 1, max(1, months // 8))],
        "y_ticks": [{"y": y_at(usd), "text": short_usd(usd)} for usd in steps],
    }


def short_usd(value: float) -> str:
    """A sum for an axis: ``$0``, ``$0.25``, ``$400``, ``$12k``, ``$1.5M``."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"${value / size:g}{letter}"
    return f"${value:g}"

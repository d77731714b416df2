"""What a number of rows can show, before they are asked: sample sizes and detectable differences of paired yes-or-no answers.

Everything hangs on the *discordance*: the share of rows that exactly one of the two gets right. Two candidates that mostly
fail on the same rows are told apart with far fewer rows than two that fail on different ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from evaluation.statistics.distributions import normal_quantile, upper_tail
from evaluation.statistics.estimates import CONFIDENCE, z_value

POWER = 0.8
DISCORDANCE = 0.1
"""Expected where nothing was seen yet: one row in ten is got right by exactly one of student and teacher."""
TABLE_ROWS = (100, 200, 400, 1_000, 2_000, 5_000, 10_000)


class PowerLine(NamedTuple):
    """``rows`` can show a ``difference`` (0..1); None when no difference that size of discordance allows would show."""

    rows: int
    difference: float | None


def rows_for_difference(
    difference: float, *, discordance: float, power: float = POWER, confidence: float = CONFIDENCE
) -> int | None:
    """Rows with which a true paired ``difference`` is found significant with probability ``power`` (Connor 1987).

    None when the difference is 0 or larger than the discordance, which can't be.
    """
    d = abs(difference)
    if d == 0 or not 0 < discordance <= 1 or d > discordance:
        return None
    beyond = z_value(confidence) * math.sqrt(discordance) + normal_quantile(power) * math.sqrt(discordance - d * d)
    return math.ceil((beyond / d) ** 2)


def power_for_difference(
    rows: int, *, difference: float, discordance: float, confidence: float = CONFIDENCE
) -> float | None:
    """The probability that ``rows`` show a true ``difference``; the inverse of :func:`rows_for_difference`."""
    d = abs(difference)
    if rows <= 0 or d == 0 or not 0 < discordance <= 1 or d > discordance:
        return None
    spread = math.sqrt(max(discordance - d * d, 1e-12))
    return upper_tail((z_value(confidence) * math.sqrt(discordance) - d * math.sqrt(rows)) / spread)


def detectable_difference(
    rows: int, *, discordance: float = DISCORDANCE, power: float = POWER, confidence: float = CONFIDENCE
) -> float | None:
    """The smallest true difference that ``rows`` show with probability ``power``; None when even the largest would not."""
    if rows <= 0 or not 0 < discordance <= 1:
        return None

    def enough(d: float) -> bool:
        found = power_for_difference(rows, difference=d, discordance=discordance, confidence=confidence)
        return found is not None and found >= power

    low, high = 0.0, discordance
    if not enough(high):
        return None
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def rows_for_margin(
    margin: float, *, discordance: float = DISCORDANCE, power: float = POWER, confidence: float = CONFIDENCE
) -> int | None:
    """Rows with which two equally good candidates are shown to lie within ``margin`` with probability ``power``.

    None for a margin of 0: equality can't be shown. Never fewer than the score test asks of rows that all agree.
    """
    if margin <= 0:
        return None
    z = z_value(confidence)
    share = min(max(discordance, 0.0), 1.0)
    beyond = math.ceil(share * ((z + normal_quantile(power)) / margin) ** 2)
    return max(beyond, math.ceil(z * z * (1 - margin) / margin), 1)


def power_table(
    *, discordance: float = DISCORDANCE, rows: Sequence[int] = TABLE_ROWS, power: float = POWER
) -> list[PowerLine]:
    """What each number of rows can show."""
    return [PowerLine(n, detectable_difference(n, discordance=discordance, power=power)) for n in rows]

"""How far reviewers agree, and how surely a sample speaks for the whole: pure functions of plain numbers and names.

Shares are 0..1, never percent. A rating is any hashable name; a missing rating is left out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from itertools import permutations
from statistics import NormalDist
from typing import NamedTuple

CONFIDENCE = 0.95


class Share(NamedTuple):
    """A share, its interval, and how many observations stand behind it."""

    value: float
    low: float
    high: float
    n: int

    @property
    def margin(self) -> float:
        """Half the width of the interval: the ± of the share."""
        return (self.high - self.low) / 2


def cohen_kappa(pairs: Sequence[tuple[Hashable, Hashable]]) -> float | None:
    """Agreement of two people beyond chance (Cohen 1960), or None without rows that both rated.

    When chance alone would always agree (both gave one and the same rating throughout), kappa is 1.0.
    """
    n = len(pairs)
    if n == 0:
        return None
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    observed = sum(a == b for a, b in pairs) / n
    expected = sum(first[name] * second[name] for name in first) / (n * n)
    return 1.0 if expected == 1 else (observed - expected) / (1 - expected)


def krippendorff_alpha(units: Iterable[Sequence[Hashable]]) -> float | None:
    """Krippendorff's alpha for nominal ratings, any number of people, missing ratings allowed.

    ``units`` holds for each row the ratings that were given; rows with fewer than two say nothing and are left out. None
    when no row has two. When every rating is one and the same there is nothing to disagree about, and alpha is 1.0.

    Source: K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section C: with the coincidence matrix
    ``o`` (each ordered pair within a unit of ``m`` ratings counts ``1 / (m - 1)``), its margins ``n_c`` and ``n = Σ n_c``:
    ``alpha = 1 - (n - 1) · Σ_{c≠k} o_ck / Σ_{c≠k} n_c n_k``.
    """
    coincidences: Counter[tuple[Hashable, Hashable]] = Counter()
    for ratings in units:
        if len(ratings) < 2:
            continue
        weight = 1 / (len(ratings) - 1)
        for pair in permutations(ratings, 2):
            coincidences[pair] += weight  # type: ignore[assignment]
    if not coincidences:
        return None
    margins: dict[Hashable, float] = {}
    for (name, _), weight in coincidences.items():
        margins[name] = margins.get(name, 0.0) + weight
    n = math.fsum(margins.values())
    differing = math.fsum(weight for (a, b), weight in coincidences.items() if a != b)
    by_chance = n * n - math.fsum(count * count for count in margins.values())
    return 1.0 if len(margins) == 1 else 1 - (n - 1) * differing / by_chance


def fleiss_kappa(units: Iterable[Sequence[Hashable]]) -> float | None:
    """Fleiss' kappa (1971) of rows that were each rated by the same number of people, two or more; None without rows.

    Raises ``ValueError`` when the numbers differ: :func:`krippendorff_alpha` takes such ratings. When every rating is one
    and the same, kappa is 1.0.
    """
    totals: Counter[Hashable] = Counter()
    agreeing, rows, people = 0.0, 0, 0
    for ratings in units:
        people = people or len(ratings)
        if len(ratings) != people or people < 2:
            raise ValueError("Fleiss' kappa needs the same number of ratings, at least two, on every row.")
        counts = Counter(ratings)
        totals.update(counts)
        agreeing += (sum(c * c for c in counts.values()) - people) / (people * (people - 1))
        rows += 1
    if rows == 0:
        return None
    expected = sum(c * c for c in totals.values()) / (rows * people) ** 2
    return 1.0 if len(totals) == 1 else (agreeing / rows - expected) / (1 - expected)


def wilson(errors: float, n: int, *, population: int | None = None, confidence: float = CONFIDENCE) -> Share | None:
    """A share with Wilson's score interval (Wilson 1927), or None when nothing was looked at.

    ``errors`` may be a fraction (a row on which reviewers are split counts in part). With ``population`` the ``n`` rows are a
    sample without replacement from that many: the finite population correction makes ``n`` count as
    ``n · (population - 1) / (population - n)`` (Cochran 1977, section 2.6), and a full count has no interval.
    """
    if n == 0:
        return None
    p = errors / n
    if population is not None and n >= population:
        return Share(p, p, p, n)
    seen = n * (population - 1) / (population - n) if population is not None else float(n)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    centre = (p + z * z / (2 * seen)) / (1 + z * z / seen)
    half = z / (1 + z * z / seen) * math.sqrt(p * (1 - p) / seen + z * z / (4 * seen * seen))
    low = 0.0 if errors == 0 else max(0.0, centre - half)
    high = 1.0 if errors == n else min(1.0, centre + half)
    return Share(p, low, high, n)


def rows_needed(margin: float, *, population: int, share: float = 0.5, confidence: float = CONFIDENCE) -> int:
    """The smallest random sample whose Wilson interval is ``±margin`` or narrower, if its share of errors is ``share``.

    ``share`` 0.5 is the widest case: what to plan with before anything is known. ``margin`` is above 0. At most ``population``.
    """
    low, high = 0, population
    while low < high:
        middle = (low + high) // 2
        found = wilson(share * middle, middle, population=population, confidence=confidence)
        if found is not None and found.margin <= margin:
            high = middle
        else:
            low = middle + 1
    return low

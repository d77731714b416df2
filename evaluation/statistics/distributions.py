"""Tails of the normal and of Student's distribution, so that nothing at run time needs scipy."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist


def upper_tail(z: float) -> float:
    """The standard normal's probability above ``z``, exact far out as well."""
    return math.erfc(z / math.sqrt(2)) / 2


def normal_quantile(p: float) -> float:
    """The standard normal's quantile, ``p`` strictly between 0 and 1."""
    return NormalDist().inv_cdf(p)


def student_tail(t: float, degrees: float) -> float:
    """Student's probability above ``t`` for ``degrees`` > 0 degrees of freedom, by the incomplete beta function."""
    if math.isinf(t):
        return 0.0 if t > 0 else 1.0
    share = t * t / (degrees + t * t)
    # Whichever end is the small one is computed: the difference from 1 would lose its digits.
    half = (1 - _beta_share(share, 0.5, degrees / 2) if share < 0.5 else _beta_share(1 - share, degrees / 2, 0.5)) / 2
    return half if t >= 0 else 1 - half


@lru_cache(maxsize=256)
def student_quantile(p: float, degrees: float) -> float:
    """Student's quantile for ``p`` from 0.5 up to, but not, 1: ``student_quantile(0.975, 9)`` is 2.262."""
    high = 1.0
    while student_tail(high, degrees) > 1 - p:
        high *= 2
    low = 0.0
    for _ in range(100):
        middle = (low + high) / 2
        if student_tail(middle, degrees) > 1 - p:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _beta_share(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function (Press et al., Numerical Recipes, section 6.4)."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(x, a, b) / a
    return 1 - front * _fraction(1 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    """Its continued fraction by Lentz's method."""
    tiny = 1e-300
    c, d = 1.0, 1 / max(abs(1 - (a + b) * x / (a + 1)), tiny)
    found = d
    for m in range(1, 400):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _away(1 + term * d, tiny)
            c = _away(1 + term / c, tiny)
            found *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return found


def _away(value: float, tiny: float) -> float:
    return value if abs(value) > tiny else tiny

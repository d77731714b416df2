"""Figures as people read them: percents, points, times, money. Never rounds a near miss up to certainty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evaluation.statistics import Estimate

UNKNOWN = "unknown"


def percent_figure(value: float) -> str:
    """A proportion as percent with one decimal; 99.97 % reads 99.9 and 0.01 % reads 0.1, so that neither looks absolute."""
    text = f"{100 * value:.1f}"
    if text == "100.0" and value < 1:
        return "99.9"
    if text == "0.0" and value > 0:
        return "0.1"
    return text


def percent(value: float) -> str:
    """``92.5 %``."""
    return f"{percent_figure(value)} %"


def interval(value: Estimate) -> str:
    """``95 % interval 91.5 to 93.4 %``."""
    return f"95 % interval {percent_figure(value.low)} to {percent_figure(value.high)} %"


def points(value: float, *, signed: bool = False) -> str:
    """A difference of proportions in points: ``1.4 points``, ``1 point``, ``−0.3 points``."""
    shown = f"{100 * value:+.1f}" if signed else f"{100 * value:.1f}"
    if float(shown) == 0:
        shown = "0"
    shown = shown.removesuffix(".0").replace("-", "−")
    return f"{shown} {'point' if shown.lstrip('+−') == '1' else 'points'}"


def point_range(value: Estimate) -> str:
    """``95 % interval −1.4 to +0.2 points``."""
    low, high = points(value.low, signed=True), points(value.high, signed=True)
    return f"95 % interval {low.split()[0]} to {high}"


def figure(value: float, *, unit: str) -> str:
    """A metric's value in its unit: ``92.5 %`` or ``0.87``."""
    return percent(value) if unit == "%" else f"{value:.3f}"


def figure_range(value: Mapping[str, Any], *, unit: str) -> str:
    """A metric's interval in its unit: ``91.5–93.4`` or ``0.861–0.882``; empty when it has none."""
    if value.get("low") is None or value.get("high") is None:
        return ""
    if unit == "%":
        return f"{percent_figure(value['low'])}–{percent_figure(value['high'])}"
    return f"{value['low']:.3f}–{value['high']:.3f}".replace("-", "−")


def milliseconds(value: float | None) -> str:
    """``85 ms``, ``1.24 s``."""
    if value is None:
        return UNKNOWN
    if value >= 1000:
        return f"{value / 1000:.2f} s"
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


def joules(value: float | None) -> str:
    """``0.42 J``, ``12.3 J``, ``1,240 J``."""
    if value is None:
        return UNKNOWN
    if value >= 100:
        return f"{value:,.0f} J"
    return f"{value:.1f} J" if value >= 10 else f"{value:.2g} J" if value < 0.1 else f"{value:.2f} J"


def money(value: float | None) -> str:
    """US dollars with as many decimals as the sum deserves: ``$12.40``, ``$0.0031``."""
    if value is None:
        return UNKNOWN
    if value == 0:
        return "$0"
    if value < 0.0001:
        return "under $0.0001"
    decimals = 2 if value >= 0.1 else 3 if value >= 0.01 else 4
    return f"${value:,.{decimals}f}"


def p_value(value: float) -> str:
    """``p = 0.031``, ``p < 0.001``."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def rounded(n: int) -> str:
    """A row count to two figures: it is an estimate and should read like one."""
    digits = max(0, len(str(n)) - 2)
    return f"{round(n, -digits):,}"

"""The assumptions of the break-even page as a form, filled in with what the run and the report have measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from evaluation.breakeven import Assumptions
from evaluation.models import Scorecard

MOST = 1e12
PER_DAY = 1000.0
"""Answers a day until the reader says better."""


def number_field(label: str, *, unit: str, help_text: str = "", most: float = MOST) -> forms.FloatField:
    """A number from 0 up with its unit in the label."""
    field = forms.FloatField(
        label=f"{label} ({unit})", min_value=0, max_value=most, help_text=help_text, widget=forms.NumberInput()
    )
    field.widget.attrs |= {"step": "any", "inputmode": "decimal"}
    return field


class BreakevenForm(forms.Form):
    """Every figure can be changed; nothing is stored, the address holds them."""

    per_day = number_field("Traffic", unit="answers a day")
    teacher_per_1000 = number_field("Teacher's price", unit="US$ for 1,000 answers")
    teacher_per_1000.required = False
    teacher_per_1000.by_choice = True  # type: ignore[attr-defined]  # Not optional: without it there is no result.
    machine_per_month = number_field(
        "Student's machine", unit="US$ a month", help_text="Paid whether it is used or not. 0 where it is paid by use."
    )
    machine_per_1000 = number_field(
        "Student's price", unit="US$ for 1,000 answers", help_text="Where it is paid by use."
    )
    handed_back = number_field(
        "Handed back to the teacher", unit="% of answers", most=100, help_text="Where the student is not sure enough."
    )
    teacher_calls = number_field("Teacher calls of the run", unit="US$")
    hours = number_field("Machine time of the run", unit="hours")
    per_hour = number_field("Price of that machine", unit="US$ an hour")

    def assumptions(self) -> Assumptions:
        """The cleaned values; call it after ``is_valid``."""
        v = self.cleaned_data
        return Assumptions(
            per_day=v["per_day"],
            teacher_per_1000=v["teacher_per_1000"] or 0.0,
            machine_per_month=v["machine_per_month"],
            machine_per_1000=v["machine_per_1000"],
            handed_back=v["handed_back"] / 100,
            one_off=v["teacher_calls"] + v["hours"] * v["per_hour"],
        )


def measured(card: Scorecard, report: Mapping[str, Any]) -> dict[str, float | None]:
    """What is known before anybody types: prices from the report, cost and hours of the run that made it. None: not known."""
    prices = {c["kind"]: (c["cost_per_1000"] or {}).get("value") for c in reversed(report["candidates"])}
    confirmed = (report.get("cascade") or {}).get("confirmed") or {}
    steps = list(card.step_run.run.steps.all())
    paid = sum(float(step.summary.get("cost_usd") or 0) for step in steps)
    hours = sum(step.seconds or 0.0 for step in steps if step.queue == "gpu") / 3600
    teacher = prices.get("teacher")
    found = {
        "per_day": PER_DAY,
        "teacher_per_1000": round(teacher, 4) if teacher else None,
        "machine_per_month": 0.0,
        "machine_per_1000": round(prices.get("student") or 0.0, 4),
        "handed_back": round(100 * (confirmed.get("handed_back") or 0.0), 1),
        "teacher_calls": round(paid, 4),
        "hours": round(hours, 2),
        "per_hour": 0.0,
    }
    return {n: int(value) if value is not None and value == int(value) else value for n, value in found.items()}

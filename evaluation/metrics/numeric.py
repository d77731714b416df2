"""How often a candidate arrives at the right number."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Literal

from evaluation.metrics.base import Item, Metric, target_of
from studio.lib.params import BaseParams, param

POINT = re.compile(r"(?<![\w.,])[-−+]?(?:\d{1,3}(?:,\d{3})+(?![\d])|\d+)?(?:\.\d+)?(?:[eE][-+]?\d{1,3})?(?!\d)")
COMMA = re.compile(
    r"(?<![\w.,])[-−+]?(?:\d{1,3}(?:[.\u00a0\u202f ]\d{3})+(?![\d])|\d+)?(?:,\d+)?(?:[eE][-+]?\d{1,3})?(?!\d)"
)
LONGEST = 100
"""A number of more characters is none."""


class Numeric(Metric):
    """Share of rows whose number is the reference's within the tolerance, or the teacher's where there is no reference.

    The number is taken out of the text around it. A row whose reference has no number does not count; an answer without one is wrong.
    """

    label = "Right number"
    tasks = ("text",)
    binary = True

    class Params(BaseParams):
        """Which number, and how near it must be. It is right within either tolerance."""

        which: Literal["last", "first"] = param(
            "last", label="Which number", help="Of several in one text. Reasoning usually ends with its result."
        )
        decimal: Literal["point", "comma"] = param("point", label="Decimal sign", help="1,234.5 or 1.234,5.")
        absolute: float = param(0.0, label="Absolute tolerance", ge=0, allow_inf_nan=False)
        relative: float = param(
            0.0, label="Relative tolerance", help="Of the right number: 0.01 is one percent.", ge=0, le=1
        )

    def score(self, item: Item) -> float | None:
        """1.0 for the right number, 0.0 otherwise and for a failed answer, None where no right number is known."""
        target = target_of(item)
        wanted = None if target is None else self.find(target)
        if wanted is None:
            return None
        given = None if item.answer is None else self.find(item.answer)
        if given is None:
            return 0.0
        allowed = max(Decimal(str(self.params.absolute)), Decimal(str(self.params.relative)) * abs(wanted))
        return float(abs(given - wanted) <= allowed)

    def find(self, text: str) -> Decimal | None:
        """The number in a text, or None."""
        comma = self.params.decimal == "comma"
        found = [m[0] for m in (COMMA if comma else POINT).finditer(text) if any(c.isdigit() for c in m[0])]
        if not found:
            return None
        digits = (found[-1] if self.params.which == "last" else found[0]).replace("−", "-")
        if len(digits) > LONGEST:
            return None
        plain = re.sub(r"[.\s]", "", digits).replace(",", ".") if comma else digits.replace(",", "")
        try:
            return Decimal(plain)
        except InvalidOperation:
            return None

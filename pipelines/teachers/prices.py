"""What an answer costs: a small, dated table of list prices that a step's own ``price_in`` and ``price_out`` override.

Prices are US dollars for a million tokens at the standard tier and ordinary context lengths, without batch discounts.
They change: the table is a convenience for the cost shown beside a run, the provider's invoice is the truth.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipelines.teachers.base import Usage

AS_OF = "2026-11"
MILLION = 1_000_000
_SNAPSHOT = re.compile(r"(-\d{4}-\d{2}-\d{2}|-\d{8}|-latest)$")


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens: fresh input, output, and input read from the provider's cache."""

    input: float
    output: float
    cached: float

    def of(self, usage: Usage) -> float:
        """The cost of one answer in US dollars."""
        fresh = usage.input_tokens - usage.cached_tokens
        return (fresh * self.input + usage.cached_tokens * self.cached + usage.output_tokens * self.output) / MILLION


FREE = Price(0.0, 0.0, 0.0)

PRICES: dict[str, dict[str, Price]] = {
    "openai": {
        "gpt-6-astra": Price(10.00, 50.00, 1.00),
        "gpt-6-sol": Price(2.00, 10.00, 0.20),
        "gpt-6-luna": Price(0.10, 0.50, 0.01),
        "gpt-5.6-sol": Price(5.00, 30.00, 0.50),
        "gpt-5.6-terra": Price(2.00, 12.00, 0.20),
        "gpt-5.6-luna": Price(0.20, 1.20, 0.02),
        "gpt-5.5": Price(5.00, 30.00, 0.50),
        "gpt-5.4": Price(2.50, 15.00, 0.25),
        "gpt-5.4-mini": Price(0.75, 4.50, 0.075),
        "gpt-5.4-nano": Price(0.20, 1.25, 0.02),
        "gpt-5-mini": Price(0.25, 2.00, 0.025),
        "gpt-4.1": Price(2.00, 8.00, 0.50),
        "gpt-4o": Price(2.50, 10.00, 1.25),
        "gpt-4o-mini": Price(0.15, 0.60, 0.075),
    },
    "anthropic": {
        "claude-fable-5": Price(10.00, 50.00, 1.00),
        "claude-opus-5-5": Price(4.00, 20.00, 0.20),
        "claude-opus-5": Price(5.00, 25.00, 0.50),
        "claude-opus-4-8": Price(5.00, 25.00, 0.50),
        "claude-opus-4-7": Price(5.00, 25.00, 0.50),
        "claude-opus-4-6": Price(5.00, 25.00, 0.50),
        "claude-opus-4-5": Price(5.00, 25.00, 0.50),
        "claude-sonnet-5-5": Price(2.00, 10.00, 0.20),
        "claude-sonnet-5": Price(2.00, 10.00, 0.20),
        "claude-sonnet-4-6": Price(3.00, 15.00, 0.30),
        "claude-sonnet-4-5": Price(3.00, 15.00, 0.30),
        "claude-haiku-4-5": Price(1.00, 5.00, 0.10),
    },
}


def find_price(
    teacher: str, model: str, *, price_in: float | None = None, price_out: float | None = None
) -> Price | None:
    """The price of a teacher's model, or None when it is not known.

    ``price_in`` and ``price_out`` (both or neither) win over the table; cached input is then charged as fresh input. A dated
    snapshot (``gpt-4o-2024-11-20``) has the price of its model.
    """
    if price_in is not None and price_out is not None:
        return Price(price_in, price_out, price_in)
    table = PRICES.get(teacher, {})
    return table.get(model) or table.get(_SNAPSHOT.sub("", model))

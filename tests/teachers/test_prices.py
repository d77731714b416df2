"""What an answer costs."""

from __future__ import annotations

import pytest

from pipelines.teachers.base import Usage
from pipelines.teachers.prices import FREE, PRICES, Price, find_price
from studio.registries import TEACHERS


def test_cached_input_is_charged_at_its_own_price() -> None:
    price = Price(input=2.0, output=10.0, cached=0.5)
    assert price.of(Usage(input_tokens=1_000_000, output_tokens=100_000, cached_tokens=400_000)) == pytest.approx(
        1.2 + 1.0 + 0.2
    )
    assert FREE.of(Usage(10, 10, 10)) == 0


@pytest.mark.parametrize("model", ["gpt-4o-mini", "gpt-4o-mini-2024-07-18", "gpt-4o-mini-latest"])
def test_a_dated_snapshot_has_the_price_of_its_model(model: str) -> None:
    assert find_price("openai", model) == PRICES["openai"]["gpt-4o-mini"]
    assert find_price("anthropic", "claude-haiku-4-5-20251001") == PRICES["anthropic"]["claude-haiku-4-5"]


def test_an_unknown_model_has_no_price_rather_than_a_wrong_one() -> None:
    assert find_price("openai", "gpt-4o-mini-turbo") is None
    assert find_price("openai_compatible", "gpt-4o-mini") is None


def test_the_users_prices_win_and_both_are_needed() -> None:
    assert find_price("openai", "gpt-4o-mini", price_in=1.0, price_out=2.0) == Price(1.0, 2.0, 1.0)
    assert find_price("openai", "unheard-of", price_in=1.0) is None


def test_the_table_names_real_teachers_and_sane_prices() -> None:
    assert set(PRICES) <= set(TEACHERS)
    for table in PRICES.values():
        for price in table.values():
            assert 0 < price.cached < price.input < price.output

"""The number format of the weights is the one this machine is quick in."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from pipelines.recipes import precision  # noqa: E402
from pipelines.recipes.events import RecipeError  # noqa: E402


@pytest.mark.parametrize(
    ("measured", "chosen"), [(66.0, "float32"), (1.6, "float32"), (1.2, "bfloat16"), (0.3, "bfloat16")]
)
def test_bfloat16_is_chosen_where_the_processor_is_not_much_slower_in_it(
    measured: float, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "slowdown", lambda: measured)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert precision.name_of(precision.choose("auto")) == chosen


@pytest.mark.parametrize("wanted", ["bfloat16", "float32"])
def test_what_was_asked_for_is_not_questioned(wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "slowdown", lambda: pytest.fail("nothing to measure"))
    assert precision.name_of(precision.choose(wanted)) == wanted


def test_an_unknown_word_names_those_that_are_known() -> None:
    with pytest.raises(RecipeError, match="float16"):
        precision.choose("float16")


def test_the_slowdown_is_measured_on_this_processor() -> None:
    assert precision.slowdown() > 0

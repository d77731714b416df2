"""Settings of metrics as a person types them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from evaluation.figures.metric_settings import describe_settings, read_settings
from evaluation.report.document import Options, load_metrics
from evaluation.steps.evaluate import Evaluate
from studio.lib.params import problems


@pytest.mark.parametrize(
    "text", ["numeric: {relative: 0.01}", "numeric:\n  relative: 0.01", '{"numeric": {"relative": 0.01}}']
)
def test_yaml_and_json_say_the_same(text: str) -> None:
    found = read_settings(text)
    assert found["numeric"]["relative"] == 0.01
    assert found["numeric"]["which"] == "last"
    assert describe_settings(found) == "Right number: relative 0.01"


@pytest.mark.parametrize("text", ["", "  \n", "chrf:"])
def test_nothing_said_is_nothing_changed(text: str) -> None:
    assert describe_settings(read_settings(text)) == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("numerik: {}", "Did you mean 'numeric'?"),
        (
            "numeric: {relative: 7, which: middle}\nchrf: {odrer: 1}",
            "numeric.which: .* chrf.odrer: There is no such parameter",
        ),
        ("[1, 2]", "one metric a line"),
        ("numeric: {", "neither YAML nor JSON"),
        ("a: &x [1]\nb: *x", "not followed"),
        ("regex: {pattern: '('}", "can't be used"),
        ("numeric: 5", "numeric: "),
        ("[" * 5000, "nested too deeply|can't be read|neither"),
        ("!!python/object/apply:os.system ['true']", "neither YAML nor JSON"),
    ],
)
def test_every_problem_is_told(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_settings(text)


def test_the_step_shows_the_problem_at_its_field() -> None:
    with pytest.raises(ValidationError) as caught:
        Evaluate.Params(metric_settings="numeric: {relative: 7}")
    ((field, message),) = problems(caught.value)
    assert field == "metric_settings"
    assert message.startswith("numeric.relative: ")


def test_they_reach_the_metrics_of_the_report() -> None:
    settings = read_settings("chrf: {order: 2}")
    metrics = load_metrics(Options(metrics=["chrf", "token_f1"], metric_settings=settings))
    assert metrics["chrf"].params.order == 2


def test_the_verdict_can_not_go_by_what_has_no_good_end() -> None:
    with pytest.raises(ValidationError):
        Evaluate.Params(metrics=["length"], measure="length")

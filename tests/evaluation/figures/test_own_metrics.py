"""Metrics of one's own as a person types them, and where they go."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from evaluation.candidates.predictions import Candidate, Prediction
from evaluation.figures.metric_names import apart, judging, named, own_of
from evaluation.figures.own_metrics import EXAMPLE, described, read_own
from evaluation.report.document import Options, build_report, load_metrics
from evaluation.rows.measures import measure_rows, read_measures
from evaluation.steps.evaluate import Evaluate
from studio.lib.params import problems
from vault.rows import Row, assistant

TWO = """
- name: short
  label: Short enough
  expression: len(answer) <= 5
- name: size
  expression: len(answer) / 10
  scale: share
  better: lower
"""


def candidates() -> list[Candidate]:
    def answers(*texts: str) -> dict[str, Prediction]:
        return {str(i): Prediction(str(i), text=text) for i, text in enumerate(texts)}

    return [
        Candidate("teacher", "Teacher", "teacher", answers("fine", "fine")),
        Candidate("student", "Student", "student", answers("far too long", "fine")),
    ]


ROWS = [
    Row(str(i), [{"role": "user", "content": "How?"}], completion=assistant("fine"), reference=assistant("good"))
    for i in range(2)
]


def test_they_stand_in_the_report_as_every_other() -> None:
    options = Options(metrics=["accuracy"], own=read_own(TWO), measure="short")
    metrics = load_metrics(options)
    report = build_report(ROWS, candidates(), options, metrics)
    assert [m["name"] for m in report["metrics"]] == ["accuracy", "short", "size"]
    assert report["metrics"][1]["help"] == "Own metric: len(answer) <= 5"
    student = report["candidates"][1]["metrics"]
    assert (student["short"]["value"], student["size"]["value"]) == (0.5, pytest.approx(0.7))
    assert report["settings"]["measure"] == "short"
    assert report["non_inferiority"]["measure"] == "short"
    assert "lies outside 0 to 1" in " ".join(report["notes"])
    lines = read_measures(measure_rows(ROWS, candidates(), metrics)["student"]["0"])
    assert [(line["label"], line["text"]) for line in lines] == [("Short enough", "no"), ("Size", "")]
    assert lines[1]["failed"].startswith("it gives 1.2")
    told = described(report)["size"]
    assert told.pop("hash") != described(report)["short"]["hash"] and told.pop("expression") == "len(answer) / 10"
    assert told == {"label": "Size", "unit": "%", "higher_is_better": False, "judges": True}


def test_metrics_of_one_name_that_compute_something_else_are_kept_apart() -> None:
    one = {"short": {"label": "Short", "hash": "aa", "expression": "len(answer) < 5"}}
    other = {"short": {"label": "Short", "hash": "bb", "expression": "len(answer) < 9"}}
    found = apart([one, other, one, {}])
    assert found.keys == [{"short": "short"}, {"short": "short~bb"}, {"short": "short"}, {}]
    assert {key: told["label"] for key, told in found.table.items()} == {
        "short": "Short · len(answer) < 5",
        "short~bb": "Short · len(answer) < 9",
    }
    alone = apart([one, one])
    assert alone.table["short"]["label"] == "Short" and alone.keys == [{"short": "short"}] * 2
    before = apart([{"short": {"label": "Short"}}, one])
    assert before.keys == [{"short": "short"}, {"short": "short~aa"}]
    assert before.table["short"]["label"] == "Short · expression not kept"


def test_lists_know_them_by_their_evaluation() -> None:
    own = own_of(
        [{"a": {"label": "A", "unit": "%", "higher_is_better": True, "judges": True}}, {"a": {"label": "old"}}]
    )
    found = named("a", own)
    assert found is not None
    assert found.label == "A"
    assert list(judging(own))[-1] == "a"
    assert named("a") is None
    assert named("accuracy") is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("short: len(answer)", "Write a list"),
        ("- 5", "Write a list"),
        ("- {name: accuracy, expression: 1 < 2}", "has a figure of this name"),
        ("- {name: auto, expression: 1 < 2}", "has a figure of this name"),
        ("- {name: a, expression: 1 < 2}\n- {name: a, expression: 1 < 2}", "two of this name"),
        (
            "- {name: a, expression: 'answr == 1'}\n- {name: b}",
            "a, expression: character 1: There is no “answr”.* b, expression",
        ),
        ("- {name: a, expresion: 1 < 2}", "no such parameter"),
        ("\n".join(f"- {{name: a{i}, expression: 1 < 2}}" for i in range(21)), "at most 20"),
        ("- {name: [", "neither YAML"),
        ("- &x {name: a, expression: 1 < 2}\n- *x", "not followed"),
    ],
)
def test_every_problem_is_told(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_own(text)


def test_the_example_works() -> None:
    assert read_own(EXAMPLE)[0].name == "short"
    assert read_own("  ") == []


def test_the_step_shows_problems_at_their_fields() -> None:
    with pytest.raises(ValidationError) as caught:
        Evaluate.Params(own_metrics="- {name: a, expression: 'open(1)'}")
    ((field, message),) = problems(caught.value)
    assert field == "own_metrics"
    assert "character 1: There is no function “open”" in message


@pytest.mark.parametrize(
    ("measure", "said"),
    [
        ("shrt", "Did you mean 'short'"),
        ("plain", "needs a good end"),
        ("length", "no end of it is the good one"),
        ("bleu", "must be one of the metrics"),
    ],
)
def test_the_measure_must_be_one_that_judges(measure: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Evaluate.Params(own_metrics=f"{TWO}- {{name: plain, expression: 1 < 2, better: neither}}", measure=measure)
    assert Evaluate.Params(own_metrics=TWO, measure="short").measure == "short"

"""The documentation's table of metrics says what the registry says."""

from __future__ import annotations

from pathlib import Path

from studio.lib.params import describe
from studio.registries import METRICS

PAGE = Path(__file__).resolve().parents[2] / "docs/concepts/evaluation.md"
BETTER = {True: "higher", False: "lower", None: "neither"}


def line_of(name: str) -> str:
    """The metric's line of the table."""
    metric = METRICS[name]
    tasks = {("labels",): "labels", ("text",): "free text"}.get(metric.tasks, "both")
    settings = ", ".join(f"`{field.name}`" for field in describe(metric.Params)) or "none"
    return f"| `{name}` | {metric.label} | {tasks} | {BETTER[metric.higher_is_better]} | {settings} |"


def test_every_metric_is_in_the_table_as_it_is() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [line_of(name) for name in METRICS if line_of(name) not in text] == []


def test_the_table_names_no_metric_that_is_gone() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("## All metrics")[2].partition("\n## ")[0]
    named = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]
    assert named == list(METRICS)

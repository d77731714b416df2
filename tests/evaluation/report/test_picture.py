"""Quality, cost and latency in one picture: who stands where, who is on the front, what is said where something is unknown."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from evaluation.candidates.predictions import Candidate, Prediction, teacher_of
from evaluation.report.document import Options, build_report
from evaluation.report.picture import CHARACTER, Point, Spot, apart, front_of, picture, round_axis
from tests.evaluation.conftest import make_candidate, make_rows
from vault.rows import Row


def timed(name: str, kind: str, milliseconds: float, text: str = "card", **more: Any) -> Candidate:
    """A candidate that answers r0 in so many milliseconds."""
    answers = {"r0": Prediction("r0", text=text, latency_ms=milliseconds)}
    return Candidate(name, name, kind, answers, **more)  # type: ignore[arg-type]


def box(dot: Point) -> tuple[float, float, float, float]:
    """Where a dot's name is written: left, right, top, bottom."""
    near, far = (
        (dot.x - 12, dot.x - 12 - CHARACTER * len(dot.text))
        if dot.anchor == "end"
        else (dot.x + 12, dot.x + 12 + CHARACTER * len(dot.text))
    )
    return min(near, far), max(near, far), dot.y + dot.dy - 9, dot.y + dot.dy + 2


def overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    """Whether two boxes share a place."""
    return a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3]


def draw(rows: list[Row], candidates: list[Candidate]) -> dict[str, Any]:
    """The picture of a report on these rows."""
    found = picture(build_report(rows, candidates, Options(labels=["card"])))
    assert found is not None
    return found


def test_the_faster_stands_to_the_left_and_the_better_above() -> None:
    rows = make_rows([("card", "card")])
    speed, _ = draw(rows, [timed("base", "base", 900, text="cash"), timed("student", "student", 40)])["panels"]
    dots = {dot.role: dot for dot in speed["dots"]}
    assert dots["student"].x < dots["base"].x
    assert dots["student"].y < dots["base"].y
    assert [t["text"] for t in speed["x_ticks"]] == ["10 ms", "100 ms", "1 s"]
    assert dots["base"].low >= dots["base"].y >= dots["base"].high


def test_what_is_unknown_is_a_line_across_that_says_so() -> None:
    rows = make_rows([("card", "card")])
    candidates = [teacher_of(rows), timed("base", "base", 900), timed("student", "student", 40, usd_per_row=0.001)]
    found = draw(rows, candidates)
    speed, price = found["panels"]
    assert [line["text"] for line in speed["lines"]] == ["Teacher, 100.0 %, not timed"]
    assert [line["role"] for line in price["lines"]] == ["teacher", "base"]
    assert len({line["y"] + line["dy"] for line in price["lines"]}) == 2
    assert [dot.role for dot in price["dots"]] == ["student"]


def test_nobody_timed_and_no_price_is_said_and_drawn_without_dots() -> None:
    found = draw(make_rows([("card", "card")]), [make_candidate("student", ["card"])])
    assert found["empty"]
    assert all(panel["x_ticks"] == [] and panel["path"] == "" for panel in found["panels"])


def test_no_rows_and_no_candidates_have_no_picture() -> None:
    assert picture(build_report([], [], Options())) is None
    assert picture(build_report([], [make_candidate("student", [])], Options(labels=["card"]))) is None


def test_a_price_of_nothing_is_free_and_does_not_break_the_scale() -> None:
    rows = make_rows([("card", "card")])
    _, price = draw(rows, [timed("student", "student", 1, usd_per_row=0.0), timed("base", "base", 1, usd_per_row=0.1)])[
        "panels"
    ]
    assert [line["text"] for line in price["lines"]] == ["student, 100.0 %, free"]


def spot(name: str, quality: float, latency: float | None, cost: float | None) -> Spot:
    """A candidate without intervals."""
    return Spot(
        name,
        name,
        "student",
        (quality, quality, quality),
        None if latency is None else (latency, latency, latency),
        None if cost is None else (cost, cost, cost),
    )


def test_the_front_holds_whom_nobody_beats_in_everything() -> None:
    spots = [
        spot("teacher", 0.97, 900, 4),
        spot("student", 0.92, 40, 0.1),
        spot("small", 0.9, 30, 0.1),
        spot("base", 0.4, 60, 0.2),
        spot("unpriced", 0.91, 35, None),
        spot("nothing known", 0.99, None, None),
    ]
    assert front_of(spots) == {"teacher", "student", "small", "unpriced"}


def test_equal_candidates_are_all_on_the_front() -> None:
    assert front_of([spot("a", 0.5, 10, 1), spot("b", 0.5, 10, 1)]) == {"a", "b"}


@pytest.mark.parametrize(("quality", "cut"), [(0.2, False), (0.97, True)])
def test_the_quality_axis_says_when_it_does_not_begin_at_zero(quality: float, cut: bool) -> None:
    n = 2000
    rows = make_rows([("card", "card")] * n)
    texts: list[str | None] = ["card" if i < quality * n else "cash" for i in range(n)]
    found = draw(rows, [make_candidate("student", texts)])
    assert found["cut"] is cut
    assert found["panels"][0]["y_ticks"][-1]["text"] == "100 %"


def test_names_that_would_be_written_over_one_another_are_moved_apart() -> None:
    dots = [
        Point("base", 100, 50, 45, 55, "One name", "start"),
        Point("student", 110, 52, 45, 55, "Another", "start"),
        Point("student", 110, 52, 45, 55, "A third", "start"),
    ]
    names = [box(dot) for dot in apart(dots)]
    assert not any(overlap(a, b) for a, b in itertools.combinations(names, 2))


def test_a_name_is_never_written_over_another_dot() -> None:
    dots = [
        Point("quantised", 180, 80, 78, 82, "GGUF, 80.9 %", "start"),
        Point("student", 250, 79, 77, 81, "Student, 81.4 %", "end"),
    ]
    placed = apart(dots, ends=(52, 464))
    for dot in placed:
        others = [d for d in placed if d is not dot]
        assert not any(overlap(box(dot), (d.x - 5, d.x + 5, d.y - 5, d.y + 5)) for d in others)


def test_the_axis_ends_on_round_figures_around_what_is_shown() -> None:
    assert round_axis(0.79, 0.817) == [0.79, 0.8, 0.81, 0.82]
    assert round_axis(0.79, 0.99) == [0.7, 0.8, 0.9, 1.0] and round_axis(0.5, 0.5) == [0.5, 0.505]
    assert round_axis(-0.4, 0.9)[0] <= -0.4


def test_a_name_that_would_leave_the_panel_stands_to_the_left_of_its_dot() -> None:
    (dot,) = apart([Point("base", 300, 50, 45, 55, "A name that is quite long", "start")], ends=(52, 400))
    assert dot.anchor == "end"


def test_places_are_plain_numbers() -> None:
    rows = make_rows([("card", "card")])
    found = draw(rows, [timed("base", "base", 1e-3), timed("student", "student", 1e7)])
    assert json.dumps(found["panels"], allow_nan=False)


def test_memory_is_a_column_only_where_somebodys_is_known() -> None:
    rows = make_rows([("card", "card")])
    assert not draw(rows, [timed("student", "student", 40)])["any_memory"]
    assert draw(rows, [timed("student", "student", 40, peak_bytes=1 << 30)])["any_memory"]


def test_energy_is_a_column_only_where_it_was_measured_and_the_note_says_of_what() -> None:
    rows = make_rows([("card", "card")])
    processor = {"joules": 0.5, "counted": ["processor", "memory"], "why": ""}
    found = draw(rows, [timed("student", "student", 40, energy=processor)])
    assert found["energies"] == {"student": "0.50 J"}
    assert "of processor and memory" in found["energy_note"]
    assert draw(rows, [timed("student", "student", 40)])["energy_note"] == ""


def test_energy_that_nobody_can_measure_here_is_said_with_the_reason() -> None:
    rows = make_rows([("card", "card")])
    nothing = {"joules": None, "counted": [], "why": "this machine shows no counter"}
    found = draw(rows, [timed("student", "student", 40, energy=nothing)])
    assert not found["any_energy"]
    assert found["energy_note"] == "Energy: not measurable here (this machine shows no counter)."

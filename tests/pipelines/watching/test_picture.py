"""Where the boxes of a run stand: nothing covers anything, the builder's places are kept, long paths are folded."""

from __future__ import annotations

from itertools import combinations

from pipelines.watching import picture


def overlap(a: picture.Box, b: picture.Box) -> bool:
    return abs(a.x - b.x) < picture.WIDTH and abs(a.y - b.y) < picture.HEIGHT


def chain(count: int) -> dict[str, list[str]]:
    return {f"s{i}": [f"s{i - 1}"] if i else [] for i in range(count)}


def test_a_long_path_is_folded_and_no_box_covers_another() -> None:
    drawn = picture.draw(chain(12), places={})
    assert drawn.width < 6 * (picture.WIDTH + picture.GAP_X)
    assert not any(overlap(a, b) for a, b in combinations(drawn.boxes, 2))
    assert len(drawn.lines) == 11 and all(line.path.startswith("M") for line in drawn.lines)


def test_branches_stand_below_each_other_in_one_column() -> None:
    drawn = picture.draw({"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}, places={})
    at = {box.id: box for box in drawn.boxes}
    assert at["b"].x == at["c"].x and at["b"].y != at["c"].y
    assert at["a"].x < at["b"].x < at["d"].x
    assert len(drawn.lines) == 4


def test_the_builders_places_are_kept_and_drawn_closer_together() -> None:
    places = {"s0": [0, 0], "s1": [312, 0], "s2": [624, 40], "s3": [0, 260]}
    drawn = picture.draw(chain(4), places=places)
    at = {box.id: box for box in drawn.boxes}
    assert at["s0"].y == at["s1"].y < at["s2"].y < at["s3"].y
    assert at["s0"].x == at["s3"].x < at["s1"].x < at["s2"].x
    assert at["s1"].x - at["s0"].x < 312
    assert not any(overlap(a, b) for a, b in combinations(drawn.boxes, 2))


def test_a_step_the_builder_has_no_place_for_makes_the_columns_apply() -> None:
    drawn = picture.draw(chain(3), places={"s0": [0, 0], "s1": [900, 900]})
    assert [box.y for box in drawn.boxes] == [picture.MARGIN] * 3


def test_boxes_that_lie_on_each_other_and_feeders_that_are_gone_are_no_trouble() -> None:
    drawn = picture.draw({"a": ["gone"], "b": ["a"]}, places={"a": [5, 5], "b": [5, 5]})
    assert len(drawn.boxes) == 2 and [(line.source, line.target) for line in drawn.lines] == [("a", "b")]
    assert picture.draw({}, places={}).boxes == []

"""The pipeline of the next round: a spec with more rows wired into its training, and nothing else changed. Pure.

New rows come in *behind* the split, so that the held-out rows stay what they were and the next report can be held against
this one, and through a leakage guard, so that none of them is like a held-out row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pipelines.building.editing import free_id
from studio.lib.errors import StudioError

Kind = Literal["more", "add"]
KINDS: dict[str, str] = {
    "more": "Write prompts like the training rows nearest to the groups",
    "add": "Add the rows of a dataset you have",
}


class NoPlace(StudioError):
    """The pipeline has no training that rows could be added to."""


@dataclass(frozen=True)
class Change:
    """What the next round does differently. ``seeds``: the version (slug, number) of the rows to write after, or to add.

    ``nearest``: of the rows to add only so many, those most like the held-out rows with the ids ``lost``; 0: all of them. ``writer``: params of ``more_like_these``. ``answerer``: params of ``generate`` for the new rows; None: they keep theirs.
    """

    kind: Kind
    seeds: tuple[str, int]
    writer: Mapping[str, Any] = field(default_factory=dict)
    answerer: Mapping[str, Any] | None = None
    nearest: int = 0
    lost: Sequence[str] = ()


@dataclass(frozen=True)
class Place:
    """Where rows go in: the train step and what feeds it, the evaluate step and its held-out rows (``node.port``)."""

    train: str
    source: str
    evaluate: str
    held_out: str
    validation: str
    guard: str


def find_place(draft: Mapping[str, Any], *, evaluate: str = "") -> Place:
    """Where training rows reach the student that ``evaluate`` judges. Raises :class:`NoPlace`."""
    feeds = {edge["to"]: edge["from"] for edge in draft["edges"]}
    steps = {node["id"]: node["step"] for node in draft["nodes"]}
    judged = [evaluate] if steps.get(evaluate) == "evaluate" else [n for n, step in steps.items() if step == "evaluate"]
    for name in judged:
        train = feeds.get(f"{name}.student", "").partition(".")[0]
        source = feeds.get(f"{train}.train", "")
        if steps.get(train) == "train" and source:
            owner, _, port = source.partition(".")
            guard = (
                owner if steps.get(owner) == "leakage_guard" and port == "train" and f"{owner}.train" in feeds else ""
            )
            held_out, validation = feeds.get(f"{name}.rows", ""), feeds.get(f"{train}.validation", "")
            return Place(train, source, name, held_out, validation, guard)
    raise NoPlace(
        "This pipeline has no train step whose student it evaluates, so that there is no place for more training rows.",
        action="Wire a train step to the evaluate step, or change the pipeline by hand.",
    )


def next_spec(draft: Mapping[str, Any], change: Change, *, evaluate: str = "") -> dict[str, Any]:
    """The draft with the change in it. Raises :class:`NoPlace`."""
    place = find_place(draft, evaluate=evaluate)
    made = _Builder(draft)
    slug, number = change.seeds
    wanted = "near_the_losses" if change.kind == "more" else "more_rows"
    new = made.add(wanted, "dataset", {"dataset": slug, "version": number}) + ".rows"
    if change.kind == "more":
        writer = made.add("more_like_these", "more_like_these", change.writer)
        made.wire(new, f"{writer}.rows")
        if place.held_out:
            made.wire(place.held_out, f"{writer}.held_out")
        new = f"{writer}.rows"
    elif change.nearest:
        chooser = made.add(
            "nearest_to_losses", "nearest_rows", {"count": change.nearest, "ids": "\n".join(change.lost)}
        )
        made.wire(new, f"{chooser}.rows")
        made.wire(place.held_out, f"{chooser}.like")
        new = f"{chooser}.rows"
    if change.answerer is not None:
        answerer = made.add("answers_to_new_rows", "generate", change.answerer)
        made.wire(new, f"{answerer}.rows")
        new = f"{answerer}.rows"
    entry = f"{place.guard}.train" if place.guard else f"{place.train}.train"
    before = made.feed(entry)
    if not place.guard:
        # Of the new rows alone: old ones that it dropped would be a second change, and the report could not tell them apart.
        guard = made.add("guard_new_rows", "leakage_guard", {})
        made.wire(new, f"{guard}.train")
        for port, end in (("test", place.held_out), ("validation", place.validation)):
            if end:
                made.wire(end, f"{guard}.{port}")
        new = f"{guard}.train"
    join = made.add("with_new_rows", "join", {})
    made.wire(before, f"{join}.rows")
    made.wire(new, f"{join}.more")
    made.wire(f"{join}.rows", entry)
    if not place.guard and made.feed(f"{place.evaluate}.train") == before:
        made.wire(f"{join}.rows", f"{place.evaluate}.train")
    return made.spec


class _Builder:
    """A copy of a draft that is added to."""

    def __init__(self, draft: Mapping[str, Any]) -> None:
        self._rest = {key: value for key, value in draft.items() if key not in ("nodes", "edges")}
        self._nodes, self._edges = list(draft["nodes"]), list(draft["edges"])

    def add(self, wanted: str, step: str, params: Mapping[str, Any]) -> str:
        """A node under a free name."""
        name = free_id((node["id"] for node in self._nodes), wanted)
        self._nodes.append({"id": name, "step": step, "params": dict(params)})
        return name

    def feed(self, end: str) -> str:
        """What feeds an input; empty for nothing."""
        return next((str(edge["from"]) for edge in self._edges if edge["to"] == end), "")

    def wire(self, source: str, end: str) -> None:
        """Feed an input from this output, and from nothing else."""
        self._edges = [edge for edge in self._edges if edge["to"] != end]
        self._edges.append({"from": source, "to": end})

    @property
    def spec(self) -> dict[str, Any]:
        """The changed draft."""
        return {**self._rest, "nodes": self._nodes, "edges": self._edges}


def teacher_of(draft: Mapping[str, Any]) -> dict[str, Any] | None:
    """The params of the pipeline's own teacher that can be asked, the first; None where all answers are recorded."""
    for node in draft["nodes"]:
        if node["step"] == "generate" and (node.get("params") or {}).get("teacher", "openai") != "recorded":
            return dict(node.get("params") or {})
    return None


def message_for(names: Iterable[str], kind: str, *, run: int) -> str:
    """Why the version was made: ``After run 3: more prompts like “card, lost”.``"""
    told = ", ".join(f"“{name[:60]}”" for name in names)
    what = "more prompts like" if kind == "more" else "rows added for"
    return f"After run {run}: {what} {told}."[:300]

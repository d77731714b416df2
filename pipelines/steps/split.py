"""Split rows into train, validation and test so that no prompt, and no near-copy of one, is on two sides."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from pydantic import model_validator

from pipelines.steps import base, sieve
from pipelines.steps.base import Context, InputArtifact, Output, Port, StepResult
from studio.lib.errors import StepError
from studio.lib.params import BaseParams, param
from vault.lineage import group_of, question, question_key
from vault.quality.near_duplicates import find_groups, join, roots
from vault.rows import Row, count_rows, normalise, read_rows, write_rows

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")
PROMPT = "prompt"
NEAR = "near duplicates"


class Split(base.Step):
    """Orders prompts by a seeded hash and cuts: test from the front, validation from the back, train between.

    Prompts that differ only in case, spaces, punctuation or system prompt stay together, and on request near-duplicates or
    rows that share a field. With labels, each label is cut in the same shares. Rows added later move only the rows at a cut,
    and never between test and validation.
    """

    label = "Split"
    group = "Curation"
    help = "Holds rows back from training, so that the student is judged on prompts it has never seen."
    inputs = {"rows": Port("dataset", "Rows to split")}
    outputs = {
        "train": Port("dataset", "Rows the student learns from"),
        "validation": Port("dataset", "Rows that steer the training"),
        "test": Port("dataset", "Held-out rows for the evaluation"),
    }

    class Params(BaseParams):
        validation: float = param(0.1, label="Validation share", help="0.1 is 10 % of the rows.", ge=0, le=0.9)
        test: float = param(0.1, label="Test share", help="Held out for the evaluation. 0.1 is 10 %.", ge=0, le=0.9)
        stratify: Literal["auto", "never"] = param(
            "auto",
            label="Keep the label shares",
            help="Auto: when the answers look like labels (few of them, used often), each is split in the same shares.",
        )
        keep_together: str = param(
            PROMPT,
            label="Keep together",
            help="Rows that must not be parted. “prompt”: the same prompt, whatever its case, spaces and signs. “near "
            "duplicates”: also prompts with a changed word or two. Or the name of a field of the rows' meta, such as "
            "conversation or document.",
            suggestions=(PROMPT, NEAR, "conversation"),
            max_length=80,
        )
        alike: float = param(
            0.8,
            label="Near-duplicates are alike from",
            help="Share of the text that two prompts have in common.",
            ge=0.3,
            le=1,
            advanced=True,
        )
        seed: int = param(0, label="Seed", help="Another seed gives another split.", ge=0, advanced=True)
        max_labels: int = param(
            500, label="Most labels", help="More distinct answers than this are not labels.", ge=2, advanced=True
        )

        @model_validator(mode="after")
        def something_to_train_on(self) -> Self:
            if self.validation + self.test > 0.95:
                raise ValueError(
                    "Validation and test together take more than 95 % of the rows; leave some for training"
                )
            return self

    def expect(self, params: Params, *, rows: int) -> Mapping[str, int]:
        """The shares of the three parts."""
        test, validation = round(rows * params.test), round(rows * params.validation)
        return {"train": max(0, rows - test - validation), "validation": validation, "test": test}

    def run(self, ctx: Context, params: Params, inputs: Mapping[str, InputArtifact]) -> StepResult:
        source = inputs["rows"]
        total = count_rows(source.path)
        plan = assign(keyed_rows(ctx, source, params=params), params=params)
        outputs: dict[str, Output] = {}
        counts: dict[str, int] = {}
        for part in PARTS:
            rows = sieve.reported(ctx, read_rows(source.path), total=total, note=f"writing {part}")
            counts[part] = write_rows(ctx.scratch / part, take(rows, parts=plan.parts, part=part))
            outputs[part] = Output(ctx.scratch / part, sieve.passed_on(source, rows=counts[part]))
            sieve.keep_labels(ctx.scratch / part, source.meta)
        shown = ", ".join(f"{counts[part]:,} {part}" for part in PARTS)
        by_label = f", stratified over {plan.labels} labels" if plan.labels else ""
        summary = {
            "rows_in": total,
            "rows_kept": total,
            **counts,
            "groups" if params.keep_together != PROMPT else "prompts": plan.groups,
            "labels": plan.labels,
            "headline": f"{total:,} of {total:,} rows kept: {shown}{by_label}.",
        }
        return StepResult(outputs, summary)


@dataclass(frozen=True, slots=True)
class Keyed:
    """What the split knows of a row: the text that binds near-copies together, and its label (empty: none)."""

    group: str
    label: str


@dataclass(frozen=True)
class Plan:
    """``parts``: one a row, in order. ``groups``: distinct prompts. ``labels``: labels stratified over, 0 for none."""

    parts: Sequence[Part]
    groups: int
    labels: int


def keyed_row(row: Row) -> Keyed:
    """The row's group (hash of its normalised messages without the system prompt) and normalised label."""
    answer = row.reference_text if row.reference is not None else row.completion_text
    return Keyed(question_key(row), normalise(answer or ""))


def keyed_rows(ctx: Context, source: InputArtifact, *, params: Split.Params) -> list[Keyed]:
    """What the split knows of each row; rows to be kept together have one group. Raises ``StepError`` for an unknown field."""
    keyed = [keyed_row(row) for row in sieve.rows_of(ctx, source, note="hashing")]
    together = params.keep_together.strip() or PROMPT
    if together == PROMPT or not keyed:
        return keyed
    if together == NEAR:
        texts = (question(row) for row in sieve.beating(ctx, read_rows(source.path)))
        found = find_groups(
            texts,
            threshold=params.alike,
            beat=lambda done, total, note: ctx.progress(done, total, note=note),
            scratch=ctx.scratch,
        )
        return tied(keyed, found.group.tolist())
    groups = [group_of(row, together) for row in sieve.beating(ctx, read_rows(source.path))]
    if not any(groups):
        raise StepError(
            f"No row has “{together}” in its meta, so no rows can be kept together by it.",
            action=f"Write “{PROMPT}”, “{NEAR}”, or the name of a field that the rows have.",
        )
    return tied(keyed, groups)


def tied(rows: Sequence[Keyed], groups: Sequence[int | str | None]) -> list[Keyed]:
    """The rows with one group for all that share a prompt or an entry of ``groups`` (None or -1: none), directly or through
    others. A group is named after the smallest of its prompts' hashes, so the order of the rows does not matter."""
    first: dict[tuple[str, int | str], int] = {}
    pairs = [
        (first.setdefault((kind, name), position), position)
        for position, row in enumerate(rows)
        for kind, name in (("prompt", row.group), ("group", groups[position]))
        if name is not None and name != -1
    ]
    parent = np.arange(len(rows), dtype=np.int64)
    left, right = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    join(parent, left, right)
    root = roots(parent, np.arange(len(rows), dtype=np.int64)).tolist()
    names: dict[int, str] = {}
    for row, place in zip(rows, root, strict=True):
        names[place] = min(row.group, names.get(place, row.group))
    return [Keyed(names[place], row.label) for row, place in zip(rows, root, strict=True)]


def assign(rows: Sequence[Keyed], *, params: Split.Params) -> Plan:
    """The part of each row. Depends on the set of rows and the params, not on the order of the rows.

    Raises ``StepError`` when there are fewer distinct prompts than parts asked for.
    """
    labels = stratum_labels(rows, params=params)
    members: dict[str, list[int]] = defaultdict(list)
    for position, row in enumerate(rows):
        members[row.group].append(position)
    _check_enough(len(members), params=params)
    strata: dict[str, list[str]] = defaultdict(list)
    for group, positions in members.items():
        strata[_group_label([rows[p].label for p in positions]) if labels else ""].append(group)
    sizes = {group: len(positions) for group, positions in members.items()}
    order = {label: sorted(groups, key=lambda g: _hash(g, seed=params.seed)) for label, groups in strata.items()}
    part_of = dict.fromkeys(members, PARTS[0])
    for part, share in (("test", params.test), ("validation", params.validation)):
        fronts = {k: groups if part == "test" else groups[::-1] for k, groups in order.items()}
        for group in _cut(fronts, sizes=sizes, share=share, taken=part_of, seed=params.seed):
            part_of[group] = "test" if part == "test" else "validation"
    parts: list[Part] = [part_of[row.group] for row in rows]
    return Plan(parts, len(members), len(labels))


def stratum_labels(rows: Sequence[Keyed], *, params: Split.Params) -> set[str]:
    """The labels to stratify over; empty when the answers do not look like labels: too many, or most used only once."""
    if params.stratify == "never":
        return set()
    counts = Counter(row.label for row in rows if row.label)
    few = 2 <= len(counts) <= params.max_labels and 2 * len(counts) <= sum(counts.values())
    return set(counts) if few else set()


def take(rows: Iterable[Row], *, parts: Sequence[Part], part: Part) -> Iterator[Row]:
    """The rows that were assigned to ``part``."""
    return (row for row, assigned in zip(rows, parts, strict=True) if assigned == part)


def quotas(sizes: Mapping[str, int], *, share: float, seed: int) -> dict[str, int]:
    """Rows to take of each stratum: ``share`` of it, the total rounded once, spare rows to the largest remainders.

    At least one row in total when ``share`` is above zero.
    """
    exact = {label: size * share for label, size in sizes.items()}
    total = max(round(sum(sizes.values()) * share), 1 if share > 0 else 0)
    wanted = {label: int(value + 1e-9) for label, value in exact.items()}
    by_remainder = sorted(exact, key=lambda label: (round(wanted[label] - exact[label], 9), _hash(label, seed=seed)))
    for label in by_remainder[: max(0, total - sum(wanted.values()))]:
        wanted[label] += 1
    return wanted


def _cut(
    fronts: Mapping[str, list[str]], *, sizes: Mapping[str, int], share: float, taken: Mapping[str, Part], seed: int
) -> list[str]:
    """The groups from the front of each stratum that come closest to its quota and are still free.

    What a stratum could not give (its groups are larger than its quota) is asked of the next one.
    """
    rows_in = {label: sum(sizes[g] for g in groups) for label, groups in fronts.items()}
    chosen: list[str] = []
    debt = 0
    wanted = quotas(rows_in, share=share, seed=seed)
    for label in sorted(fronts, key=lambda name: _hash(name, seed=seed)):
        goal = wanted[label] + debt
        for group in fronts[label]:
            if goal <= 0:
                break
            # Twice the group less its size: taking it must not leave the stratum further from its goal than before.
            if taken[group] == "train" and sizes[group] <= 2 * goal:
                chosen.append(group)
                goal -= sizes[group]
        debt = goal
    if not chosen and share > 0:
        free = [g for groups in fronts.values() for g in groups if taken[g] == "train"]
        chosen = [min(free, key=lambda g: (sizes[g], _hash(g, seed=seed)))]
    return chosen


def _group_label(labels: Sequence[str]) -> str:
    """The most frequent label of a group of near-copies; the first in the alphabet of several."""
    counts = Counter(labels)
    return min(counts, key=lambda label: (-counts[label], label))


def _hash(text: str, *, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{text}".encode("utf-8", "surrogatepass")).hexdigest()


def _check_enough(groups: int, *, params: Split.Params) -> None:
    needed = 1 + (params.validation > 0) + (params.test > 0)
    if groups < needed:
        raise StepError(
            f"{needed} parts were asked for, but there {'is' if groups == 1 else 'are'} only {groups} distinct "
            f"{'prompt' if groups == 1 else 'prompts'} (case, spaces and punctuation do not count).",
            action="Give the step more rows, or set the validation or test share to 0.",
        )

"""A judgement as the report holds it: one record in its ``judges``. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from heapq import nsmallest
from typing import Any

from evaluation.judging.cases import Chosen
from evaluation.judging.families import models_of
from evaluation.judging.figures import (
    Clusters,
    Tally,
    describe_differences,
    describe_grades,
    describe_orders,
    describe_pairs,
)
from evaluation.judging.health import Figures, family_report, lapses, metric_report, warnings
from evaluation.wording import percent
from pipelines.steps.verdicts import Scale
from studio.lib.canonical import fingerprint

DRAWN = 200
"""Answers drawn for people to grade."""


@dataclass(frozen=True)
class Setting:
    """Who judged by what. ``number``: the judge's place among the report's, from 1; ``preset`` blank for a rubric of one's own."""

    number: int
    model: str
    teacher: str
    rubric: str
    rubric_id: str
    preset: str
    scale: Scale
    mode: str
    with_reference: bool
    seed: int


def describe(
    report: Mapping[str, Any],
    tally: Tally,
    setting: Setting,
    chosen: Chosen,
    *,
    measure: str,
    figures: Figures,
    asked: int,
    cost_usd: float | None,
    clusters: Clusters = None,
) -> dict[str, Any]:
    """Everything that was found, without the agreement with people (which grows later) and what follows from it.

    ``measure``: the label of the verdict's measure, blank where it has none for single answers; ``figures``: what it gives.
    ``clusters``: which rows of the report belong together, as its other figures count them.
    """
    candidates = report["candidates"]
    labels = {c["name"]: c["label"] for c in candidates}
    student = next((c["name"] for c in candidates if c["kind"] == "student"), "")
    scale, seed = setting.scale, setting.seed
    return {
        **asdict(setting),
        "rows": len(chosen.rids),
        "population": chosen.population,
        "questions": asked,
        "cost_usd": cost_usd,
        "golden_asked": tally.golden,
        "clustered_by": "" if clusters is None else str((report.get("settings") or {}).get("clustered_by") or "group"),
        "candidates": describe_grades(tally, candidates, scale=scale, seed=seed, clusters=clusters),
        "differences": describe_differences(
            tally, candidates, student=student, scale=scale, seed=seed, clusters=clusters
        ),
        "pairs": describe_pairs(tally, labels, seed=seed, clusters=clusters),
        "orders": describe_orders(tally, clusters=clusters),
        "family": family_report(
            tally,
            report,
            judge=setting.model,
            models=models_of(report),
            figures=figures,
            scale=scale,
            seed=seed,
            clusters=clusters,
        ),
        "metric": metric_report(tally, figures=figures, scale=scale, measure=measure) if measure else None,
        "lapses": lapses(tally),
        "golden": None,
        "drawn": draw(tally, seed=seed),
    }


def draw(tally: Tally, *, seed: int, most: int = DRAWN) -> list[list[Any]]:
    """``[row, candidate, item]`` of the answers that people are to grade: a seeded sample of all different graded answers, each
    with the same chance whatever its grade, in the order in which everybody gets them."""
    chosen = nsmallest(most, tally.items, key=lambda item: fingerprint([seed, item]))
    return [[*tally.items[item], item] for item in chosen]


def close(record: dict[str, Any], golden: Mapping[str, Any] | None) -> dict[str, Any]:
    """The record with the agreement with people as it stands, and what speaks against the judge."""
    record["golden"] = None if golden is None else dict(golden)
    record["warnings"] = warnings(record)
    return record


def mean_words(mean: Mapping[str, Any], scale: str) -> str:
    """A mean grade in words: ``4.12 of 5``, ``87.5 % pass``."""
    return f"{1 + 4 * mean['value']:.2f} of 5" if scale == "1 to 5" else f"{percent(mean['value'])} pass"


def headline(record: Mapping[str, Any], *, incomplete: bool) -> str:
    """The run page's line."""
    parts = [f"{c['label']} {mean_words(c['mean'], record['scale'])}" for c in record["candidates"] if c["mean"]]
    said = f"{', '.join(parts)}." if parts else ""
    for pair in record["pairs"]:
        if pair["win"]:
            said += (
                f" {pair['a_label']} against {pair['b_label']}: {percent(pair['win']['value'])} won, "
                f"{percent(pair['tie']['value'])} tied, {percent(pair['loss']['value'])} lost."
            )
    if record["lapses"]["unusable"]:
        n = record["lapses"]["unusable"]
        said += f" {n:,} {'verdict is' if n == 1 else 'verdicts are'} missing."
    if incomplete:
        said += " Run it again to ask for what is missing."
    return said.strip()

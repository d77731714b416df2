"""How far a judge can be trusted: its order, its own family, the metric, its lapses, and the people it should agree with. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.figures.scoring import estimate
from evaluation.judging.families import families_of, kin
from evaluation.judging.figures import MOST_REASONS, Clusters, Tally, mean_of
from evaluation.judging.rubrics import normal
from evaluation.statistics import kendall_tau_b
from evaluation.wording import percent
from pipelines.steps.verdicts import Scale

ORDERS_AT_LEAST = 0.8
"""Below this share of pairs with the same verdict in both orders, preferences are mostly noise."""
PEOPLE_AT_LEAST = 0.4
"""Kappa below which agreement with people is at best fair (Landis and Koch 1977)."""
LAPSES_AT_MOST = 0.05
ENOUGH = 30
"""Golden answers below which agreement with people is not taken for known."""

Figures = Mapping[str, Mapping[int, float | None]]
"""Candidate → row → what the verdict's measure gives its answer (0..1), None where there is nothing to compare with."""


def family_report(
    tally: Tally,
    report: Mapping[str, Any],
    *,
    judge: str,
    models: Mapping[str, Sequence[str]],
    figures: Figures,
    scale: Scale,
    seed: int,
    clusters: Clusters = None,
) -> dict[str, Any]:
    """Whose family the judge is of, and for each of its kin whether it grades it higher than the metric does.

    ``excess``: the gap of the mean grades between the kin and all others that are not, less the gap of the metric on the same
    rows. Above zero the judge favours its own. Both are 0..1, but not on one scale: a sign, not a measure of size.
    """
    ties = {name: by for name, known in models.items() if (by := kin(judge, list(known)))}
    graded = [c["name"] for c in report["candidates"] if tally.grades.get(c["name"])]
    labels = {c["name"]: c["label"] for c in report["candidates"]}
    kinds = {c["name"]: c["kind"] for c in report["candidates"]}
    found: list[dict[str, Any]] = []
    for name in graded:
        if name not in ties:
            continue
        for other in graded:
            if other in ties:
                continue
            record = excess(tally, name, other, figures=figures, scale=scale, seed=seed, clusters=clusters)
            found.append(
                {"candidate": name, "label": labels[name], "other": other, "other_label": labels[other], **record}
            )
    taught = [name for name in ties if kinds.get(name) == "teacher"]
    return {
        "families": sorted(families_of(judge)),
        "kin": [
            {"name": name, "label": labels.get(name, name), "kind": kinds.get(name, name), "by": by}
            for name, by in ties.items()
        ],
        "learnt_from_kin": bool(taught),
        "unknown": [labels[name] for name, known in models.items() if name in labels and not known],
        "compared": found,
    }


def excess(
    tally: Tally, name: str, other: str, *, figures: Figures, scale: Scale, seed: int, clusters: Clusters = None
) -> dict[str, Any]:
    """The gap of grades, the gap of the metric and their difference, over the rows on which all four are known."""
    mine, theirs = tally.grades[name], tally.grades[other]
    by_metric, their_metric = figures.get(name, {}), figures.get(other, {})
    grades, metric, rids = [], [], []
    for rid in sorted(mine.keys() & theirs.keys()):
        a, b = by_metric.get(rid), their_metric.get(rid)
        if a is not None and b is not None:
            grades.append(normal(mine[rid], scale) - normal(theirs[rid], scale))
            metric.append(a - b)
            rids.append(rid)
    more = [g - m for g, m in zip(grades, metric, strict=True)]
    return {
        "grade_gap": estimate(mean_of(grades, rids, clusters=clusters, seed=seed)),
        "metric_gap": estimate(mean_of(metric, rids, clusters=clusters, seed=seed)),
        "excess": estimate(mean_of(more, rids, clusters=clusters, seed=seed)),
    }


def metric_report(tally: Tally, *, figures: Figures, scale: Scale, measure: str) -> dict[str, Any] | None:
    """Whether grades and the verdict's measure put the answers in one order; None where no answer has both."""
    grades, values = [], []
    for name, mine in tally.grades.items():
        for rid, score in mine.items():
            value = figures.get(name, {}).get(rid)
            if value is not None:
                grades.append(normal(score, scale))
                values.append(value)
    if not grades:
        return None
    disagree = sum((g >= 0.5) != (v >= 0.5) for g, v in zip(grades, values, strict=True))
    return {"measure": measure, "n": len(grades), "tau": kendall_tau_b(grades, values), "disagree": disagree}


def lapses(tally: Tally) -> dict[str, Any]:
    """Verdicts that are missing because no reply could be used, and why; and those that took a second try."""
    return {
        "asked": tally.wanted,
        "unusable": sum(tally.why.values()),
        "repaired": tally.repaired,
        "cut": tally.cut,
        "why": [[text[:200], n] for text, n in tally.why.most_common(MOST_REASONS)],
    }


def warnings(judge: Mapping[str, Any]) -> list[str]:
    """What speaks against relying on this judge, in whole sentences; ``judge`` is the record of the report."""
    return [
        *_about_people(judge.get("golden")),
        *_about_orders(judge.get("orders")),
        *_about_family(judge["family"], judge["model"]),
        *_about_lapses(judge["lapses"]),
    ]


def _about_people(golden: Mapping[str, Any] | None) -> list[str]:
    if not golden or not golden["n"]:
        return [
            "No person has graded any of these answers yet, so nobody knows whether the judge grades as people would."
        ]
    if golden["n"] < ENOUGH:
        return [
            f"Only {golden['n']:,} answers were graded by people; from {ENOUGH} on the agreement with them says something."
        ]
    kappa = golden["kappa"]
    if kappa is not None and kappa["value"] < PEOPLE_AT_LEAST:
        return [
            f"The judge hardly agrees with people (kappa {kappa['value']:.2f}): mend the rubric or choose another judge."
        ]
    return []


def _about_orders(orders: Mapping[str, Any] | None) -> list[str]:
    if not orders or not orders["agree"]:
        return []
    found = []
    if orders["agree"]["value"] < ORDERS_AT_LEAST:
        found.append(
            f"In only {percent(orders['agree']['value'])} of the pairs it said the same when the answers changed places; what "
            "changed counts as a tie."
        )
    first = orders["first"]
    if first and (first["low"] > 0.5 or first["high"] < 0.5):
        place = "first" if first["value"] > 0.5 else "second"
        share = first["value"] if place == "first" else 1 - first["value"]
        found.append(f"It leans towards the {place} place: {percent(share)} of its preferences.")
    return found


def _about_family(family: Mapping[str, Any], model: str) -> list[str]:
    found = []
    if family["kin"]:
        names = ", ".join(f"{k['label']} ({k['by']})" for k in family["kin"])
        found.append(f"The judge {model} is related to: {names}. Models tend to prefer answers of their own kind.")
    if family["learnt_from_kin"]:
        found.append("The student learnt from a teacher of the judge's family and may be liked for writing like it.")
    for pair in family["compared"]:
        if pair["excess"] and pair["excess"]["low"] > 0:
            found.append(
                f"It sees {pair['label']} further above {pair['other_label']} than the metric does on the same rows."
            )
    return found


def _about_lapses(told: Mapping[str, Any]) -> list[str]:
    if not told["asked"] or told["unusable"] <= LAPSES_AT_MOST * told["asked"]:
        return []
    return [
        f"{told['unusable']:,} of {told['asked']:,} verdicts are missing because its replies could not be used; those answers "
        "count nowhere, which may flatter or harm a candidate."
    ]

"""A report's judges as its page shows them. Pure: the report's JSON in, words and places out; tolerates reports without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.judging.record import mean_words
from evaluation.judging.rubrics import levels, said
from evaluation.statistics import Estimate
from evaluation.wording import money, percent, percent_figure, point_range, points


def judges_view(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One view for each judge, the last (whose grades the rows show) first."""
    return [judge_view(report, judge) for judge in reversed(report.get("judges") or [])]


def judge_view(report: Mapping[str, Any], judge: Mapping[str, Any]) -> dict[str, Any]:
    """Everything of one judge in words."""
    roles = {c["name"]: c["kind"] for c in report["candidates"]}
    gaps = {d["other"]: d["difference"] for d in judge["differences"]}
    return {
        **judge,
        "rubric_words": "its own rubric" if not judge["preset"] else f"the rubric “{judge['preset']}”",
        "cost": money(judge["cost_usd"]) if judge["cost_usd"] is not None else "cost unknown",
        "lines": [grade_line(c, gaps.get(c["name"]), scale=judge["scale"]) for c in judge["candidates"]],
        "pair_lines": [pair_line(p, roles) for p in judge["pairs"]],
        "tiles": [tile for tile in health_tiles(judge) if tile],
    }


def grade_line(candidate: Mapping[str, Any], gap: Mapping[str, Any] | None, *, scale: Any) -> dict[str, Any]:
    """A candidate's mean grade with its interval, how its grades spread, and the student's lead over it."""
    mean = candidate["mean"]
    total = max(1, sum(candidate["scores"].values()))
    line: dict[str, Any] = {
        **candidate,
        "cell": None,
        "spread": [
            {"label": said(int(score), scale), "value": n, "text": f"{n:,}", "share": percent(n / total)}
            for score, n in reversed(candidate["scores"].items())
        ],
        "gap": "",
        "gap_interval": "",
    }
    if mean:
        line["cell"] = {
            "value": mean["value"],
            "low": mean["low"],
            "high": mean["high"],
            "text": mean_words(mean, scale),
            "low_text": bound(mean["low"], scale),
            "high_text": bound(mean["high"], scale),
        }
    if gap:
        if scale == "1 to 5":
            line["gap"] = signed(4 * gap["value"])
            line["gap_interval"] = f"{signed(4 * gap['low'])} to {signed(4 * gap['high'])}"
        else:
            line["gap"] = points(gap["value"], signed=True)
            line["gap_interval"] = point_range(Estimate(**gap)).removeprefix("95 % interval ")
    return line


def share_cell(share: Mapping[str, Any]) -> dict[str, Any]:
    """A share with its interval as a table cell shows it."""
    return {
        **share,
        "text": percent(share["value"]),
        "low_text": percent_figure(share["low"]),
        "high_text": percent_figure(share["high"]),
    }


def bound(value: float, scale: str) -> str:
    """An end of a mean's interval on its scale."""
    return f"{1 + 4 * value:.2f}" if scale == "1 to 5" else percent(value)


def signed(value: float) -> str:
    """``+0.42``, ``−0.10``."""
    return f"{value:+.2f}".replace("-", "−")


def pair_line(pair: Mapping[str, Any], roles: Mapping[str, str]) -> dict[str, Any]:
    """Wins, ties and losses of a pair as cells, and what was not asked."""
    shares = (
        (f"{pair['a_label']} better", pair["win"], roles.get(pair["a"], "")),
        ("Tie", pair["tie"], ""),
        (f"{pair['b_label']} better", pair["loss"], roles.get(pair["b"], "")),
    )
    left = [
        (pair["same"], "with the same answer twice (ties)"),
        (pair["failed"], "on which one of them failed (lost by who failed)"),
        (pair["by_order"], "on which the order decided (ties)"),
        (pair["unjudged"], "without a usable verdict (count nowhere)"),
    ]
    return {
        **pair,
        "shares": [(words, share_cell(share), role) for words, share, role in shares if share],
        "total": share_cell(pair["score"]) if pair["score"] else None,
        "notes": [f"{n:,} {'row' if n == 1 else 'rows'} {text}" for n, text in left if n],
        "a_role": roles.get(pair["a"], ""),
    }


def health_tiles(judge: Mapping[str, Any]) -> list[dict[str, Any] | None]:
    """The judge's health at a glance: people, orders, place, metric, family, lapses."""
    return [
        people_tile(judge.get("golden")),
        *(blind_tile(found) for found in judge.get("blind") or []),
        *order_tiles(judge["orders"]),
        metric_tile(judge["metric"]),
        family_tile(judge["family"]),
        lapse_tile(judge["lapses"]),
    ]


def people_tile(golden: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Agreement with people, or that there is nothing to compare with."""
    if golden is None:
        return None
    kappa = golden["kappa"]
    if not golden["n"] or kappa is None:
        return {"label": "Agrees with people", "value": "unknown", "note": "nobody has graded these answers yet"}
    tau = "" if golden["tau"] is None else f", tau {golden['tau']:.2f}".replace("-", "−")
    return {
        "label": "Agrees with people",
        "value": two(kappa["value"]),
        "low": two(kappa["low"]),
        "high": two(kappa["high"]),
        "note": f"weighted kappa over {golden['n']:,} {'answer' if golden['n'] == 1 else 'answers'}{tau}",
    }


def blind_tile(found: Mapping[str, Any]) -> dict[str, Any] | None:
    """Agreement with people who judged the same pairs blind."""
    kappa = found["kappa"]
    if kappa is None:
        return None
    return {
        "label": "Prefers as people do",
        "value": two(kappa["value"]),
        "low": two(kappa["low"]),
        "high": two(kappa["high"]),
        "note": f"kappa over {found['n']:,} blind pairs, {found['a_label']} against {found['b_label']}",
    }


def two(value: float) -> str:
    """Two decimals with a proper minus."""
    return f"{value:.2f}".replace("-", "−")


def order_tiles(orders: Mapping[str, Any] | None) -> list[dict[str, Any] | None]:
    """Whether the order of two answers decides, and which place it prefers."""
    if not orders:
        return []
    tiles: list[dict[str, Any] | None] = []
    for label, share, note in (
        (
            "Same in both orders",
            orders["agree"],
            f"of {orders['pairs']:,} pairs; the order decided {orders['by_order']:,}",
        ),
        ("Prefers the first place", orders["first"], "of its preferences; 50 % is fair"),
    ):
        if share:
            cell = share_cell(share)
            value, _, unit = cell["text"].partition(" ")
            tiles.append(
                {
                    "label": label,
                    "value": value,
                    "unit": unit,
                    "low": cell["low_text"],
                    "high": cell["high_text"],
                    "note": note,
                }
            )
    return tiles


def metric_tile(metric: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Whether grades and the metric put the answers in one order."""
    if not metric or metric["tau"] is None:
        return None
    return {
        "label": f"Order as by {metric['measure'][0].lower()}{metric['measure'][1:]}",
        "value": two(metric["tau"]),
        "note": f"tau over {metric['n']:,} answers; they disagree on {metric['disagree']:,}",
    }


def family_tile(family: Mapping[str, Any]) -> dict[str, Any]:
    """Whether the judge is of a candidate's family."""
    if family["kin"]:
        ties = sorted({k["by"] for k in family["kin"]})
        return {
            "label": "Of one family with",
            "value": ", ".join(dict.fromkeys(k["kind"] for k in family["kin"])).capitalize(),
            "note": "; ".join(ties),
        }
    note = "by the models' names"
    if family["unknown"]:
        note += f"; unknown: {', '.join(family['unknown'])}"
    return {"label": "Of one family with", "value": "nobody" if family["families"] else "unknown", "note": note}


def lapse_tile(told: Mapping[str, Any]) -> dict[str, Any]:
    """Replies that could not be used."""
    note = f"of {told['asked']:,} verdicts"
    if told["repaired"]:
        note += f"; {told['repaired']:,} took a second try"
    return {"label": "Unusable verdicts", "value": f"{told['unusable']:,}", "note": note}


def row_verdicts(
    report: Mapping[str, Any], found: Mapping[int, Sequence[Mapping[str, Any]]]
) -> dict[str, list[dict[str, Any]]]:
    """Candidate → what the judges said of its answer to one row. ``found``: the judge's number → its verdicts on the row."""
    labels = {c["name"]: c["label"] for c in report["candidates"]}
    shown: dict[str, list[dict[str, Any]]] = {}
    for judge in reversed(report.get("judges") or []):
        for verdict in found.get(judge["number"], ()):
            shown.setdefault(verdict["candidate"], []).append(_said_of(verdict, judge, labels))
    return shown


def _said_of(verdict: Mapping[str, Any], judge: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    who = {"model": judge["model"], "reason": verdict["reason"], "reason_swapped": verdict["reason_swapped"]}
    if verdict["other"]:
        against = labels.get(verdict["other"], verdict["other"])
        words = {"win": f"better than {against}", "loss": f"worse than {against}", "tie": f"tie with {against}"}
        told = words.get(verdict["outcome"] or "", f"no verdict against {against}")
        if verdict["status"] == "same":
            told += ", the same answer"
        elif verdict["by_order"]:
            told += ", the order decided"
        return {**who, "said": told, "why": verdict["why"]}
    if verdict["status"] == "unjudged":
        return {**who, "said": "no verdict", "why": verdict["why"]}
    return {**who, "said": said(int(verdict["score"]), judge["scale"]), "why": verdict["why"]}


def confusion_view(judge: Mapping[str, Any]) -> dict[str, Any] | None:
    """People's grades by the judge's as the matrix component takes them; None without shared answers."""
    golden = judge.get("golden")
    if not golden or not golden["n"]:
        return None
    return {"labels": [said(level, judge["scale"]) for level in levels(judge["scale"])], "counts": golden["confusion"]}


def text_lines(report: Mapping[str, Any]) -> list[str]:
    """Every judge's figures and health in sentences, for Markdown and the terminal."""
    found = []
    for judge in report.get("judges") or []:
        view = judge_view(report, judge)
        means = "; ".join(
            f"{line['label']} {line['cell']['text']} ({line['cell']['low_text']} to {line['cell']['high_text']}; "
            f"{line['graded']:,} rows, {line['failed']:,} failed, {line['unjudged']:,} without a verdict)"
            for line in view["lines"]
            if line["cell"]
        )
        if means:
            found.append(f"{judge['model']} by {view['rubric_words']}, {judge['scale']}: {means}")
        for pair in view["pair_lines"]:
            shares = ", ".join(
                f"{words.lower() if words == 'Tie' else words} {cell['text']} ({cell['low_text']} to {cell['high_text']})"
                for words, cell, _ in pair["shares"]
            )
            found.append(f"{judge['model']}, both orders: {shares}")
        tiles = "; ".join(
            f"{tile['label']}: {tile['value']}{' ' + tile['unit'] if tile.get('unit') else ''} ({tile['note']})"
            for tile in view["tiles"]
        )
        found.append(f"Health of {judge['model']}: {tiles}")
        found += [f"Mind: {warning}" for warning in judge["warnings"]]
    return found

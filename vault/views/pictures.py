"""From the numbers of a profile to bars, counts and links: what the profile page draws."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from vault.models import DatasetVersion
from vault.profiling.students import Student
from vault.quality import pii
from vault.quality.languages import NO_LANGUAGE, UNKNOWN, name_of
from vault.views.lookup import address

LANGUAGES = 12
KIND_NAMES = {
    "email": "E-mail addresses", "phone": "Phone numbers", "card": "Card numbers", "iban": "IBANs", "ip": "IP addresses",
}  # fmt: skip
ANSWER_FLAGS = (
    ("empty_answer", "Empty", "Nothing but spaces"),
    ("refusal", "Refusals", "The teacher declines to answer"),
    ("truncated", "Truncated", "Cut off before the end"),
)


def version_path(version: DatasetVersion) -> str:
    """The address of a version's rows."""
    dataset = version.dataset
    return reverse("dataset_version", args=[dataset.workspace.slug, dataset.slug, version.number])


def row_path(version: DatasetVersion, rid: int) -> str:
    """The address of one row."""
    dataset = version.dataset
    return reverse("dataset_row", args=[dataset.workspace.slug, dataset.slug, version.number, rid])


def pictures(version: DatasetVersion, found: dict[str, Any], *, student: Student | None) -> dict[str, Any]:
    """Every part of the page but the limit."""
    base = version_path(version)
    tokens = found.get("tokens")
    return {
        "tiles": tiles(found, base),
        "tokens": tokens and lengths(tokens, base=base, low="min_tokens", high="max_tokens"),
        "context_note": context_note(tokens),
        "over_href": address(base, {"min_tokens": tokens["context"] + 1}) if tokens and tokens["over"] else "",
        "prompt": found["prompt"] and lengths(found["prompt"], base=base, low="min", high="max"),
        "answer": found["answer"] and answer_lengths(found["answer"], base=base),
        "labels": labels(found["labels"], base),
        "answer_flags": answer_flags(found, base),
        "languages": languages(found, base),
        "personal": finds(version, found, base),
        "exact": groups(version, found["exact"], base),
        "near": groups(version, found["near"], base),
        "conflicts": conflicts(version, found, base),
    }


def tiles(found: dict[str, Any], base: str) -> list[dict[str, Any]]:
    """The counts at the top; each opens its rows."""
    flags, rows = found["flags"], found["rows"]
    told: list[tuple[str, int, dict[str, Any], str]] = [
        ("Rows", rows, {}, ""),
        ("With an answer", found["answers"], {"has": "completion"}, ""),
        ("Exact copies", flags["exact_duplicate"], {"flag": "exact_duplicate"}, ""),
        ("Near duplicates", flags["near_duplicate"], {"flag": "near_duplicate"}, ""),
        ("Contradictions", flags["label_conflict"], {"flag": "label_conflict"}, "one prompt, several answers"),
        ("Personal data", found["any"]["pii"], {"flag": "pii"}, ""),
        ("Secrets", found["any"]["secret"], {"flag": "secret"}, ""),
    ]
    return [
        {
            "label": label,
            "value": value,
            "href": address(base, query) if value else "",
            "note": note or (share(value, rows) if query else ""),
        }
        for label, value, query, note in told
    ]


def share(part: int, whole: int) -> str:
    """A part of all rows in words, as exact as it needs to be."""
    if not whole:
        return ""
    percent = 100 * part / whole
    if 0 < percent < 0.1:
        return "under 0.1 % of rows"
    return f"{percent:.0f} % of rows" if percent in (0, 100) else f"{percent:.1f} % of rows"


def lengths(told: dict[str, Any], *, base: str, low: str, high: str) -> dict[str, Any]:
    """A histogram whose bars filter by ``low`` and ``high``."""
    bins = [
        {"low": start, "high": end, "count": rows} | ({"href": address(base, {low: start, high: end})} if rows else {})
        for start, end, rows in told["bins"]
    ]
    return told | {"bins": bins}


def answer_lengths(told: dict[str, Any], *, base: str) -> dict[str, Any]:
    """The histogram of the answers; its bars filter by two conditions on their length."""
    bins = []
    for start, end, rows in told["bins"]:
        pairs = [
            ("field", "answer_chars"), ("op", "ge"), ("value", start),
            ("field", "answer_chars"), ("op", "le"), ("value", end),
        ]  # fmt: skip
        bins.append(
            {"low": start, "high": end, "count": rows} | ({"href": f"{base}?{urlencode(pairs)}"} if rows else {})
        )
    return told | {"bins": bins}


def context_note(tokens: dict[str, Any] | None) -> str:
    """Where the student's context ends, when the picture does not reach it."""
    if not tokens or not tokens["context"]:
        return ""
    drawn = tokens["bins"][-1][1]
    return "" if tokens["context"] <= drawn else f"The context ends at {tokens['context']:,}: every row fits."


def labels(told: dict[str, Any], base: str) -> dict[str, Any]:
    """The distribution of the answers. Labels of a dataset without completions are its references."""

    def bar(item: dict[str, Any]) -> dict[str, Any]:
        value = item["value"]
        if value is None:
            href = ""
        elif told["field"] == "completion":
            href = address(base, {"label": value})
        else:
            href = address(base, {"field": "reference", "op": "is", "value": value})
        text = item["label"] if item["label"].strip() else "(empty)"
        return {"label": text, "value": item["rows"], "href": href}

    if told["kind"] != "labels":
        return told
    top = [bar(item) for item in told["top"]]
    most = told["top"][0]["rows"] if told["top"] else 1
    return told | {
        "top": top,
        "rarest": [bar(item) for item in told["rarest"]],
        "most": most,
        "others": told["distinct"] - len(top) - len(told["rarest"]),
        "verdict": balance(told),
    }


def balance(told: dict[str, Any]) -> str:
    """One word for how even the labels are."""
    if told["evenness"] is None:
        return "One label only"
    if told["ratio"] <= 3 or told["evenness"] >= 0.97:
        return "Well balanced"
    return "Uneven" if told["evenness"] >= 0.8 else "Very uneven"


def answer_flags(found: dict[str, Any], base: str) -> list[dict[str, Any]]:
    """Bars of the answers that are not worth learning, as shares of all rows."""
    return [
        {
            "label": label,
            "help": help_,
            "value": found["flags"][flag],
            "href": address(base, {"flag": flag}) if found["flags"][flag] else "",
        }
        for flag, label, help_ in ANSWER_FLAGS
    ]


def languages(found: dict[str, Any], base: str) -> dict[str, Any]:
    """Bars of the languages, those that could not be told last."""
    known = [item for item in found["languages"] if item["code"] not in (UNKNOWN, NO_LANGUAGE)]
    told = [*known[:LANGUAGES], *(i for i in found["languages"] if i["code"] in (UNKNOWN, NO_LANGUAGE))]
    bars = [
        {
            "label": name_of(item["code"]),
            "value": item["rows"],
            "href": address(base, {"language": item["code"]}),
            "role": "base" if item["code"] in (UNKNOWN, NO_LANGUAGE) else "",
        }
        for item in told
    ]
    return {"bars": bars, "count": len(known), "more": len(known) - min(len(known), LANGUAGES)}


def finds(version: DatasetVersion, found: dict[str, Any], base: str) -> dict[str, Any]:
    """Bars of personal data and secrets by kind, with masked examples."""
    bars: dict[str, list[dict[str, Any]]] = {"pii": [], "secret": []}
    examples = []
    for kind in pii.KINDS:
        flag = pii.flag(kind)
        rows = found["flags"].get(flag, 0)
        if not rows:
            continue
        bar = {"label": kind_name(kind), "value": rows, "href": address(base, {"flag": flag})}
        bars[flag.partition(":")[0]].append(bar)
        shown = [e for e in found["found"].get(flag, []) if e["text"]]
        examples += [{"kind": kind_name(kind), "text": e["text"], "href": row_path(version, e["rid"])} for e in shown]
    for told in bars.values():
        told.sort(key=lambda bar: -bar["value"])
    return {**bars, "examples": examples}


def kind_name(kind: str) -> str:
    """A kind of personal data or secret in words."""
    return KIND_NAMES.get(kind) or kind.replace("_", " ").capitalize()


def groups(version: DatasetVersion, told: dict[str, Any], base: str) -> dict[str, Any]:
    """The largest groups with their rows."""
    largest = [
        {
            "rows": group["rows"],
            "href": address(base, {"group": group["group"]}),
            "more": group["rows"] - len(group["examples"]),
            "examples": [e | {"href": row_path(version, e["rid"])} for e in group["examples"]],
        }
        for group in told["largest"]
    ]
    return told | {"largest": largest}


def conflicts(version: DatasetVersion, found: dict[str, Any], base: str) -> dict[str, Any]:
    """The prompts with different answers."""
    told: dict[str, Any] = found["conflicts"]
    shown = [
        {
            "prompt": group["prompt"],
            "near": group["near"],
            "rows": group["rows"],
            "different": group["different"],
            "href": "" if group["group"] is None else address(base, {"group": group["group"]}),
            "answers": [a | {"href": row_path(version, a["rid"])} for a in group["answers"]],
        }
        for group in told["shown"]
    ]
    flags = found["flags"]
    return told | {
        "shown": shown,
        "rows": flags["label_conflict"],
        "near_rows": flags["near_label_conflict"],
        "href": address(base, {"flag": "label_conflict"}),
        "near_href": address(base, {"flag": "near_label_conflict"}),
    }

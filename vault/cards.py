"""The dataset card: a README.md that travels with exported rows. Statistics, where they come from, what may be done with them.

Its head is YAML as dataset hubs read it. Everything a user wrote is made harmless for Markdown tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from vault.exporters import ROW_EXPORTERS
from vault.models import DatasetVersion
from vault.query import Lengths
from vault.rights import Rights
from vault.views.lookup import Facets, facets_of, lengths_of

SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
LABELS_SHOWN = 20


def card(
    version: DatasetVersion, rights: Rights, *, wanted: str, file: str, left_out: Mapping[str, int] | None = None
) -> str:
    """The card of a version exported as ``file`` in the format ``wanted``. ``left_out``: reasons and how many rows."""
    facets = facets_of(version)
    parts = [
        "---\n" + yaml.safe_dump(head(version, rights, facets, file=file), sort_keys=False, allow_unicode=True) + "---",
        f"# {inline(version.dataset.name)}",
        _about(version),
        _statistics(version, facets),
        _provenance(version),
        _terms(rights),
        _file(wanted, file, left_out or {}),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def head(version: DatasetVersion, rights: Rights, facets: Facets, *, file: str) -> dict[str, Any]:
    """The card's YAML head."""
    languages = [count.value for count in facets.languages]
    found: dict[str, Any] = {
        "pretty_name": version.dataset.name,
        "license": "other",
        "license_name": "see-terms",
        "size_categories": [next((name for most, name in SIZES if version.rows < most), "n>10M")],
        "tags": ["distillation", "text-generation"],
        "configs": [{"config_name": "default", "data_files": file}],
        "distill_studio": {
            "version": version.number,
            "rows": version.rows,
            "answers": facets.totals.completions,
            "references": facets.totals.references,
            "sha256": version.artifact.sha256,
            "training": rights.training.value,
            "redistribution": rights.redistribution.value,
        },
    }
    if languages:
        found["language"] = languages
    return found


def inline(text: str) -> str:
    """User text on one line of Markdown: no table, heading, link or HTML comes of it."""
    flat = " ".join(text.split())
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|!" else c for c in flat)


def _about(version: DatasetVersion) -> str:
    words = f"Version {version.number} of {version.created_at:%Y-%m-%d}, {version.rows:,} rows."
    described = inline(version.dataset.description)
    return f"{described}\n\n{words}" if described else words


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the cells are Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _statistics(version: DatasetVersion, facets: Facets) -> str:
    totals = facets.totals
    rows = [
        ("rows", f"{totals.rows:,}"),
        ("with an answer", f"{totals.completions:,}"),
        ("with a reference", f"{totals.references:,}"),
        ("answer is not the reference", f"{totals.differing:,}"),
        ("different answers", f"{facets.distinct:,}"),
    ]
    prompt, completion = lengths_of(version)
    rows += _lengths("prompt", prompt) + _lengths("answer", completion)
    text = "## Statistics\n\n" + table(("", "count"), rows)
    if facets.few_labels:
        labels = [(inline(c.value), f"{c.rows:,}") for c in facets.labels[:LABELS_SHOWN]]
        more = facets.distinct - len(labels)
        text += "\n\n" + table(("answer", "rows"), labels)
        text += f"\n\n… and {more:,} more." if more > 0 else ""
    return text


def _lengths(name: str, found: Lengths | None) -> list[tuple[str, str]]:
    if found is None:
        return []
    return [(f"{name}, characters (median, 95th percentile, most)", f"{found.median:,}, {found.p95:,}, {found.high:,}")]


def _provenance(version: DatasetVersion) -> str:
    rows: list[tuple[str, ...]] = []
    step: DatasetVersion | None = version
    while step is not None and len(rows) < 50:
        by = step.created_by.get_username() if step.created_by else "–"
        rows.append(
            (
                f"v{step.number}",
                f"{step.created_at:%Y-%m-%d}",
                inline(by),
                f"{step.rows:,}",
                inline(step.message or "–"),
            )
        )
        step = step.parent
    listed = table(("version", "date", "by", "rows", "what"), rows)
    return f"## Provenance\n\n{listed}\n\nContent: `{version.artifact.sha256}` (SHA-256 over the version's files)."


def _terms(rights: Rights) -> str:
    lines = ["## Terms", f"Training: **{rights.training.words}**. Passing on: **{rights.redistribution.words}**."]
    if rights.statement:
        said = rights.statement
        lines.append(f"Stated by {inline(said.by)} on {said.at[:10]}: {inline(said.text)}")
    if rights.override:
        lines.append(
            f"Exported against the terms by {inline(rights.override['by'])} on {rights.override['at'][:10]}: "
            f"{inline(rights.override['reason'])}"
        )
    if rights.sources:
        rows = [
            (
                inline(f"{s.teacher or 'not known'} {s.model}".strip()),
                f"{s.rows:,}",
                f"[{s.terms.name}]({s.terms.url}), as of {s.terms.as_of}" if s.terms.url else s.terms.name,
                s.terms.training.words,
                s.terms.redistribution.words,
                s.terms.note,
            )
            for s in rights.sources
        ]
        lines.append(table(("answers of", "rows", "terms", "training", "passing on", "in a sentence"), rows))
        lines.append("The table helps to decide and is no legal advice: read the terms.")
    return "\n\n".join(lines)


def _file(wanted: str, file: str, left_out: Mapping[str, int]) -> str:
    exporter = ROW_EXPORTERS[wanted]
    text = f"## The file\n\n`{file}`: {exporter.label}. Carries: {exporter.carries}"
    if left_out:
        rows = [(inline(reason), f"{count:,}") for reason, count in sorted(left_out.items(), key=lambda pair: -pair[1])]
        text += f"\n\n{sum(left_out.values()):,} rows are not in it (they are in `left-out.jsonl`):\n\n"
        text += table(("why", "rows"), rows)
    return text

"""What the row browser's page shows: rows with their addresses, facets, chips of the filters in use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.urls import reverse

from studio.access import WorkspaceRequest
from studio.lib.errors import StudioError
from vault import browsing
from vault.browse_form import HAS, VERDICTS, FilterForm, filter_values
from vault.editing import drafts
from vault.models import DatasetVersion
from vault.query import OPERATORS, Count, Filter, Numbered, RowTable
from vault.query.filters import NUMBER_FIELDS, TEXT_FIELDS, WITHOUT_VALUE, BadFilter
from vault.query.sources import leaves
from vault.rows import Row
from vault.views.lookup import Facets, address, facets_of

NAMES = {
    "q": "Search",
    "label": "Answer",
    "tag": "Tag",
    "has": "Rows",
    "min": "Prompt at least",
    "max": "Prompt at most",
    "flag": "Flag",
    "language": "Language",
    "min_tokens": "At least",
    "max_tokens": "At most",
    "group": "Near-duplicates of row",
    "verdict": "Verdict",
}
UNITS = {"min": "characters", "max": "characters", "min_tokens": "tokens", "max_tokens": "tokens"}
HIDDEN = ("label", "tag", "flag", "language", "group", "field", "op", "value")
"""What the form of the filters carries along without an input of its own."""

FIELD_NAMES = {
    "prompt": "Prompt",
    "answer": "Answer",
    "reference": "Reference",
    "system": "System prompt",
    "id": "Id",
    "prompt_chars": "Prompt length",
    "answer_chars": "Answer length",
}


def version_path(version: DatasetVersion) -> str:
    """The address of a version's rows."""
    dataset = version.dataset
    return reverse("dataset_version", args=[dataset.workspace.slug, dataset.slug, version.number])


def row_address(version: DatasetVersion, rid: int | None, query: dict[str, Any]) -> str:
    """The address of a row, or an empty string for none."""
    return "" if rid is None else address(f"{version_path(version)}rows/{rid}/", query)


def kept_query(form: FilterForm, wanted: Filter) -> dict[str, Any]:
    """The filter, the order and the page as query parameters."""
    places = {key: form.cleaned_data.get(key) for key in ("after", "before")}
    return ordered(form, wanted) | {key: str(value) for key, value in places.items() if value is not None}


def ordered(form: FilterForm, wanted: Filter) -> dict[str, Any]:
    """The filter and the order as query parameters."""
    return filter_values(wanted) | ({"sort": form.order} if form.order else {})


def browser_context(request: WorkspaceRequest, version: DatasetVersion) -> dict[str, Any]:
    """Everything the row browser shows, or the problem instead of it."""
    form = FilterForm(request.GET)
    wanted = form.wanted()
    try:
        table = browsing.open_table(version, user=request.user)
        facets = facets_of(version, table)
        after, before = (form.cleaned_data.get(key) for key in ("after", "before"))
        page = table.page(wanted, sort=form.order, after=after, before=before)
        count = len(table.positions(wanted, sort=form.order)) if wanted.active else version.rows
        measures = measure(table, page.rows, form.order.removeprefix("-"))
        # What people edited and nobody has committed yet, laid over the rows of this page.
        laid = drafts.lay_over(drafts.live_draft(version), [(n.rid, n.row) for n in page.rows])
    except StudioError as error:
        return failed(version, error)
    base, values, query = version_path(version), ordered(form, wanted), kept_query(form, wanted)
    return {
        "version": version,
        "dataset": version.dataset,
        "tab": "rows",
        "status": 200,
        "index_job": browsing.prepare(version),
        "facets": facets,
        "wanted": wanted,
        "sort": form.order or "row",
        "sort_name": sort_name(form.order) if measures else "",
        "problems": form.problems,
        "count": count,
        "first": page.first + 1,
        "last": page.first + len(page.rows),
        "marks": laid,
        "lines": lines(version, [n._replace(row=laid[n.rid].row) for n in page.rows], query, measures),
        "columns": columns_of(facets),
        "base": base,
        "here": address(base, values),
        "reset": base,
        "kept": flat(values),
        "hidden": [(key, item) for key, item in flat(values) if key in HIDDEN],
        "chips": chips(base, values),
        "choices": choices(facets, has_facts=table.facts_file is not None, sort=form.order),
        **facet_links(base, values, facets),
        "previous": address(base, values | {"before": page.before}) if page.before is not None else "",
        "following": address(base, values | {"after": page.after}) if page.after is not None else "",
    }


def failed(version: DatasetVersion, error: StudioError) -> dict[str, Any]:
    """The context of a page whose rows can't be shown."""
    return {
        "version": version,
        "dataset": version.dataset,
        "tab": "rows",
        "status": 400 if isinstance(error, BadFilter) else 503,
        "problem": error,
        "reset": version_path(version),
        "here": version_path(version),
    }


def lines(
    version: DatasetVersion, rows: list[Numbered], query: dict[str, Any], measures: dict[int, Any]
) -> list[tuple[int, Row, str, Any]]:
    """``(position, row, address, what the rows are sorted by)`` of each row of a page."""
    base = version_path(version)
    after = address("", query)
    return [(n.rid, n.row, f"{base}rows/{n.rid}/{after}", measures.get(n.rid)) for n in rows]


def measure(table: RowTable, rows: list[Numbered], sort: str) -> dict[int, Any]:
    """What the rows are sorted by, unless it has a column anyway: position → value."""
    if sort == "tokens":
        return table.tokens([n.rid for n in rows])
    if sort == "prompt":
        return {n.rid: sum(len(m.get("content") or "") for m in n.row.prompt) for n in rows if not n.cut}
    if sort == "answer":
        return {n.rid: len(n.row.completion.get("content") or "") for n in rows if n.row.completion and not n.cut}
    if sort.startswith("meta."):
        path = sort[5:]
        return {n.rid: dict(leaves(n.row.meta)).get(path) for n in rows}
    return {}


def columns_of(facets: Facets) -> dict[str, bool]:
    """Which columns have something to show."""
    return {
        "completion": facets.totals.completions > 0,
        "reference": facets.totals.references > 0,
        "tags": bool(facets.tags),
    }


def choices(facets: Facets, *, has_facts: bool, sort: str) -> dict[str, Any]:
    """What the selects offer."""
    meta = [f"meta.{path}" for path in facets.paths]
    orders = ["row", "prompt", "answer", "label", *(["tokens"] if has_facts else []), *meta]
    wanted = sort.removeprefix("-")
    if wanted and wanted not in orders:
        orders.append(wanted)
    return {
        "has": HAS,
        "verdict": (("", "Any"), *VERDICTS),
        "orders": [(way + name, f"{sort_name(name)}, {word}") for name in orders for way, word in _ways(name)],
        "fields": [(name, FIELD_NAMES[name]) for name in (*TEXT_FIELDS, *NUMBER_FIELDS)] + [(m, m[5:]) for m in meta],
        "ops": list(OPERATORS.items()),
        "has_facts": has_facts,
    }


def _ways(name: str) -> list[tuple[str, str]]:
    words = {
        "row": ("first to last", "last to first"),
        "prompt": ("shortest first", "longest first"),
        "answer": ("shortest first", "longest first"),
        "tokens": ("fewest first", "most first"),
        "label": ("A to Z", "Z to A"),
    }
    up, down = words.get(name, ("upwards", "downwards"))
    return [("", up), ("-", down)]


def sort_name(sort: str) -> str:
    """How an order reads."""
    name = sort.removeprefix("-")
    known = {
        "": "Row",
        "row": "Row",
        "prompt": "Prompt length",
        "answer": "Answer length",
        "label": "Answer",
        "tokens": "Tokens",
    }
    return known.get(name) or name.removeprefix("meta.")


def facet_links(base: str, values: dict[str, Any], facets: Facets) -> dict[str, list[tuple[Count, str, bool]]]:
    """The facets' values, each with the address that chooses it, or leaves it when it was chosen."""

    def links(key: str, counts: list[Count]) -> list[tuple[Count, str, bool]]:
        rest = {name: kept for name, kept in values.items() if name != key}
        chosen = values.get(key)
        return [
            (c, address(base, rest if chosen == c.value else rest | {key: c.value}), chosen == c.value) for c in counts
        ]

    return {
        "label_links": links("label", facets.labels),
        "tag_links": links("tag", facets.tags),
        "flag_links": links("flag", facets.flags),
        "language_links": links("language", facets.languages),
    }


def chips(base: str, values: dict[str, Any]) -> list[tuple[str, str, str]]:
    """``(name, text, address without it)`` of each filter in use."""
    found = []
    spoken: dict[str, Callable[[str], str]] = {
        "has": lambda v: dict(HAS)[v],
        "verdict": lambda v: dict(VERDICTS)[v],
        "flag": lambda v: v.replace("_", " ").replace(":", ": "),
        "group": lambda v: f"{int(v) + 1:,}",
    }
    for key, value in values.items():
        if key not in NAMES:
            continue
        text = spoken[key](value) if key in spoken else f"{value} {UNITS[key]}" if key in UNITS else value
        found.append((NAMES[key], text, address(base, {name: kept for name, kept in values.items() if name != key})))
    for n, (name, op, value) in enumerate(zip(*(values.get(k, []) for k in ("field", "op", "value")), strict=True)):
        rest = values | {k: values[k][:n] + values[k][n + 1 :] for k in ("field", "op", "value")}
        text = OPERATORS[op] if op in WITHOUT_VALUE else f"{OPERATORS[op]} {value}"
        found.append((FIELD_NAMES.get(name, name.removeprefix("meta.")), text, address(base, rest)))
    return found


def flat(values: dict[str, Any]) -> list[tuple[str, Any]]:
    """Query parameters one by one, as hidden inputs carry them."""
    return [(key, item) for key, value in values.items() for item in (value if isinstance(value, list) else [value])]

"""The row browser: facets at the left, rows in the middle, one row in a drawer; every choice in the address."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from studio.access import WorkspaceRequest, role_required
from studio.lib.errors import StudioError
from vault.forms import HAS, FilterForm, filter_values
from vault.models import DatasetVersion
from vault.query import Filter, Page
from vault.rows import Row, text_of, to_json
from vault.views.lookup import Facets, address, facets_of, get_version, table_of


def version_path(version: DatasetVersion) -> str:
    """The address of a version's rows."""
    dataset = version.dataset
    return reverse("dataset_version", args=[dataset.workspace.slug, dataset.slug, version.number])


@role_required("viewer")
@require_safe
def browse(request: WorkspaceRequest, slug: str, number: int | None = None) -> HttpResponse:
    """Rows of a version under the filter in the address."""
    version = get_version(request, slug, number)
    context = browser_context(request, version)
    template = "vault/dataset.html#browser" if request.htmx else "vault/dataset.html"
    response = render(request, template, context, status=context["status"])
    if request.htmx:
        response["HX-Push-Url"] = context["here"]
    return response


@role_required("viewer")
@require_safe
def row(request: WorkspaceRequest, slug: str, number: int, rid: int) -> HttpResponse:
    """One row as a chat, in a drawer over the rows it was opened from."""
    version = get_version(request, slug, number)
    form = FilterForm(request.GET)
    wanted = form.wanted()
    try:
        table = table_of(version)
        found = table.row(rid)
        previous, following = table.neighbours(rid, wanted) if found else (None, None)
    except StudioError as error:
        return render(request, "vault/dataset.html", failed(version, error), status=503)
    if found is None:
        raise Http404("There is no such row.")
    query = kept_query(form, wanted)
    drawer = {
        "version": version,
        "rid": rid,
        "row": found,
        **row_parts(found),
        "previous": row_address(version, previous, query),
        "next": row_address(version, following, query),
        "close": address(version_path(version), query),
    }
    if request.htmx:
        return render(request, "vault/dataset.html#row", drawer)
    return render(request, "vault/dataset.html", {**browser_context(request, version), **drawer, "open_row": True})


def row_address(version: DatasetVersion, rid: int | None, query: dict[str, str]) -> str:
    """The address of a row, or an empty string for none."""
    if rid is None:
        return ""
    dataset = version.dataset
    path = reverse("dataset_row", args=[dataset.workspace.slug, dataset.slug, version.number, rid])
    return address(path, query)


def kept_query(form: FilterForm, wanted: Filter) -> dict[str, str]:
    """The filter and the page as query parameters."""
    places = {key: form.cleaned_data.get(key) for key in ("after", "before")}
    return filter_values(wanted) | {key: str(value) for key, value in places.items() if value is not None}


def browser_context(request: WorkspaceRequest, version: DatasetVersion) -> dict[str, Any]:
    """Everything the row browser shows, or the problem instead of it."""
    form = FilterForm(request.GET)
    wanted = form.wanted()
    try:
        table = table_of(version)
        facets = facets_of(version)
        page = table.page(wanted, after=form.cleaned_data.get("after"), before=form.cleaned_data.get("before"))
        count = table.count(wanted) if wanted.active else version.rows
    except StudioError as error:
        return failed(version, error)
    base = version_path(version)
    query, values = kept_query(form, wanted), filter_values(wanted)
    return {
        "version": version,
        "dataset": version.dataset,
        "tab": "rows",
        "status": 200,
        "facets": facets,
        "wanted": wanted,
        "has_choices": HAS,
        "errors": {name: errors[0] for name, errors in form.errors.items()},
        "count": count,
        "page": page,
        "lines": [(n.rid, n.row, row_address(version, n.rid, query)) for n in page.rows],
        "columns": columns_of(page, facets),
        "base": base,
        "here": address(base, query),
        "reset": base,
        "chips": chips(base, values),
        "label_links": [(c, facet_address(base, values, "label", c.value)) for c in facets.labels],
        "tag_links": [(c, facet_address(base, values, "tag", c.value)) for c in facets.tags],
        "previous": address(base, values | {"before": page.before}) if page.before is not None else "",
        "following": address(base, values | {"after": page.after}) if page.after is not None else "",
    }


def failed(version: DatasetVersion, error: StudioError) -> dict[str, Any]:
    """The context of a page whose rows can't be shown."""
    return {
        "version": version,
        "dataset": version.dataset,
        "tab": "rows",
        "status": 503,
        "problem": error,
        "reset": version_path(version),
        "here": version_path(version),
    }


def columns_of(page: Page, facets: Facets) -> dict[str, bool]:
    """Which columns have something to show."""
    return {
        "completion": facets.totals.completions > 0,
        "reference": facets.totals.references > 0,
        "tags": bool(facets.tags),
    }


def facet_address(base: str, values: dict[str, str], key: str, value: str) -> str:
    """The address with this facet chosen, or without it when it was."""
    rest = {name: text for name, text in values.items() if name != key}
    return address(base, rest if values.get(key) == value else rest | {key: value})


def chips(base: str, values: dict[str, str]) -> list[tuple[str, str, str]]:
    """``(name, text, address without it)`` of each filter in use."""
    names = {"q": "Search", "label": "Answer", "tag": "Tag", "has": "Rows", "min": "At least", "max": "At most"}
    words = dict(HAS)
    found = []
    for key, value in values.items():
        text = words.get(value, value) if key == "has" else f"{value} characters" if key in ("min", "max") else value
        rest = {name: kept for name, kept in values.items() if name != key}
        found.append((names[key], text, address(base, rest)))
    return found


def row_parts(found: Row) -> dict[str, Any]:
    """A row's messages, answers and provenance as the drawer shows them."""
    answer, reference = found.completion_text, found.reference_text
    source = found.meta.get("source")
    source = source if isinstance(source, dict) else {}
    known = ("source", "teacher", "model", "cost_usd", "reject")
    return {
        "prompt": [{"role": m.get("role", ""), "content": text_of(m)} for m in found.prompt],
        "answer": {"role": "assistant", "content": answer} if answer is not None else None,
        "reference": {"role": "assistant", "content": reference} if reference is not None else None,
        "differs": answer is not None and reference is not None and answer != reference,
        "source": source,
        "facts": {key: found.meta[key] for key in known[1:] if found.meta.get(key)},
        "raw": to_json(found),
    }

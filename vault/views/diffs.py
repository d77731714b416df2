"""Two versions side by side: what was added, removed and changed, row by row, and what the change did to the score."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from studio.access import WorkspaceRequest, role_required
from studio.jobs import State
from studio.lib.errors import StudioError
from vault import browsing, diffs, uses
from vault.browse_page import row_address
from vault.diffs import Difference, Shown
from vault.editing.wording import field_changes
from vault.models import Dataset, DatasetVersion, Derivation
from vault.rows import Row
from vault.views.lookup import address, get_version

WORDS = {
    "": "All",
    "added": "Added",
    "removed": "Removed",
    "changed": "Changed",
    "prompt": "Prompt",
    "answer": "Answer",
    "reference": "Reference",
    "tags": "Tags",
}


@role_required("viewer")
@require_safe
def choose(request: WorkspaceRequest, slug: str) -> HttpResponse:
    """To the diff of the two versions that were chosen; without a choice, of the two newest."""
    dataset = get_object_or_404(Dataset.objects.select_related("workspace"), workspace=request.workspace, slug=slug)
    numbers = list(dataset.versions.values_list("number", flat=True)[:2])
    texts = (request.GET.get("old", ""), request.GET.get("new", ""))
    if all(text.isdecimal() and len(text) < 9 for text in texts):
        return redirect("dataset_diff", request.workspace.slug, slug, int(texts[0]), int(texts[1]))
    if len(numbers) < 2:
        return redirect("dataset_versions", request.workspace.slug, slug)
    return redirect("dataset_diff", request.workspace.slug, slug, numbers[1], numbers[0])


@role_required("viewer")
@require_safe
def show(request: WorkspaceRequest, slug: str, old: int, new: int) -> HttpResponse:
    """The differences under the choice in the address, a page at a time."""
    before, after = get_version(request, slug, old), get_version(request, slug, new)
    base = reverse("dataset_diff", args=[request.workspace.slug, slug, old, new])
    context: dict[str, Any] = {
        "dataset": after.dataset,
        "version": after,
        "tab": "versions",
        "old": before,
        "new": after,
        "numbers": list(after.dataset.versions.values_list("number", flat=True)),
        "base": base,
        "scores": score_changes(request, before, after),
        "swapped": reverse("dataset_diff", args=[request.workspace.slug, slug, new, old]),
    }
    status = 200
    try:
        made = diffs.request(before, after)
        context["job"] = made
        if made.state == State.SUCCEEDED:
            context |= differences(request, made, before, after, base)
    except StudioError as error:
        context["problem"], status = error, 503
    return render(request, "vault/diff.html#result" if request.htmx else "vault/diff.html", context, status=status)


def score_changes(request: WorkspaceRequest, old: DatasetVersion, new: DatasetVersion) -> list[uses.ScoreChange]:
    """What the change of data did to the score, where students were trained on both."""
    shas = (old.artifact.sha256, new.artifact.sha256)
    if shas[0] == shas[1]:
        return []
    found = uses.find(request.workspace, set(shas))
    return uses.score_changes(found[shas[0]], found[shas[1]])


def read_choice(request: WorkspaceRequest) -> Shown:
    """Which differences the address asks for."""
    kind = request.GET.get("kind", "")
    flip = ("from" in request.GET or "to" in request.GET) and (request.GET.get("from", ""), request.GET.get("to", ""))
    return Shown(kind if kind in diffs.KINDS else "", flip or None)


def differences(
    request: WorkspaceRequest, made: Derivation, old: DatasetVersion, new: DatasetVersion, base: str
) -> dict[str, Any]:
    """One page of differences, and the totals beside which it stands."""
    shown, place = read_choice(request), request.GET.get("after", "")
    found, more = diffs.page(made, shown, after=int(place) if place.isdecimal() and len(place) < 12 else -1)
    result = made.result
    counts = {"": result["added"] + result["removed"] + result["changed"], **result, **result["fields"]}
    query = {"kind": shown.kind} if shown.kind else {}
    if shown.flip:
        query |= {"from": shown.flip[0], "to": shown.flip[1]}
    return {
        "result": result,
        "shown": shown,
        "total": counts[""] if shown == Shown() else diffs.count(made, shown),
        "kinds": [
            (key, word, counts[key], address(base, {"kind": key} if key else {}))
            for key, word in WORDS.items()
            if key in ("", "added", "removed", "changed") or counts[key]
        ],
        "flips": [(a, b, n, address(base, {"from": a or "", "to": b or ""})) for a, b, n in result["flips"]],
        "rows": describe(found, old, new),
        "more": address(base, query | {"after": found[-1].n}) if more and found else "",
        "first_page": address(base, query) if place else "",
    }


def describe(found: list[Difference], old: DatasetVersion, new: DatasetVersion) -> list[dict[str, Any]]:
    """Each difference with its rows and what changed in them."""
    left = rows_at(old, [one.old for one in found if one.old is not None])
    right = rows_at(new, [one.new for one in found if one.new is not None])
    lines = []
    for one in found:
        before, after = left.get(one.old), right.get(one.new)
        row = after or before
        if row is None:
            raise Http404("The rows of this diff are not there any more.")
        version, rid = (new, one.new) if after else (old, one.old)
        lines.append(
            {
                "kind": one.kind,
                "row": row,
                "rid": rid,
                "version": version,
                "href": row_address(version, rid, {}),
                "changes": field_changes(before, after) if before and after else [],
                "by": (row.meta.get("edited") or {}).get("by", "") if one.kind == "changed" else "",
            }
        )
    return lines


def rows_at(version: DatasetVersion, rids: list[int]) -> dict[int | None, Row]:
    """Rows by position."""
    return {line.rid: line.row for line in browsing.open_table(version).lines(rids)}

"""Logs: of one step and of a whole run; the last lines live, every line by its number, and a search through all of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from pipelines.models import Run, StepRun
from pipelines.running import logs
from pipelines.running.context import log_path
from pipelines.views.runs import get_run, get_step
from pipelines.views.runtabs import page
from pipelines.watching.runpages import StepView, step_view, step_views
from studio.access import WorkspaceRequest, role_required

PAGE = 50
"""Hits a page."""
AROUND = 100
"""Lines shown before and after the one that was asked for."""
CONTEXT = 2
SHOWN = 400
"""Lines of a log's end."""
MERGED = 120
"""Lines of each step's end that a run's log is made of."""
MAX_QUERY = 200


class Shown(NamedTuple):
    """A line as a page shows it, with the step it belongs to where there are several."""

    line: logs.Line
    href: str
    step: str = ""


def wanted_of(request: WorkspaceRequest) -> logs.Wanted:
    """What the address asks to find."""
    level = request.GET.get("level", "")
    return logs.Wanted(request.GET.get("q", "")[:MAX_QUERY].strip("\r\n"), level if level in logs.LEVELS else "")


def number_of(request: WorkspaceRequest, name: str) -> int | None:
    """A whole number out of the address, or None."""
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def source_of(step: StepRun) -> logs.Source:
    """The file of a step's log; a reused step shows the one of the step that did the work."""
    return logs.Source(log_path(step.reused_from_id or step.pk), began(step))


def began(step: StepRun) -> datetime:
    """When a step's log began, for stamps without a date."""
    worked = step.reused_from if step.reused_from_id and step.reused_from else step
    return worked.started_at or worked.created_at


def lines_url(step: StepRun) -> str:
    """The page of a step's log."""
    return reverse("run_step_lines", args=[step.run.workspace.slug, step.run.number, step.node])


def line_href(step: StepRun, number: int, wanted: logs.Wanted) -> str:
    """The address of one line."""
    query = {"q": wanted.query, "level": wanted.level, "line": str(number)}
    return f"{lines_url(step)}?{urlencode({k: v for k, v in query.items() if v})}#L{number}"


def live_tail(step: StepRun, *, after: int | None = None, size: int = SHOWN) -> dict[str, Any]:
    """The end of a step's log for its page, and where the next poll goes on."""
    end = logs.tail(source_of(step).path, after=after, size=size, since=began(step), growing=not step.is_finished)
    nothing = logs.Wanted()
    return {
        "lines": [Shown(line, line_href(step, line.number, nothing)) for line in end.lines],
        "live": not step.is_finished,
        "more_url": f"{lines_url(step)}?after={end.end}",
    }


@require_safe
@role_required("viewer")
def step_log(request: WorkspaceRequest, number: int, node: str) -> HttpResponse:
    """A step's log. ``?q=`` and ``?level=`` search all of it, ``?line=`` shows a line among its neighbours, else its end.

    With ``?after=`` (a byte) only the lines that were written since, for the poll.
    """
    step = get_step(request, number, node)
    after = number_of(request, "after")
    if request.htmx and after is not None:
        return render(request, "pipelines/_log_lines.html", live_tail(step, after=after))
    wanted, line = wanted_of(request), number_of(request, "line")
    path = source_of(step).path
    context: dict[str, Any] = {
        "step": step,
        "view": step_view(step),
        "wanted": wanted,
        "levels": levels(path, wanted),
        "size": path.stat().st_size if path.exists() else 0,
        "target": line,
    }
    if line is not None:
        first = max(1, line - AROUND)
        found = logs.window(path, first=first, size=2 * AROUND + 1, since=began(step), query=wanted.query)
        context |= {
            "lines": [Shown(item, line_href(step, item.number, wanted)) for item in found],
            "earlier": line_href(step, max(1, first - AROUND), wanted) if first > 1 else "",
            "later": line_href(step, line + 2 * AROUND, wanted) if len(found) > AROUND + line - first else "",
            "place": place_links(step, path, wanted, line) if wanted.is_set else None,
        }
    elif wanted.is_set:
        context |= hits_page(request, [step], wanted)
    else:
        context |= live_tail(step)
    return render(request, "pipelines/step_log.html", context)


def levels(path: Any, wanted: logs.Wanted) -> list[str]:
    """The levels to choose from: those above the lowest are no choice where a log names none."""
    there = logs.levels_in(path)
    return [level for level in logs.LEVELS[1:] if level in there or level == wanted.level]


def place_links(step: StepRun, path: Any, wanted: logs.Wanted, line: int) -> dict[str, Any]:
    """Which hit a line is, and the addresses of the hits before and after it."""
    at = logs.place(path, wanted, line)
    return {
        "rank": at.rank,
        "total": at.total,
        "previous": line_href(step, at.previous, wanted) if at.previous else "",
        "next": line_href(step, at.next, wanted) if at.next else "",
    }


def hits_page(request: WorkspaceRequest, steps: list[StepRun], wanted: logs.Wanted) -> dict[str, Any]:
    """A page of what was found in these steps' logs, from hit ``?from=`` on."""
    first = number_of(request, "from") or 0
    first = min(first, logs.MOST_HITS)
    found = logs.search([source_of(s) for s in steps], wanted, first=first, size=PAGE, context=CONTEXT)
    return {
        "searched": True,
        "hits": [hit_lines(steps[hit.source], hit, wanted) for hit in found.hits],
        "total": found.total,
        "more_than": found.more,
        "first": first + 1 if found.hits else 0,
        "last": first + len(found.hits),
        "previous_from": max(0, first - PAGE) if first else None,
        "next_from": first + PAGE if first + PAGE < found.total else None,
    }


def hit_lines(step: StepRun, hit: logs.Hit, wanted: logs.Wanted) -> dict[str, Any]:
    """A hit between its neighbours."""

    def show(line: logs.Line) -> Shown:
        return Shown(line, line_href(step, line.number, wanted))

    return {
        "step": step,
        "before": [show(line) for line in hit.before],
        "line": show(hit.line),
        "after": [show(line) for line in hit.after],
    }


@require_safe
@role_required("viewer")
def run_log(request: WorkspaceRequest, number: int) -> HttpResponse:
    """The logs of all steps in the order of time: their ends, live, or what was found in all of them; ``?step=`` keeps one."""
    run = get_run(request, number)
    views = step_views(run)
    chosen = [v for v in views if not request.GET.get("step") or v.step.node == request.GET["step"]]
    if not chosen:
        raise Http404("No such step in this run.")
    steps = [v.step for v in chosen]
    if request.htmx and "after" in request.GET:
        return render(request, "pipelines/_log_lines.html", merged(run, chosen, after=request.GET["after"]))
    wanted = wanted_of(request)
    context: dict[str, Any] = {
        "wanted": wanted,
        "views": views,
        "step_choice": request.GET.get("step", ""),
        "levels": sorted({lv for s in steps for lv in levels(source_of(s).path, wanted)}, key=logs.rank),
        "sizes": [(v, path.stat().st_size) for v in views if (path := source_of(v.step).path).exists()],
    }
    context |= hits_page(request, steps, wanted) if wanted.is_set else merged(run, chosen, after="")
    return page(request, run, views, tab="logs", context=context)


def merged(run: Run, views: list[StepView], *, after: str) -> dict[str, Any]:
    """The ends of several logs in the order of time. ``after``: ``position:byte`` of each, as the last answer gave them."""
    ends = dict(pair.split(":", 1) for pair in after.split(".") if pair.count(":") == 1)
    found: list[tuple[Any, int, int, Shown]] = []
    places = []
    for view in views:
        step = view.step
        given = ends.get(str(step.position), "")
        byte = int(given) if given.isascii() and given.isdigit() and len(given) < 16 else None
        end = logs.tail(
            source_of(step).path, after=byte, size=MERGED if byte is None else SHOWN, since=began(step),
            growing=not step.is_finished,
        )  # fmt: skip
        places.append(f"{step.position}:{end.end}")
        at = began(step)
        for line in end.lines:
            at = line.at or at
            found.append(
                (at, step.position, line.number, Shown(line, line_href(step, line.number, logs.Wanted()), step.node))
            )
    found.sort(key=lambda item: item[:3])
    url = reverse("run_logs", args=[run.workspace.slug, run.number])
    query = {"after": ".".join(places)} | ({"step": views[0].step.node} if len(views) == 1 else {})
    return {
        "lines": [shown for *_, shown in found],
        "live": not run.is_finished,
        "more_url": f"{url}?{urlencode(query)}",
    }

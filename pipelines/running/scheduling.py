"""Who is next: which waiting step a free worker takes, and where in line a step stands.

A ring only says "look now"; the claim decides. A worker that is rung takes the best step of that queue: the run's priority
first, then the workspace that has the fewest steps running there, then the one that was served longest ago, then the oldest
run. With one worker nobody has anything running when it comes free: workspaces then take turns, however many runs one of
them has queued. A workspace at its limit (``STUDIO_WORKSPACE_LIMITS``) is passed over until one of its steps ends.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache as remember
from typing import Any, NamedTuple

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models import Case, Count, IntegerField, Max, Q, QuerySet, Value, When
from django.utils import timezone

from pipelines.models import StepRun
from studio import workers
from studio.jobs import State
from studio.models import Workspace

TRIED_AT_ONCE = 8
"""Candidates of one look: as many workers may race for the first ones."""
LOOKS = 5
"""Looks of one claim: who loses every race that often leaves the rest to the others."""
TURNS_COUNT_FOR = timedelta(days=1)
"""A workspace that was served longer ago is as good as one that never was."""
HISTORY = 200
LINE_SECONDS = 5
"""How long a computed line may be shown: many people may watch one queue."""
LONGEST_LINE = 2_000


def limit_of(queue: str) -> int | None:
    """How many steps of one workspace may run in ``queue`` at once; None: as many as there are workers."""
    limits: dict[str, int] = settings.WORKSPACE_LIMITS
    return limits.get(queue)


# --- taking ----------------------------------------------------------------------------------------------------------


def claim_next(queue: str) -> StepRun | None:
    """Take the best step of ``queue`` that may run now; None when there is none for this worker."""
    for _ in range(LOOKS):
        candidates = list_candidates(queue)
        for step in candidates:
            job = _claim(step)
            if job is not None:
                return job
        if len(candidates) < TRIED_AT_ONCE or workers.is_drained():
            return None
    return None


def list_candidates(queue: str, *, now: datetime | None = None) -> list[StepRun]:
    """The first few steps of ``queue`` that may be taken now, the best first. Four queries, however long the line is."""
    now = now or timezone.now()
    busy = _running_by_workspace(queue)
    limit = limit_of(queue)
    full = [workspace for workspace, count in busy.items() if limit is not None and count >= limit]
    ready = _ready(queue, now=now).exclude(run__workspace_id__in=full)
    waiting = set(ready.order_by().values_list("run__workspace_id", flat=True).distinct())
    served = _served(queue, waiting, now=now) if len(waiting) > 1 else {}
    turn = Case(
        *(When(run__workspace_id=w, then=Value(rank)) for w, rank in rank_turns(waiting, busy, served).items()),
        default=Value(0),
        output_field=IntegerField(),
    )
    steps = ready.select_related("run").annotate(turn=turn)
    return list(steps.order_by("-run__priority", "turn", *AGE)[:TRIED_AT_ONCE])


AGE = ("run__created_at", "run_id", "position")
"""The oldest run first, so that what began ends before something new begins."""


def rank_turns(waiting: set[Any], busy: Mapping[Any, int], served: Mapping[Any, datetime]) -> dict[Any, int]:
    """Workspace → rank of its turn: the fewest running first, then who was served longest ago (never before all). Pure."""
    turn_of = {w: (busy.get(w, 0), served[w].timestamp() if w in served else 0.0) for w in waiting}
    ranks = {turn: rank for rank, turn in enumerate(sorted(set(turn_of.values())))}
    return {w: ranks[turn] for w, turn in turn_of.items()}


def _ready(queue: str, *, now: datetime) -> QuerySet[StepRun]:
    due = Q(not_before__isnull=True) | Q(not_before__lte=now)
    return StepRun.objects.filter(due, queue=queue, state=State.PENDING, ready=True)


def _running_by_workspace(queue: str) -> dict[Any, int]:
    running = StepRun.objects.filter(queue=queue, state=State.RUNNING).order_by()
    return dict(running.values_list("run__workspace_id").annotate(count=Count("pk")))


def _served(queue: str, workspaces: set[Any], *, now: datetime) -> dict[Any, datetime]:
    """Workspace → when a step of it was taken from ``queue`` last."""
    begun = StepRun.objects.filter(
        queue=queue, started_at__gt=now - TURNS_COUNT_FOR, run__workspace_id__in=workspaces
    ).order_by()
    return dict(begun.values_list("run__workspace_id").annotate(last=Max("started_at")))


def _claim(step: StepRun) -> StepRun | None:
    """Claim one step; under a limit with the workspace locked, so that two workers can't both be the last one allowed.

    The step's row is passed over when somebody else has locked it: who holds a step may want the workspace next.
    """
    limit = limit_of(step.queue)
    if limit is None:
        return StepRun.claim(step.pk)
    with transaction.atomic():
        Workspace.objects.select_for_update().get(pk=step.run.workspace_id)
        if _running_by_workspace(step.queue).get(step.run.workspace_id, 0) >= limit:
            return None
        if not StepRun.objects.select_for_update(skip_locked=True).filter(pk=step.pk).exists():
            return None
        return StepRun.claim(step.pk)


def ring_next(queue: str) -> None:
    """Announce what may be taken now: a step that was held back by a limit has no ring of its own any more."""
    if settings.RING:
        for step in list_candidates(queue)[:1]:
            step.ring()


# --- where a step stands ---------------------------------------------------------------------------------------------


class Place(NamedTuple):
    """Place in line (1 is next), how many are in line, and seconds until it likely starts (None: nothing to go by)."""

    number: int
    of: int
    starts_in: float | None


class Waiting(NamedTuple):
    """A step in line, as far as the order looks at it. ``seconds``: what it will likely take (None: not known)."""

    pk: Any
    workspace: Any
    priority: int
    seconds: float | None


class Running(NamedTuple):
    """A step at work: whose it is, and how long it will still take (None: not known)."""

    workspace: Any
    seconds: float | None


@dataclass(frozen=True)
class Line:
    """A queue's line. ``slots``: how many steps its workers do at once, None when no worker ever said that it lives."""

    queue: str
    slots: int | None
    places: Mapping[Any, Place]


def stand_in_line(queue: str) -> Line:
    """The line of a queue now. Five queries, however long it is."""
    now = timezone.now()
    running = list(
        StepRun.objects.filter(queue=queue, state=State.RUNNING)
        .select_related("run")
        .defer("params", "summary", "trace")
    )
    rows = list(
        _ready(queue, now=now)
        .order_by("-run__priority", *AGE)
        .values_list("pk", "run__workspace_id", "run__priority", "step")[:LONGEST_LINE]
    )
    usual = usual_seconds({row[3] for row in rows} | {s.step for s in running})
    served = _served(queue, {row[1] for row in rows}, now=now)
    slots = workers.slots(queue)
    places = order(
        [Waiting(pk, workspace, priority, usual.get(step)) for pk, workspace, priority, step in rows],
        running=[Running(s.run.workspace_id, _left(s, usual.get(s.step), now=now)) for s in running],
        served={workspace: (at - now).total_seconds() for workspace, at in served.items()},
        slots=slots,
        limit=limit_of(queue),
    )
    return Line(queue, slots, places)


def _left(step: StepRun, usual: float | None, *, now: datetime) -> float | None:
    """Seconds a running step still needs: by its own rate, else by what such steps usually took."""
    if step.seconds_left is not None:
        return step.seconds_left
    if usual is None or step.started_at is None:
        return None
    return max(usual - (now - step.started_at).total_seconds(), 0.0)


def usual_seconds(steps: set[str]) -> dict[str, float]:
    """Step name → the middle of what its newest successes took."""
    done = StepRun.objects.filter(step__in=steps, state=State.SUCCEEDED, reused_from=None, attempt=1)
    took: dict[str, list[float]] = defaultdict(list)
    for name, began, ended in done.order_by("-finished_at").values_list("step", "started_at", "finished_at")[:HISTORY]:
        if began and ended:
            took[name].append((ended - began).total_seconds())
    return {name: sorted(seconds)[len(seconds) // 2] for name, seconds in took.items()}


def order(
    waiting: Sequence[Waiting],
    *,
    running: Sequence[Running],
    served: Mapping[Any, float],
    slots: int | None,
    limit: int | None,
) -> dict[Any, Place]:
    """Places by playing through what the workers will do. ``waiting`` comes by priority, then age. Pure.

    ``served``: workspace → when it was served last, in seconds from now (so below 0).
    """
    lines: dict[tuple[int, Any], list[tuple[int, Waiting]]] = defaultdict(list)
    for age, step in reversed(list(enumerate(waiting))):
        lines[(step.priority, step.workspace)].append((age, step))
    busy = Counter(r.workspace for r in running)
    turns = {workspace: (seconds, 0) for workspace, seconds in served.items()}
    # (seconds from now at which a slot comes free, of whose step); infinity: nobody knows when.
    ends = [(_or_never(r.seconds), n, r.workspace) for n, r in enumerate(running)]
    heapq.heapify(ends)
    free, clock, serial = (slots or 0) - len(running), 0.0, len(ends)
    places: dict[Any, Place] = {}
    while len(places) < len(waiting):
        turn = _next_turn(lines, busy, turns, limit=limit)
        if (free <= 0 or turn is None) and ends:
            end, _, workspace = heapq.heappop(ends)
            clock, free = max(clock, end), free + 1
            busy[workspace] -= 1
            continue
        if turn is None:
            break
        _, step = lines[turn].pop()
        known = bool(slots) and clock != NEVER
        places[step.pk] = Place(len(places) + 1, len(waiting), clock if known else None)
        free, serial = free - 1, serial + 1
        busy[step.workspace] += 1
        turns[step.workspace] = (clock, serial)
        heapq.heappush(ends, (clock + _or_never(step.seconds), serial, step.workspace))
    return places


NEVER = float("inf")


def _or_never(seconds: float | None) -> float:
    return NEVER if seconds is None else seconds


def _next_turn(
    lines: Mapping[tuple[int, Any], list[tuple[int, Waiting]]],
    busy: Mapping[Any, int],
    turns: Mapping[Any, tuple[float, int]],
    *,
    limit: int | None,
) -> tuple[int, Any] | None:
    """Whose step is taken next, by the rule at the top of this module; None when everybody in line is at the limit."""
    open_ = [key for key, steps in lines.items() if steps and (limit is None or busy[key[1]] < limit)]
    return min(
        open_,
        key=lambda key: (-key[0], busy[key[1]], turns.get(key[1], (-NEVER, 0)), lines[key][-1][0]),
        default=None,
    )


# --- in words --------------------------------------------------------------------------------------------------------


Look = Callable[[str], Line]
"""Queue → its line, looked up at most once a page."""


def look() -> Look:
    """The lines for one page. What several people look at within a few seconds is computed once."""

    @remember
    def line_of(queue: str) -> Line:
        line: Line | None = cache.get(f"line-{queue}")
        if line is None:
            line = stand_in_line(queue)
            cache.set(f"line-{queue}", line, LINE_SECONDS)
        return line

    return line_of


def pending_text(step: StepRun, line_of: Look) -> str:
    """Why a pending step does not run yet, for people: its inputs, its place in line, when it likely starts."""
    if not step.ready:
        return "Waiting for its inputs" if step.run.paused_at is None else "Waiting for the run to go on"
    if step.not_before is not None and step.not_before > timezone.now():
        return "Waiting to be tried again"
    line = line_of(step.queue)
    place = line.places.get(step.pk)
    if line.slots == 0:
        return f"No worker takes {step.queue} steps now{_in_line(place)}"
    if place is None or line.slots is None:
        return f"Waiting for a free {step.queue} worker{_in_line(place)}"
    limit = limit_of(step.queue)
    held = f"; a workspace may run {limit} at once" if limit is not None and place.number > 1 else ""
    return f"Waiting for a free {step.queue} worker{_in_line(place)}{_when(place)}{held}"


def _in_line(place: Place | None) -> str:
    if place is None or place.of == 1:
        return ""
    return f": {'next' if place.number == 1 else f'place {place.number:,}'} of {place.of:,} in line"


def _when(place: Place) -> str:
    from studio.templatetags.ui import duration

    if place.starts_in is None or place.starts_in < 1:
        return ""
    return f", starts in about {duration(place.starts_in)}"

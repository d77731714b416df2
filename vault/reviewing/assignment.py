"""Who looks at which row. Pure: rows and people are numbers.

Everybody gets the same number of rows (to within one), and every row goes to different people; which of them is drawn by a
seed, so that over many rows everybody is paired with everybody.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence


def assign(
    items: Sequence[int],
    seats: Sequence[int],
    *,
    per_row: int,
    seed: int,
    taken: Mapping[int, Collection[int]] | None = None,
    load: Mapping[int, int] | None = None,
) -> list[tuple[int, int]]:
    """``(item, seat)`` pairs: ``per_row`` seats for each item, those with the least to do first.

    ``taken``: seats that an item already has, which count and are not chosen again. ``load``: what each seat has to do
    already. An item gets fewer seats when there are not enough people.
    """
    chance = random.Random(seed)  # noqa: S311 -- a draw that can be repeated, not a secret
    todo = {seat: (load or {}).get(seat, 0) for seat in seats}
    found = []
    for item in items:
        has = set((taken or {}).get(item, ()))
        free = [seat for seat in seats if seat not in has]
        chance.shuffle(free)
        free.sort(key=lambda seat: todo[seat])
        for seat in free[: max(0, per_row - len(has))]:
            todo[seat] += 1
            found.append((item, seat))
    return found

"""Which rows a round takes, in which order, and why: one question to DuckDB over the rows that a filter left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vault.query import ask
from vault.reviewing.signals import CONFLICT, DIFFERS, FLAGGED, NOTED, Signals, reasons, score
from vault.rows import ROWS_FILE

_ANSWER = "json_extract_string(completion, '$.content')"
_REFERENCE = "json_extract_string(reference, '$.content')"
_NOTED = ", ".join(f"'{name}'" for name in NOTED)

# The same rule as vault.reviewing.signals.score, for rows that are too many to look at one by one; a test holds them together.
_SCORE = f"""
1 - coalesce(agreement, 1) * coalesce(CASE WHEN judge < 0 THEN 0 WHEN judge > 1 THEN 1 ELSE judge END, 1) * coalesce(confidence, 1)
  * CASE WHEN differs THEN {1 - DIFFERS} ELSE 1 END
  * CASE WHEN list_contains(kinds, 'label_conflict') THEN {1 - CONFLICT} ELSE 1 END
  * CASE WHEN list_has_any(kinds, [{_NOTED}]) THEN {1 - FLAGGED} ELSE 1 END
"""


class Chosen(NamedTuple):
    """One row of a round: its position in the version, its score, why, and how many near-copies it stands for."""

    rid: int
    score: float
    reasons: list[str]
    stands_for: int = 1


def worth_a_look(
    folder: Path,
    *,
    root: Path,
    rids: npt.NDArray[np.int32] | None,
    limit: int,
    facts: Path | None = None,
    confidences: Mapping[str, float] | None = None,
    without: Sequence[int] = (),
) -> list[Chosen]:
    """The ``limit`` rows most worth a look, best first; rows that say nothing come last, in row order.

    ``rids``: the rows to choose from (None: all). With ``facts`` near-copies of one another are one row: the one most worth a
    look. ``without``: rows that were chosen before (their near-copies are left out too). Raises ``TooSlow``.
    """
    known = dict(confidences or {})
    values: list[Any] = [str(folder / ROWS_FILE), list(known), list(known.values())]
    group, kinds, join = "-1 - _rid", "[]::VARCHAR[]", ""
    if facts is not None:
        join = "LEFT JOIN (SELECT _rid AS fid, flags, near_group, exact_group FROM read_parquet(?)) ON fid = _rid"
        values.append(str(facts))
        group = "coalesce(near_group, exact_group, -1 - _rid)"
        kinds = "coalesce(list_transform(flags, lambda f: split_part(f, ':', 1)), [])"
    allowed = "true"
    if rids is not None:
        allowed = "_rid IN (SELECT unnest(?))"
        values.append(rids.tolist())
    found = ask(
        f"""
        WITH signals AS (
          SELECT _rid, {group} AS grp, {kinds} AS kinds, k.confidence AS confidence,
            list_max(TRY_CAST(json_extract(soft, '$[*].probability') AS DOUBLE[])) AS agreement,
            TRY_CAST(json_extract_string(meta, '$.judge.score') AS DOUBLE)
              / coalesce(TRY_CAST(json_extract_string(meta, '$.judge.max') AS DOUBLE), 1) AS judge,
            completion IS NOT NULL AND reference IS NOT NULL AND {_ANSWER} IS DISTINCT FROM {_REFERENCE} AS differs
          FROM read_parquet(?)
          LEFT JOIN (SELECT unnest(?::VARCHAR[]) AS known_id, unnest(?::DOUBLE[]) AS confidence) k ON known_id = id
          {join}
          WHERE {allowed}
        ), scored AS (SELECT *, {_SCORE} AS score FROM signals),
        first AS (
          SELECT *, row_number() OVER (PARTITION BY grp ORDER BY score DESC, _rid) AS place,
            count(*) OVER (PARTITION BY grp) AS copies, bool_or(list_contains(?::BIGINT[], _rid)) OVER (PARTITION BY grp) AS had
          FROM scored
        )
        SELECT _rid, agreement, judge, confidence, differs, kinds, copies FROM first
        WHERE place = 1 AND NOT had ORDER BY score DESC, _rid LIMIT {limit:d}
        """,  # noqa: S608 -- our own constants; values are bound
        [*values, list(without)],
        root=root,
    )
    return [_chosen(record) for record in found]


def _chosen(record: tuple[Any, ...]) -> Chosen:
    rid, agreement, judge, confidence, differs, kinds, copies = record
    signals = Signals(agreement, judge, confidence, bool(differs), kinds)
    return Chosen(int(rid), score(signals), reasons(signals), int(copies))


def draw(rids: npt.NDArray[np.int32], *, seed: int, limit: int, without: Sequence[int] = ()) -> list[Chosen]:
    """A random sample without replacement. Asked again with the rows drawn before, it goes on with the same draw."""
    order = np.random.default_rng(seed).permutation(rids)
    left = order[~np.isin(order, np.asarray(without, dtype=np.int64))] if len(without) else order
    return [Chosen(int(rid), 0.0, []) for rid in left[:limit]]


def in_order(rids: npt.NDArray[np.int32], *, limit: int, without: Sequence[int] = ()) -> list[Chosen]:
    """The first rows, as the version has them."""
    left = rids[~np.isin(rids, np.asarray(without, dtype=np.int64))] if len(without) else rids
    return [Chosen(int(rid), 0.0, []) for rid in left[:limit]]

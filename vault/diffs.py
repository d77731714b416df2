"""The difference of two versions, row by row: computed once by DuckDB over both Parquet files and kept like a profile.

Rows are matched by id (the first row with an id to the first, the second to the second), and those left over by their prompt.
``diff.parquet`` holds one record a row that differs, in the order of the newer version, removed rows last: ``n`` (its place),
``kind`` (added, removed, changed), ``old`` and ``new`` (positions), and for changed rows whether ``prompt``, ``answer``,
``reference``, ``tags`` or ``soft`` differ. Where a row came from (``meta``) is not compared: a file uploaded again has it all new.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings

from studio.jobs import State
from studio.lib.errors import StudioError
from vault import derivations, store
from vault.derivations import Beat
from vault.models import DatasetVersion, Derivation
from vault.query import ask
from vault.query.duck import connection
from vault.rows import ROWS_FILE

NAME = "diff-1"
FILE = "diff.parquet"
PAGE = 25
LABEL_CHARS = 200
"""Answers up to this long may be labels."""

MOST_FLIPS = 60
AT_ONCE = 50_000
"""Versions of up to this many rows together are compared while the page waits."""

FIELDS = ("prompt", "answer", "reference", "tags", "soft")
KINDS = ("added", "removed", "changed", *FIELDS)

_SIDE = f"""
    SELECT _rid AS rid, id, row_number() OVER (PARTITION BY id ORDER BY _rid) AS k, hash(prompt) AS prompt,
        hash(completion) AS answer, hash(reference) AS reference, hash(soft) AS soft, tags,
        CASE WHEN strlen(completion) < {LABEL_CHARS + 60} THEN json_extract_string(completion, '$.content') END AS label
    FROM read_parquet(?)
"""  # noqa: S608
_LEFT_OVER = """
    SELECT side.*, row_number() OVER (PARTITION BY side.prompt ORDER BY side.rid) AS nth FROM {side} AS side
    ANTI JOIN by_id ON by_id.{position} = side.rid
"""
_DIFF = f"""
WITH a AS MATERIALIZED ({_SIDE}), b AS MATERIALIZED ({_SIDE}),
by_id AS MATERIALIZED (SELECT a.rid AS old, b.rid AS new FROM a JOIN b ON a.id = b.id AND a.k = b.k),
a_left AS ({_LEFT_OVER.format(side="a", position="old")}),
b_left AS ({_LEFT_OVER.format(side="b", position="new")}),
paired AS (
    SELECT old, new FROM by_id
    UNION ALL
    SELECT a_left.rid, b_left.rid FROM a_left FULL JOIN b_left ON a_left.prompt = b_left.prompt AND a_left.nth = b_left.nth
),
found AS (
    SELECT
        CASE WHEN old IS NULL THEN 'added' WHEN new IS NULL THEN 'removed' ELSE 'changed' END AS kind, old, new,
        coalesce(a.prompt <> b.prompt, false) AS prompt,
        old IS NOT NULL AND new IS NOT NULL AND a.answer IS DISTINCT FROM b.answer AS answer,
        old IS NOT NULL AND new IS NOT NULL AND a.reference IS DISTINCT FROM b.reference AS reference,
        old IS NOT NULL AND new IS NOT NULL AND a.tags IS DISTINCT FROM b.tags AS tags,
        old IS NOT NULL AND new IS NOT NULL AND a.soft IS DISTINCT FROM b.soft AS soft,
        a.label AS old_label, b.label AS new_label, a.tags AS old_tags, b.tags AS new_tags
    FROM paired LEFT JOIN a ON a.rid = paired.old LEFT JOIN b ON b.rid = paired.new
)
SELECT kind, old, new, prompt, answer, reference, tags, soft,
    CASE WHEN answer THEN old_label END AS old_label, CASE WHEN answer THEN new_label END AS new_label,
    CASE WHEN tags THEN old_tags END AS old_tags, CASE WHEN tags THEN new_tags END AS new_tags
FROM found WHERE kind <> 'changed' OR prompt OR answer OR reference OR tags OR soft
ORDER BY new NULLS LAST, old
"""  # noqa: S608


def derive(rows: Path, out: Path, *, params: Mapping[str, Any], beat: Beat) -> dict[str, Any]:
    """Compare the rows in ``rows`` (the newer) with those of the artifact ``params["against"]``; returns the counts."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    older = store.folder_of(params["against"])
    if not (older / ROWS_FILE).exists():
        raise StudioError(
            "The older version's files are not in the data folder.", action="Restore the data folder from a backup."
        )
    beat(0, 0, "Matching rows")
    cursor = connection(settings.DATA_ROOT).cursor()
    try:
        found = cursor.sql(_DIFF, params=[str(older / ROWS_FILE), str(rows / ROWS_FILE)]).to_arrow_table()
    finally:
        cursor.close()
    beat(0, 0, "Writing")
    numbered = found.add_column(0, "n", pa.array(np.arange(found.num_rows, dtype=np.int64)))
    pq.write_table(numbered, out / FILE, compression="zstd", row_group_size=20_000)
    return summarise(out / FILE)


def summarise(file: Path) -> dict[str, Any]:
    """Counts of a diff: rows by kind and by field, label flips from → to, tags put on and taken off."""
    counts = ask("SELECT kind, count(*) FROM read_parquet(?) GROUP BY kind", [str(file)], root=settings.DATA_ROOT)
    fields = ask(
        f"SELECT {', '.join(f'count(*) FILTER (WHERE {name})' for name in FIELDS)} FROM read_parquet(?)",  # noqa: S608
        [str(file)],
        root=settings.DATA_ROOT,
    )[0]
    sql = f"""
        SELECT old_label, new_label, count(*) AS n FROM read_parquet(?)
        WHERE answer AND old_label IS DISTINCT FROM new_label AND coalesce(old_label, new_label) IS NOT NULL
        GROUP BY ALL ORDER BY n DESC, old_label, new_label LIMIT {MOST_FLIPS + 1:d}
    """  # noqa: S608
    flips = ask(sql, [str(file)], root=settings.DATA_ROOT)
    kinds = dict(counts)
    return {
        **{kind: int(kinds.get(kind, 0)) for kind in ("added", "removed", "changed")},
        "fields": dict(zip(FIELDS, (int(n) for n in fields), strict=True)),
        "flips": [list(flip) for flip in flips[:MOST_FLIPS]],
        "more_flips": len(flips) > MOST_FLIPS,
        "tags": _tag_counts(file),
    }


def _tag_counts(file: Path) -> list[list[Any]]:
    """``[tag, rows it was put on, rows it was taken off]`` of the tags that changed most."""
    split = "unnest(json_extract_string({}, '$[*]')) AS tag, n FROM read_parquet(?) WHERE tags"
    found = ask(
        f"WITH o AS (SELECT {split.format('old_tags')}), w AS (SELECT {split.format('new_tags')}), "  # noqa: S608
        "t AS (SELECT tag, 1 AS put, 0 AS off FROM (SELECT * FROM w EXCEPT SELECT * FROM o) "
        "UNION ALL SELECT tag, 0, 1 FROM (SELECT * FROM o EXCEPT SELECT * FROM w)) "
        "SELECT tag, sum(put), sum(off) FROM t GROUP BY tag ORDER BY sum(put) + sum(off) DESC, tag LIMIT 30",
        [str(file), str(file)],
        root=settings.DATA_ROOT,
    )
    return [[tag, int(put), int(off)] for tag, put, off in found]


def request(old: DatasetVersion, new: DatasetVersion) -> Derivation:
    """The diff of two versions, asked for now unless it is there; small ones are done at once."""
    made = derivations.request(new.artifact, NAME, {"against": old.artifact.sha256})
    if made.state == State.PENDING and old.rows + new.rows <= AT_ONCE:
        derivations.run(made.pk)
        made.refresh_from_db()
    return made


class Difference(NamedTuple):
    """One row that differs; positions are None where a version has no such row."""

    n: int
    kind: str
    old: int | None
    new: int | None


@dataclass(frozen=True)
class Shown:
    """Which differences to show: ``kind`` is one of :data:`KINDS` or empty; ``flip`` an old and a new label."""

    kind: str = ""
    flip: tuple[str, str] | None = None

    def where(self) -> tuple[str, list[Any]]:
        """A SQL condition and its bound values."""
        parts, values = ["true"], list[Any]()
        if self.kind in FIELDS:
            parts.append(self.kind)
        elif self.kind:
            parts.append("kind = ?")
            values.append(self.kind)
        if self.flip is not None:
            parts.append("answer AND old_label IS NOT DISTINCT FROM ? AND new_label IS NOT DISTINCT FROM ?")
            values += [label or None for label in self.flip]
        return " AND ".join(parts), values


def page(made: Derivation, shown: Shown, *, after: int = -1, size: int = PAGE) -> tuple[list[Difference], bool]:
    """The differences behind place ``after``, and whether there are more."""
    where, values = shown.where()
    found = ask(
        f"SELECT n, kind, old, new FROM read_parquet(?) WHERE n > ? AND {where} ORDER BY n LIMIT {size + 1:d}",  # noqa: S608
        [str(derivations.folder(made) / FILE), after, *values],
        root=settings.DATA_ROOT,
    )
    return [Difference(*one) for one in found[:size]], len(found) > size


def count(made: Derivation, shown: Shown) -> int:
    """How many differences there are of this sort."""
    where, values = shown.where()
    file = str(derivations.folder(made) / FILE)
    sql = f"SELECT count(*) FROM read_parquet(?) WHERE {where}"  # noqa: S608
    return int(ask(sql, [file, *values], root=settings.DATA_ROOT)[0][0])

"""Which rows an operation concerns: those under the browser's filter or ticked, and of these those that it would change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from django.conf import settings

from vault import store
from vault.editing.changes import CONTENT, Change, Record, change, fold
from vault.editing.drafts import change_of
from vault.editing.matching import Replacement, compile_pattern, expression
from vault.editing.positions import Positions, unpack
from vault.editing.streaming import read_records
from vault.models import DatasetVersion, Draft, EditOperation
from vault.query import ask_positions
from vault.rows import ROWS_FILE

TEXTS = {
    "prompt": "json_extract_string(prompt, '$[*].content')",
    "completion": "[json_extract_string(completion, '$.content')]",
    "reference": "[json_extract_string(reference, '$.content')]",
}
FIRST = 8
"""Rows that a preview shows."""

STRETCH = 1 << 16


def changed_by(
    kind: str, params: Mapping[str, Any], *, among: Positions, version: DatasetVersion, draft: Draft | None
) -> Positions:
    """Of these rows, those that a find-and-replace finds something in, as they stand in the draft; for other kinds all.

    DuckDB looks through the version, and Python through the rows whose text the draft has changed.
    Raises ``StudioError`` for a pattern that can't be used and ``TooSlow``.
    """
    if kind != "replace":
        return among
    field = params["field"]
    compile_pattern(params)
    found = np.intersect1d(among, _matching(version, params))
    retouched = _retouched(draft, field)
    retouched = np.intersect1d(retouched, among)
    if not len(retouched):
        return found
    probe = Replacement.from_params(params)
    still = [
        rid
        for rid, record in standing_records(version, draft, retouched)
        if any(probe.found_in(text) for text in texts_of(record, field))
    ]
    return np.union1d(np.setdiff1d(found, retouched), np.array(still, dtype=np.int64))


def _matching(version: DatasetVersion, params: Mapping[str, Any]) -> Positions:
    folder = store.path(version.artifact)
    texts = TEXTS[params["field"]]
    file = str(folder / ROWS_FILE)
    flags = "'i'" if params.get("ignore_case") else "'c'"
    sql = (
        f"SELECT _rid FROM read_parquet(?) WHERE len(list_filter({texts}, lambda x: regexp_matches(x, ?, {flags}))) > 0"  # noqa: S608
    )
    values = [file, expression(params)]
    if not params.get("regex") and params["find"].isascii():
        # Far cheaper than taking messages out of JSON, and it finds all of them and more.
        sql += " AND contains(_search, ?)"
        values.append(params["find"].lower())
    return np.sort(ask_positions(sql, values, root=settings.DATA_ROOT)).astype(np.int64)


def _retouched(draft: Draft | None, field: str) -> Positions:
    """Rows in which an operation in force may have changed this field."""
    if draft is None:
        return np.zeros(0, dtype=np.int64)
    alive = draft.operations.filter(undone_at__isnull=True, kind__in=("row", "label", "replace"))
    parts = [unpack(one.rids) for one in alive if one.params.get("field") == field or field in one.params]
    return np.unique(np.concatenate(parts)) if parts else np.zeros(0, dtype=np.int64)


def texts_of(record: Record, field: str) -> list[str]:
    """The texts of a prompt's messages, or of an answer."""
    value = record.get(field)
    messages = value if isinstance(value, list) else [value] if value else []
    return [message["content"] for message in messages if isinstance(message.get("content"), str)]


def standing_records(version: DatasetVersion, draft: Draft | None, rids: Positions) -> Iterator[tuple[int, Record]]:
    """The rows at these sorted positions as they stand in the draft, in order."""
    operations = [Laid(one, change_of(one)) for one in in_force(draft)] if draft else []
    stretch: list[tuple[set[int], Change]] = []
    high = 0
    for rid, texts in read_records(store.path(version.artifact), rids):
        if rid >= high:
            low, high = rid, (rid // STRETCH + 1) * STRETCH
            stretch = [(one.within(low, high), one.change) for one in operations]
        yield rid, fold(Record(texts), [one for mine, one in stretch if rid in mine])


class Laid(NamedTuple):
    """An operation and what it does to each of its rows."""

    operation: EditOperation
    change: Change

    def within(self, low: int, high: int) -> set[int]:
        """Its rows in ``low <= position < high``."""
        if self.operation.high < low or self.operation.low >= high:
            return set()
        return set(unpack(self.operation.rids, low=low, high=high).tolist())


def in_force(draft: Draft) -> list[EditOperation]:
    """The operations that count, in order."""
    return list(draft.operations.filter(undone_at__isnull=True).select_related("author"))


class Example(NamedTuple):
    """A row before and after an operation."""

    rid: int
    before: Record
    after: Record


def examples(
    kind: str, params: Mapping[str, Any], *, rids: Positions, version: DatasetVersion, draft: Draft | None
) -> list[Example]:
    """The first rows that an operation would change, as they stand and as they would."""
    trial = change(kind, params, by="", at="")
    found = []
    first = rids[: FIRST * 4]
    twice = zip(standing_records(version, draft, first), standing_records(version, draft, first), strict=True)
    for (rid, before), (_, after) in twice:
        fold(after, [trial])
        if after.rejected != before.rejected or any(after.get(name) != before.get(name) for name in CONTENT):
            found.append(Example(rid, before, after))
        if len(found) == FIRST:
            break
    return found

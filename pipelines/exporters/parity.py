"""Whether a file answers as the adapter does, row by row. Pure: predictions in, counts and differences out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

KEPT_DIFFERENCES = 200
LONGEST = 500


def read_answers(path: Path) -> dict[str, str | None]:
    """Row id → answer text of a predictions file; None where there was an error."""
    with path.open(encoding="utf-8") as source:
        lines = [json.loads(line) for line in source if line.strip()]
    return {line["id"]: None if line["error"] else line["text"] for line in lines}


def compare(
    adapter: Mapping[str, str | None], file: Mapping[str, str | None], questions: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """``{"same", "rows", "share", "differences"}`` of two sets of answers over ``(row id, question)`` pairs.

    Answers count as the same when they are the same text, character by character, but for white space around them. A row
    that neither could answer is not counted; a row that only one could answer differs. At most ``KEPT_DIFFERENCES`` are
    kept, each with the question and both answers.
    """
    same = rows = 0
    differences: list[dict[str, Any]] = []
    for row_id, question in questions:
        ours, theirs = adapter.get(row_id), file.get(row_id)
        if ours is None and theirs is None:
            continue
        rows += 1
        if ours is not None and theirs is not None and ours.strip() == theirs.strip():
            same += 1
        elif len(differences) < KEPT_DIFFERENCES:
            shown = {"question": question, "adapter": ours, "file": theirs}
            differences.append({"id": row_id} | {k: None if v is None else v[:LONGEST] for k, v in shown.items()})
    return {"same": same, "rows": rows, "share": same / rows if rows else None, "differences": differences}

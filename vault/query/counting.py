"""Counts over a version, from its index, its file, or its profile."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from vault.query import sources
from vault.query.duck import ask
from vault.query.finding import Finder
from vault.query.lengths import Lengths, summarise
from vault.query.sources import ANSWER, LABEL_CHARS, PROMPT_CHARS, RAW


class Count(NamedTuple):
    """A value and how many rows have it."""

    value: str
    rows: int


@dataclass(frozen=True)
class Totals:
    """Counts over a whole version."""

    rows: int
    completions: int
    references: int
    differing: int


class Counter(Finder):
    """What a version holds, in numbers."""

    def totals(self) -> Totals:
        """Rows, answers, references, and answers that are not their reference."""
        if self.index:
            return Totals(**self.index.about["totals"])
        found = self._ask(
            f"SELECT count(*), count(completion), count(reference), count(*) FILTER (WHERE {RAW['differs']}) FROM read_parquet(?)"  # noqa: S608
        )
        return Totals(*(int(value) for value in found[0]))

    def labels(self, *, limit: int = 100) -> list[Count]:
        """The commonest answers that are short enough for a label, most rows first."""
        if self.index:
            return [Count(*pair) for pair in self.index.about["labels"][:limit]]
        found = self._ask(
            f"SELECT {ANSWER} AS label, count(*) AS n FROM read_parquet(?) WHERE completion IS NOT NULL "  # noqa: S608
            f"GROUP BY 1 HAVING length(label) <= {LABEL_CHARS:d} ORDER BY n DESC, label LIMIT {limit:d}"
        )
        return [Count(label, n) for label, n in found]

    def distinct_answers(self) -> int:
        """How many different answers there are."""
        if self.index:
            return int(self.index.about["distinct"])
        return int(self._ask(f"SELECT count(DISTINCT {ANSWER}) FROM read_parquet(?)")[0][0])  # noqa: S608

    def tags(self, *, limit: int = 100) -> list[Count]:
        """The commonest tags, most rows first."""
        if self.index:
            return [Count(*pair) for pair in self.index.about["tags"][:limit]]
        found = self._ask(
            "SELECT tag, count(*) AS n FROM (SELECT unnest(json_extract_string(tags, '$[*]')) AS tag "  # noqa: S608
            f"FROM read_parquet(?) WHERE tags <> '[]') GROUP BY 1 ORDER BY n DESC, tag LIMIT {limit:d}"
        )
        return [Count(tag, n) for tag, n in found]

    def meta_paths(self, *, limit: int = 40) -> list[str]:
        """The paths below ``meta`` that rows have (without an index: the first thousand rows)."""
        if self.index:
            return list(self.index.about["paths"])[:limit]
        found = self._ask("SELECT meta FROM read_parquet(?) LIMIT 1000")
        return sorted({path for (meta,) in found for path, _ in sources.leaves(json.loads(meta or "{}"))})[:limit]

    def lengths(self, field: str, *, bins: int = 24) -> Lengths | None:
        """Lengths in characters of ``field`` ("prompt" or "completion"); None when no row has it."""
        if self.index:
            column = "prompt_chars" if field == "prompt" else "answer_chars"
            found = ask(
                f"SELECT {column}, count(*) FROM read_parquet(?) WHERE {column} IS NOT NULL GROUP BY 1 ORDER BY 1",  # noqa: S608
                [self.index.source.file],
                root=self._root,
            )
        else:
            chars, column = (PROMPT_CHARS, "prompt") if field == "prompt" else (f"length({ANSWER})", "completion")
            found = self._ask(
                f"SELECT n, count(*) FROM (SELECT {chars} AS n FROM read_parquet(?) WHERE {column} IS NOT NULL) "  # noqa: S608
                "WHERE n IS NOT NULL GROUP BY n ORDER BY n"
            )
        return summarise([(int(n), int(rows)) for n, rows in found], bins=bins)

    # --- the profile's facts ----------------------------------------------------------------------------------------

    def facts(self, rid: int) -> dict[str, Any] | None:
        """What the profile found in one row: ``tokens``, ``language``, ``flags``, ``near_group``; None without a profile."""
        if self.facts_file is None:
            return None
        names = ("tokens", "language", "flags", "near_group", "exact_group")
        found = ask(
            f"SELECT {', '.join(names)} FROM read_parquet(?) WHERE _rid = ?",  # noqa: S608
            [str(self.facts_file), rid],
            root=self._root,
        )
        return dict(zip(names, found[0], strict=True)) if found else None

    def tokens(self, rids: Sequence[int]) -> dict[int, int]:
        """The tokens of rows, as the profile counted them: position → tokens; only those it knows."""
        if self.facts_file is None or not rids:
            return {}
        positions = ", ".join(f"{rid:d}" for rid in rids)
        found = ask(
            f"SELECT _rid, tokens FROM read_parquet(?) WHERE _rid IN ({positions}) AND tokens IS NOT NULL",  # noqa: S608
            [str(self.facts_file)],
            root=self._root,
        )
        return {int(rid): int(tokens) for rid, tokens in found}

    def fact_values(self) -> tuple[list[Count], list[Count]]:
        """The flags and the languages of the profile with their rows, most first; empty without a profile."""
        if self.facts_file is None:
            return [], []
        file = [str(self.facts_file)]
        flags = ask(
            "SELECT flag, count(*) AS n FROM (SELECT unnest(flags) AS flag FROM read_parquet(?)) GROUP BY 1 ORDER BY n DESC, 1",
            file,
            root=self._root,
        )
        languages = ask(
            "SELECT language, count(*) AS n FROM read_parquet(?) WHERE language IS NOT NULL GROUP BY 1 ORDER BY n DESC, 1 LIMIT 30",
            file,
            root=self._root,
        )
        return [Count(*pair) for pair in flags], [Count(*pair) for pair in languages]

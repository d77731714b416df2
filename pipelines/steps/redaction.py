"""Replacing values in all texts of a row by placeholders that are the same wherever the value occurs. Plain data only."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

from vault.quality import pii
from vault.rows import Message, Row

KEPT_META = frozenset(
    {
        "source",
        "teacher",
        "model",
        "usage",
        "cost_usd",
        "latency_ms",
        "at",
        "derived_from",
        "sample",
        "sample_of",
        "redacted",
    }
)
"""Fields of ``meta`` that the Studio writes itself and that hold no text of a person."""
LEAST = 6
"""Characters of a value from which its other occurrences in the row are replaced, too."""
_PLACEHOLDER = re.compile(r"\[([A-Z][A-Z_]*)_(\d+)\]")

Rewrite = Callable[[str], str]


class Redactor:
    """The values of one row and their placeholders (``[EMAIL_1]``). Use: :meth:`learn` every text, then :meth:`clean` each."""

    def __init__(self, *, kinds: Collection[str], regions: Collection[str]) -> None:
        self.kinds = kinds
        self.regions = regions
        self.counts: Counter[str] = Counter()
        self._numbers: dict[tuple[str, str], int] = {}
        self._taken: Counter[str] = Counter()
        self._values: dict[str, str] = {}
        self._known: re.Pattern[str] | None = None

    def learn(self, text: str, *, names: Collection[str] = ()) -> None:
        """Give every value in the text its placeholder, in order of appearance; ``names``: more values, of persons."""
        for kind, number in _PLACEHOLDER.findall(text):
            self._taken[kind] = max(self._taken[kind], int(number))
        for span in pii.find(text, kinds=self.kinds, regions=self.regions):
            self._learn(span.kind, text[span.start : span.end])
        for name in names:
            if name in text:
                self._learn("name", name)

    def _learn(self, kind: str, value: str) -> None:
        key = (kind, same(kind, value))
        if key not in self._numbers:
            self._taken[kind.upper()] += 1
            self._numbers[key] = self._taken[kind.upper()]
            self.counts[kind] += 1
        self._values[value] = f"[{kind.upper()}_{self._numbers[key]}]"
        self._known = None

    def clean(self, text: str) -> str:
        """The text with every value replaced: those found in it, and those found elsewhere in the row."""
        if not self._values:
            return text
        spans = pii.find(text, kinds=self.kinds, regions=self.regions)
        pieces, at = [], 0
        for span in spans:
            placeholder = self._values.get(text[span.start : span.end])
            if placeholder is not None:
                pieces += [self._elsewhere(text[at : span.start]), placeholder]
                at = span.end
        return "".join([*pieces, self._elsewhere(text[at:])])

    def _elsewhere(self, text: str) -> str:
        """Values that only another text of the row shows for what they are (a number without its "call")."""
        if self._known is None:
            values = sorted(
                (v for v in self._values if len(v) >= LEAST or self._values[v].startswith("[NAME")), key=len
            )
            escaped = "|".join(re.escape(value) for value in reversed(values))
            self._known = re.compile(rf"(?<!\w)(?:{escaped})(?!\w)" if escaped else r"(?!)")
        return self._known.sub(lambda found: self._values[found[0]], text)


def same(kind: str, value: str) -> str:
    """What two spellings of one value have in common: the letters and digits; of an email and a name, no case."""
    if kind in ("phone", "card", "iban"):
        return "".join(c for c in value if c.isalnum()).upper()
    return value.casefold() if kind in ("email", "ip", "name") else value


def redact(
    row: Row, *, kinds: Collection[str], regions: Collection[str], names: Collection[str] = ()
) -> tuple[Row, Counter[str]]:
    """The row without these kinds of values, and how many different ones of each kind it had.

    A row that had any keeps its id, names itself in ``meta["derived_from"]`` and counts the kinds in ``meta["redacted"]``.
    """
    redactor = Redactor(kinds=kinds, regions=regions)
    for text in texts_of(row):
        redactor.learn(text, names=names)
    if not redactor.counts:
        return row, redactor.counts
    changed = rewrite(row, redactor.clean)
    lineage = [*(i for i in row.meta.get("derived_from") or [] if i != row.id), row.id]
    before = Counter(row.meta.get("redacted") or {})
    meta = {**changed.meta, "derived_from": lineage, "redacted": dict(before + redactor.counts)}
    return replace(changed, meta=meta), redactor.counts


def texts_of(row: Row) -> Iterator[str]:
    """Every text of the row that a person may have written, the prompt first."""
    found: list[str] = []

    def note(text: str) -> str:
        found.append(text)
        return text

    rewrite(row, note)
    return iter(found)


def rewrite(row: Row, change: Rewrite) -> Row:
    """The row with ``change`` applied to every text of it: messages, arguments of tool calls, alternatives, tags, meta."""
    prompt = [_message(message, change) for message in row.prompt]
    completion = None if row.completion is None else _message(row.completion, change)
    reference = None if row.reference is None else _message(row.reference, change)
    soft = None if row.soft is None else [{**answer, "text": change(answer["text"])} for answer in row.soft]
    tags = [change(tag) for tag in row.tags]
    meta = {name: value if name in KEPT_META else _inside(value, change) for name, value in row.meta.items()}
    return replace(row, prompt=prompt, completion=completion, reference=reference, soft=soft, tags=tags, meta=meta)  # type: ignore[arg-type]


def _message(message: Message, change: Rewrite) -> Message:
    changed: dict[str, Any] = dict(message)
    for name in ("content", "name"):
        if isinstance(changed.get(name), str):
            changed[name] = change(changed[name])
    if changed.get("tool_calls"):
        changed["tool_calls"] = [_call(call, change) for call in changed["tool_calls"]]
    return cast("Message", changed)


def _call(call: Mapping[str, Any], change: Rewrite) -> dict[str, Any]:
    """A tool call whose arguments stay JSON: only strings inside them are changed."""
    function = dict(call.get("function") or {})
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        try:
            parsed = json.loads(arguments)
        except ValueError:
            function["arguments"] = change(arguments)
        else:
            cleaned = _inside(parsed, change)
            if cleaned != parsed:
                function["arguments"] = json.dumps(cleaned, ensure_ascii=False)
    elif arguments is not None:
        function["arguments"] = _inside(arguments, change)
    return {**call, "function": function}


def _inside(value: Any, change: Rewrite) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {name: _inside(inner, change) for name, inner in value.items()}
    if isinstance(value, list):
        return [_inside(inner, change) for inner in value]
    return value


def told(counts: Mapping[str, int] | Iterable[tuple[str, int]]) -> str:
    """``"2 emails, 1 card"``: kinds and numbers, never a value."""
    names = {"ip": "IP address", "iban": "IBAN"}
    pairs = Counter(dict(counts)).most_common()
    parts = []
    for kind, count in pairs:
        name = names.get(kind, kind.replace("_", " "))
        parts.append(f"{count:,} {name if count == 1 else _plural(name)}")
    return ", ".join(parts)


def _plural(name: str) -> str:
    return f"{name}es" if name.endswith("s") else f"{name}s"

"""Self-consistency: of several answers to one prompt, keep what most of them say, and how many do.

Source: X. Wang et al., "Self-Consistency Improves Chain of Thought Reasoning in Language Models", ICLR 2023.
"""

from __future__ import annotations

import json
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import field_validator

from pipelines.steps import base, sieve
from pipelines.steps.allowed_labels import label_table
from pipelines.steps.base import Context, InputArtifact, Port, StepResult
from pipelines.steps.sieve import Verdict
from studio.lib.canonical import fingerprint
from studio.lib.params import BaseParams, param
from vault.quality.json_check import Unusable, parse, unfenced
from vault.quality.patterns import compile_pattern
from vault.rows import Row, SoftAnswer, assistant, count_rows, normalise, read_rows

Compare = Literal["auto", "text", "labels", "json"]
Ties = Literal["drop", "first", "shortest"]
MOST_SOFT = 64
"""Different answers kept in ``soft``; there are seldom more samples than this."""


class Agreement(base.Step):
    """Makes one row of all rows that share a prompt: the answer most of them give becomes its completion, the shares of all
    answers its ``soft``. Prompts whose answers agree too little leave by ``rejects``, one row each, with the same shares.

    Two answers are the same when they are equal after the comparison: text without case, extra spaces and the signs around it; labels by
    the label set of the input; JSON by value, whatever the order of fields and the layout.
    """

    label = "Agreement"
    group = "Curation"
    help = (
        "A teacher that gives the same answer again and again is more often right. Ask it several times (“Answers to each "
        "prompt” of the teacher step, with a temperature), and keep what it is sure of."
    )
    inputs = {"rows": Port("dataset", "Rows with several answers to each prompt")}
    outputs = {
        "rows": Port("dataset", "One row a prompt, with the answer most samples gave"),
        "rejects": Port("dataset", "Prompts without enough agreement, each with its shares"),
    }

    class Params(BaseParams):
        share: float = param(
            0.6,
            label="Least share",
            help="Of a prompt's answers, how many must say the same. 0.6 is 60 %.",
            gt=0,
            le=1,
        )
        least_answers: int = param(
            2,
            label="Fewest answers",
            help="A prompt with fewer answers has no vote: one answer always agrees with itself.",
            unit="answers",
            ge=1,
            le=1000,
        )
        compare: Compare = param(
            "auto",
            label="Answers are compared as",
            help="auto: JSON where all answers of a prompt are JSON objects or lists, labels where the input has a label set, "
            "else text.",
        )
        ties: Ties = param(
            "drop",
            label="When two answers have most votes",
            help="Drop the prompt, or take the one that came first, or the shortest.",
        )
        answer_pattern: str = param(
            "",
            label="Part that counts",
            help="A pattern (RE2) whose first group is compared, for answers that explain first, such as "
            r"(?i)answer:\s*(.+). Empty: the whole answer.",
            advanced=True,
        )

        @field_validator("answer_pattern")
        @classmethod
        def has_a_group(cls, pattern: str) -> str:
            if pattern and compile_pattern(pattern).groups < 1:
                raise ValueError("The pattern needs a group in round brackets around the part that counts")
            return pattern

    def run(self, ctx: Context, params: Params, inputs: Mapping[str, InputArtifact]) -> StepResult:
        source = inputs["rows"]
        total = count_rows(source.path)
        sizes = group_sizes(sieve.rows_of(ctx, source, note="finding the prompts"))
        rows = sieve.reported(ctx, read_rows(source.path), total=total, note="voting")
        told = Told()
        ballot = Ballot(params, labels=source.meta.get("labels") or ())
        result, _ = sieve.sift(
            ctx,
            judge(rows, sizes=sizes, ballot=ballot, told=told),
            by="agreement",
            meta=sieve.passed_on(source),
            action="Lower the least share, or ask the teacher for several answers to each prompt before this step.",
        )
        kept, prompts = result.summary["rows_kept"], result.summary["rows_in"]
        mean = told.shares / told.voted if told.voted else 0.0
        causes = ", ".join(f"{count:,} {cause}" for cause, count in result.summary["dropped"].items())
        dropped = f" ({prompts - kept:,} dropped: {causes})" if causes else ""
        noun = "prompt" if prompts == 1 else "prompts"
        headline = (
            f"{kept:,} of {prompts:,} {noun} kept{dropped}, from {total:,} answers that agree by {mean:.0%} on average."
        )
        summary = {
            **result.summary,
            "rows_in": total,
            "prompts": prompts,
            "unanimous": told.unanimous,
            "mean_agreement": round(mean, 4),
            "headline": headline,
        }
        return replace(result, summary=summary)


@dataclass
class Told:
    """What is counted on the way: prompts that voted, the sum of their winners' shares, those without a second opinion."""

    voted: int = 0
    shares: float = 0.0
    unanimous: int = 0


def prompt_key(row: Row) -> bytes:
    """16 bytes that rows with one prompt share."""
    return bytes.fromhex(fingerprint(row.prompt)[:32])


@dataclass(frozen=True)
class Sizes:
    """For each row, in order, the number of its prompt (``groups``); for each prompt, how many rows have it (``counts``)."""

    groups: Sequence[int]
    counts: Sequence[int]


def group_sizes(rows: Iterable[Row]) -> Sizes:
    """One pass. Memory: 24 bytes a row and a small record for each prompt."""
    numbers: dict[bytes, int] = {}
    groups, counts = array("q"), array("q")
    for row in rows:
        number = numbers.setdefault(prompt_key(row), len(numbers))
        if number == len(counts):
            counts.append(0)
        groups.append(number)
        counts[number] += 1
    return Sizes(groups, counts)


def judge(rows: Iterable[Row], *, sizes: Sizes, ballot: Ballot, told: Told) -> Iterator[Verdict]:
    """A verdict on each prompt, once its last row was seen. Memory: the prompts that are open, so one at a time where
    samples stand together, as a teacher step leaves them."""
    waiting: dict[int, list[Row]] = {}
    for row, number in zip(rows, sizes.groups, strict=True):
        group = waiting.setdefault(number, [])
        group.append(row)
        if len(group) == sizes.counts[number]:
            yield ballot.decide(waiting.pop(number), told=told)


class Ballot:
    """The rules of the vote."""

    def __init__(self, params: Agreement.Params, *, labels: Sequence[str] = ()) -> None:
        self.params = params
        self.labels = label_table(labels) if labels else {}
        self.pattern = compile_pattern(params.answer_pattern) if params.answer_pattern else None

    def decide(self, rows: Sequence[Row], *, told: Told) -> Verdict:
        """One row for all rows of a prompt, and whether it stays."""
        answered = distinct(row for row in rows if row.completion is not None)
        if not answered:
            return Verdict(base_row(rows, rows[0]), "without an answer", "The prompt has no answer.")
        keys = self.keys([row.completion_text or "" for row in answered])
        votes = Counter(keys)
        ranked = votes.most_common()
        top = [key for key, count in ranked if count == ranked[0][1]]
        winner = self.break_tie(top, keys, answered)
        share = votes[winner] / len(answered)
        told.voted, told.shares, told.unanimous = (
            told.voted + 1,
            told.shares + share,
            told.unanimous + (len(votes) == 1 and len(answered) > 1),
        )
        made = self.merge(rows, answered, keys, votes, winner=winner)
        if len(answered) < self.params.least_answers:
            few = f"{len(answered):,} {'answer' if len(answered) == 1 else 'answers'}"
            reason = f"The prompt has {few}; at least {self.params.least_answers:,} make a vote."
            return Verdict(made, "with too few answers", reason)
        said = f"{votes[winner]:,} of {len(answered):,} answers agree ({share:.0%})"
        if share < self.params.share - 1e-9:
            return Verdict(made, "without enough agreement", f"{said}; at least {self.params.share:.0%}.")
        if len(top) > 1 and self.params.ties == "drop":
            return Verdict(made, "with a tie", f"{said}, and as many say something else.")
        return Verdict(made)

    def keys(self, texts: Sequence[str]) -> list[str]:
        """What of each answer is compared. An answer that is only signs stands for itself."""
        texts = [self.part(text) for text in texts]
        compare = self.params.compare
        if compare in ("auto", "json"):
            values = [canonical(text) for text in texts]
            if compare == "json" or all(value is not None and value[0] in "{[" for value in values):
                return [
                    f"text:{plain(text)}" if value is None else value for text, value in zip(texts, values, strict=True)
                ]
        if self.labels and compare in ("auto", "labels"):
            return [self.labels.get(normalise(text)) or plain(text) for text in texts]
        return [plain(text) for text in texts]

    def part(self, text: str) -> str:
        """The part that counts: the first group of the last match; the whole text where nothing matches."""
        if self.pattern is None:
            return text
        found = list(self.pattern.finditer(text))
        return (found[-1].group(1) or "") if found else text

    def break_tie(self, top: Sequence[str], keys: Sequence[str], rows: Sequence[Row]) -> str:
        """The winner among answers with equal votes."""
        if len(top) == 1:
            return top[0]
        if self.params.ties == "shortest":
            lengths = {
                k: min(len(r.completion_text or "") for r, key in zip(rows, keys, strict=True) if key == k) for k in top
            }
            return min(top, key=lambda key: (lengths[key], keys.index(key)))
        return min(top, key=keys.index)

    def merge(
        self, rows: Sequence[Row], answered: Sequence[Row], keys: Sequence[str], votes: Counter[str], *, winner: str
    ) -> Row:
        """The prompt's one row: id of its first row, completion and teacher of the winner's most frequent spelling."""
        spellings: dict[str, Counter[str]] = {}
        for row, key in zip(answered, keys, strict=True):
            spellings.setdefault(key, Counter())[row.completion_text or ""] += 1
        chosen = spellings[winner].most_common(1)[0][0]
        speaker = next(r for r, k in zip(answered, keys, strict=True) if k == winner and r.completion_text == chosen)
        count = len(answered)
        soft: list[SoftAnswer] = [
            {"text": self.labels.get(normalise(text), text), "probability": votes[key] / count}
            for key, text in ((key, spellings[key].most_common(1)[0][0]) for key, _ in votes.most_common(MOST_SOFT))
        ]
        agreement: dict[str, Any] = {
            "share": round(votes[winner] / count, 6),
            "answers": count,
            "different": len(votes),
        }
        made = base_row(rows, speaker)
        costs = [row.meta.get("cost_usd") for row in answered]
        meta = {**made.meta, "agreement": agreement}
        if any(cost is not None for cost in costs):
            meta["cost_usd"] = None if None in costs else sum(costs)
        completion = made.completion
        if self.labels and self.pattern is None and (label := self.labels.get(normalise(chosen))) is not None:
            completion = {**(completion or {}), **assistant(label)}
        return replace(made, completion=completion, soft=soft, meta=meta)


def distinct(rows: Iterable[Row]) -> list[Row]:
    """The rows without those that repeat one call of a teacher: a prompt that stands twice in a file is asked once, and its
    answer is one vote."""
    calls: set[tuple[Any, ...]] = set()
    kept = []
    for row in rows:
        meta = row.meta
        call = tuple(meta.get(name) for name in ("teacher", "model", "at", "latency_ms", "sample"))
        if meta.get("at"):
            if (row.completion_text, call) in calls:
                continue
            calls.add((row.completion_text, call))
        kept.append(row)
    return kept


def base_row(rows: Sequence[Row], speaker: Row) -> Row:
    """``speaker`` under the id, reference and tags of the prompt's first row, with the lineage of all of them."""
    first = rows[0]
    own = str(first.meta.get("sample_of") or first.id)
    origins = dict.fromkeys(
        origin
        for row in rows
        for origin in [*(row.meta.get("derived_from") or []), row.meta.get("sample_of") or row.id]
    )
    origins.pop(own, None)
    meta = {name: value for name, value in speaker.meta.items() if name not in ("sample", "sample_of", "derived_from")}
    if origins:
        meta["derived_from"] = list(origins)
    reference = next((row.reference for row in rows if row.reference is not None), None)
    tags = list(dict.fromkeys(tag for row in rows for tag in row.tags))
    return replace(speaker, id=own, reference=reference, tags=tags, meta=meta)


EDGES = " .,;:!?*`\"'“”‘’„«»()[]{}"
"""Signs that make no difference at the beginning or end of an answer."""


def plain(text: str) -> str:
    """Text for comparing: NFKC, case-folded, underscores and line ends as single spaces, without quotes, stars and full stops
    around it. Signs inside stay, so that -5 is not 5 and C++ is not C."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("_", " ")
    return " ".join(folded.split()).strip(EDGES) or text.strip()


def canonical(text: str) -> str | None:
    """JSON by its value: fields in order of name, 1.0 like 1, without a code fence; None when the text is no JSON."""
    try:
        return json.dumps(_simple(parse(unfenced(text))), sort_keys=True, ensure_ascii=False)
    except (Unusable, RecursionError):
        return None


def _simple(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _simple(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_simple(inner) for inner in value]
    return value

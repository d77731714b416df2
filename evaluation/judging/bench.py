"""From cases to questions, and from the judge's replies to verdicts. Pure: the replies come in as they were stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from evaluation.judging import pairs
from evaluation.judging.cases import GOLDEN, Chosen, item_key, rid_of
from evaluation.judging.pairs import Outcome, Preference, Winner
from pipelines.steps import verdicts
from pipelines.steps.verdicts import Judgement, Scale
from pipelines.teachers.base import Sampling
from pipelines.teachers.storage import Question, StoredCall, question_key
from vault.rows import Message, Row, assistant, text_of

Kind = Literal["grade", "shown", "swapped"]
Status = Literal["asked", "failed", "same", "unjudged"]
"""How a verdict came about: the judge said it, a failure is one without asking, so are two equal answers, or there is none."""


class Ask(NamedTuple):
    """One question to the judge: a grade for an answer, or a preference between two in one of their orders."""

    kind: Kind
    question: Question
    cut: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one answer (``other`` blank) or one pair. ``score`` is on the scale; ``outcome`` is the first one's.
    ``why``: why there is none. ``item``: names the graded answer in every report, see :func:`item_key`."""

    rid: int
    candidate: str
    status: Status
    other: str = ""
    score: int | None = None
    reason: str = ""
    item: str = ""
    outcome: Outcome | None = None
    shown: Winner | None = None
    swapped: Winner | None = None
    by_order: bool = False
    reason_swapped: str = ""
    repaired: bool = False
    cut: bool = False
    why: str = ""


@dataclass(frozen=True)
class Form:
    """What the judge is shown and how: the settings of the step that decide a question's text."""

    rubric: str
    scale: Scale
    with_reference: bool
    with_system: bool
    longest: int


class Bench:
    """What turns cases into questions to one judge, and its replies into verdicts."""

    def __init__(
        self, form: Form, chosen: Chosen, *, teacher: str, identity: Mapping[str, Any], sampling: Sampling
    ) -> None:
        self.form, self.chosen, self.sampling = form, chosen, sampling
        self.teacher, self.identity = teacher, dict(identity)

    # --- asking -------------------------------------------------------------------------------------------------------

    def question(self, messages: list[Message]) -> Question:
        """These messages as a question with its fingerprint."""
        return Question(question_key(self.teacher, self.identity, messages, self.sampling, 0), messages)

    def grade(self, case: Row, answer: str) -> Ask:
        """The question how good an answer is."""
        form = self.form
        messages, cut = verdicts.ask(
            replace(case, completion=assistant(answer)),
            rubric=form.rubric,
            scale=form.scale,
            with_reference=form.with_reference,
            with_system=form.with_system,
            longest=form.longest,
        )
        return Ask("grade", self.question(messages), cut)

    def compare(self, case: Row, first: str, second: str, kind: Kind) -> Ask:
        """The question which of two answers is better, in this order."""
        form = self.form
        messages, cut = pairs.ask(
            case,
            first,
            second,
            rubric=form.rubric,
            with_reference=form.with_reference,
            with_system=form.with_system,
            longest=form.longest,
        )
        return Ask(kind, self.question(messages), cut)

    def asks(self, case: Row) -> Iterator[Ask]:
        """Every question of a case. Failures, and pairs of equal answers, are not asked."""
        answers = case.meta["answers"]
        for name in self.graded(case):
            if answers[name] is not None:
                yield self.grade(case, answers[name])
        for a, b in self.compared(case):
            if self.is_open(answers[a], answers[b]):
                yield self.compare(case, answers[a], answers[b], "shown")
                yield self.compare(case, answers[b], answers[a], "swapped")

    def questions(self, cases: Iterable[Row]) -> Iterator[Question]:
        """Every question of the cases, in order."""
        for case in cases:
            for ask in self.asks(case):
                yield ask.question

    def repair(self, ask: Ask, said: str) -> Question:
        """The same question once more, after a useless reply."""
        form = verdicts.FORMS[self.form.scale] if ask.kind == "grade" else pairs.FORM
        return self.question(verdicts.ask_again(ask.question.messages, said, form=form))

    def graded(self, case: Row) -> list[str]:
        """The candidates of a case whose answers are graded."""
        answers = case.meta["answers"]
        return [GOLDEN] if GOLDEN in answers else [name for name in self.chosen.candidates if name in answers]

    def compared(self, case: Row) -> list[tuple[str, str]]:
        """The pairs of a case that both were asked."""
        answers = case.meta["answers"]
        return [(a, b) for a, b in self.chosen.pairs if a in answers and b in answers]

    @staticmethod
    def is_open(a: str | None, b: str | None) -> bool:
        """Whether the judge has to be asked about a pair: both answered, and not the same."""
        return a is not None and b is not None and a.strip() != b.strip()

    @property
    def asks_per_case(self) -> int:
        """The most questions of one case."""
        return max(1, len(self.chosen.candidates) + 2 * len(self.chosen.pairs))

    # --- reading ------------------------------------------------------------------------------------------------------

    def read(self, case: Row, ask: Ask, call: StoredCall) -> Judgement | Preference | str:
        """The verdict in a reply, or why there is none. What merely quotes the case's texts is none."""
        if call.problem:
            return call.problem
        texts = [text_of(message) or "" for message in (*case.prompt, case.reference)]
        quoted = [*texts, *(answer for answer in case.meta["answers"].values() if answer)]
        if ask.kind == "grade":
            return verdicts.read(call.completion.text, scale=self.form.scale, quoted=quoted)
        return pairs.read(call.completion.text, quoted=quoted)

    def settle(self, case: Row, heard: Mapping[str, Heard]) -> Iterator[Verdict]:
        """The verdicts on a case. ``heard``: question key → what came of it."""
        answers = case.meta["answers"]
        rid = rid_of(case)
        for name in self.graded(case):
            answer = answers[name]
            if answer is None:
                worst = 1 if self.form.scale == "1 to 5" else 0
                yield Verdict(rid, name, "failed", score=worst, why="It gave no answer.")
                continue
            item = item_key(case.prompt, answer, case.reference_text)
            ask = self.grade(case, answer)
            got = heard[ask.question.key]
            if isinstance(got.verdict, Judgement):
                score, reason = got.verdict.score, got.verdict.reason
                yield Verdict(
                    rid, name, "asked", score=score, reason=reason, item=item, repaired=got.repaired, cut=ask.cut
                )
            else:
                yield Verdict(rid, name, "unjudged", item=item, why=str(got.verdict))
        for a, b in self.compared(case):
            yield self._pair(case, a, b, answers, heard, rid=rid)

    def _pair(
        self,
        case: Row,
        a: str,
        b: str,
        answers: Mapping[str, str | None],
        heard: Mapping[str, Heard],
        *,
        rid: int,
    ) -> Verdict:
        first, second = answers[a], answers[b]
        if first is None or second is None:
            outcome: Outcome = "tie" if first == second else ("loss" if first is None else "win")
            return Verdict(rid, a, "failed", other=b, outcome=outcome)
        if not self.is_open(first, second):
            return Verdict(rid, a, "same", other=b, outcome="tie")
        asks = (self.compare(case, first, second, "shown"), self.compare(case, second, first, "swapped"))
        shown, swapped = (heard[ask.question.key] for ask in asks)
        if not isinstance(shown.verdict, Preference) or not isinstance(swapped.verdict, Preference):
            bad = shown if not isinstance(shown.verdict, Preference) else swapped
            return Verdict(rid, a, "unjudged", other=b, why=str(bad.verdict))
        outcome, by_order = pairs.settle(shown.verdict.winner, swapped.verdict.winner)
        return Verdict(
            rid,
            a,
            "asked",
            other=b,
            outcome=outcome,
            by_order=by_order,
            shown=shown.verdict.winner,
            swapped=swapped.verdict.winner,
            reason=shown.verdict.reason,
            reason_swapped=swapped.verdict.reason,
            repaired=shown.repaired or swapped.repaired,
            cut=asks[0].cut,
        )


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of a question: a verdict, or why there is none; and whether it took a second try."""

    verdict: Judgement | Preference | str
    repaired: bool = False


def hear(
    bench: Bench,
    case: Row,
    asks: Sequence[Ask],
    first: Mapping[str, StoredCall],
    second: Mapping[str, StoredCall],
    *,
    failed: Mapping[str, str],
    unasked: str,
) -> dict[str, Heard]:
    """Question key → what came of it, from the replies to the questions and to their repairs."""
    found = {}
    for ask in asks:
        key = ask.question.key
        call = first.get(key)
        if call is None:
            found[key] = Heard(failed.get(key) or unasked)
            continue
        verdict = bench.read(case, ask, call)
        if isinstance(verdict, str) and not call.problem:
            key2 = bench.repair(ask, call.completion.text).key
            again = second.get(key2)
            mended = bench.read(case, ask, again) if again is not None else failed.get(key2, verdict)
            found[key] = Heard(mended, repaired=not isinstance(mended, str))
        else:
            found[key] = Heard(failed.get(key, verdict) if isinstance(verdict, str) else verdict)
    return found

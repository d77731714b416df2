"""What a metric is: a score for each held-out row, and one figure with its interval for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar, Literal

from evaluation.statistics import Estimate, bootstrap, clustered_bootstrap, clustered_wilson, wilson
from studio.lib.params import BaseParams
from vault.rows import normalise

Task = Literal["labels", "text"]


@dataclass(frozen=True, slots=True)
class Item:
    """One candidate's answer to one held-out row beside what it may be compared with.

    ``answer`` is None when the candidate failed on the row. ``teacher`` is None when the row has no teacher's answer, and
    for the teacher itself (which is not compared with itself). ``reference`` is None when no gold answer is known.
    ``prompt``: the last user message. ``label``: the likeliest label of the closed set, where labels were scored. ``meta``: the
    row's own. ``nll``: negative log-likelihood (nats) of the right answer under the candidate, over ``nll_tokens`` tokens.
    """

    answer: str | None
    teacher: str | None
    reference: str | None
    prompt: str = ""
    label: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict, hash=False)
    nll: float | None = None
    nll_tokens: int = 0


class Metric:
    """Base of all metrics. Subclasses set the class variables and implement :meth:`score`."""

    label: ClassVar[str]
    tasks: ClassVar[tuple[Task, ...]] = ("labels", "text")
    """Kinds of task for which the figure says something."""
    higher_is_better: ClassVar[bool | None] = True
    """None: neither end is the good one, so nothing is marked as best and no verdict goes by it."""
    unit: ClassVar[Literal["%", ""]] = "%"
    """``%``: scores are 0..1 and shown as percent."""
    binary: ClassVar[bool] = False
    """Every score is 0 or 1, so the mean is a proportion and gets Wilson's interval."""

    needs_likelihood: ClassVar[bool] = False
    """The models on this machine must say how likely they find the right answers."""
    per_row: ClassVar[bool] = False
    """The score of a single answer is kept and shown where the answer is opened."""

    class Params(BaseParams):
        """A metric without parameters."""

    def __init__(self, params: Any = None) -> None:
        self.params: Any = params if params is not None else self.Params()

    def score(self, item: Item) -> float | None:
        """The row's score, or None when there is nothing to compare with. A failed answer scores 0."""
        raise NotImplementedError

    def score_all(self, items: Sequence[Item]) -> list[float | None]:
        """:meth:`score` of each item, for metrics that are quicker over many."""
        return [self.score(item) for item in items]

    def about(self) -> str:
        """What the report says the metric is."""
        return " ".join((type(self).__doc__ or "").split())

    def notes(self) -> list[str]:
        """What the report must say beside the figures, after everything was scored: rows that could not be."""
        return []

    def aggregate(
        self, items: Sequence[Item], *, seed: int, clusters: Sequence[str | None] | None = None
    ) -> Estimate | None:
        """One figure for all rows that have a score, or None when none has.

        ``clusters``: one name an item, None for a row of its own; rows that share one resemble each other, and the interval
        counts clusters instead of rows.
        """
        kept = [(s, i) for i, s in enumerate(self.score_all(items)) if s is not None]
        scores = [s for s, _ in kept]
        if clusters is not None:
            names = [clusters[i] for _, i in kept]
            if self.binary:
                return clustered_wilson([s >= 0.5 for s in scores], names)
            return clustered_bootstrap(scores, names, seed=seed)
        if self.binary:
            return wilson(sum(1 for s in scores if s >= 0.5), len(scores))
        return bootstrap(scores, statistic="mean", seed=seed)


@lru_cache(maxsize=65_536)
def answer_key(text: str) -> str:
    """What two answers must share to count as the same: normalised text, or the bare text when only signs are left."""
    return normalise(text) or text.strip()


def same_answer(a: str | None, b: str) -> bool:
    """Whether ``a`` is ``b`` up to case, spaces and punctuation; a failure (None) is never the same."""
    return a is not None and answer_key(a) == answer_key(b)


def target_of(item: Item) -> str | None:
    """The reference, or the teacher's answer where there is no reference: what similarity metrics compare with."""
    return item.reference if item.reference is not None else item.teacher


def judges(metric: type[Metric] | Metric) -> bool:
    """Whether a verdict can go by the metric: a share or a mean of 0..1 of which it is known which end is good."""
    return metric.higher_is_better is not None and (metric.unit == "%" or metric.binary)


def keyed(answer: str | None) -> str | None:
    """:func:`answer_key` that lets a failure stay None."""
    return None if answer is None else answer_key(answer)

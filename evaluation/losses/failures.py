"""What the rows that a student loses have in common: clusters of their texts, each with a name. Pure.

Words and pieces of words are weighted (TF-IDF), the answer that was right and the one that was given stand beside them, a
truncated SVD makes them dense, and k-means groups them; the number of groups is the one with the best silhouette. Rows that
lie nearer to another group than to their own are "others". scikit-learn is imported when it is needed: in a worker.
"""

from __future__ import annotations

import math
import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

MOST = 5_000
"""Rows that are clustered at most, and rows that they are held against; more are drawn by a seed."""
FEWEST = 10
"""Fewer lost rows are listed, not clustered."""
MOST_CLUSTERS = 12
SMALLEST = 3
"""Rows of a cluster at least; smaller ones are "others"."""
NO_STRUCTURE = 0.02
"""A mean silhouette below this is no grouping at all."""
SEED = 7
EXAMPLES = 5
MOST_ALIKE = 100
"""Training rows that are kept for a cluster."""
ANSWER_WEIGHT = 0.7
"""How much a shared mistake counts beside the shared words (1.0)."""
CUT = 4_000
"""Characters of a text that are read."""
WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")

Floats = npt.NDArray[np.float64]
T = TypeVar("T")


@dataclass(frozen=True)
class LostRow:
    """A row that the student got wrong: what was asked, what was right and what it said."""

    rid: int
    text: str
    right: str
    given: str
    teacher_wrong: bool = False


@dataclass(frozen=True)
class TrainRow:
    """A row that the student learnt from."""

    id: str
    text: str
    answer: str


@dataclass(frozen=True)
class Group:
    """Rows that are lost in one way. ``rids``: nearest to the middle first. ``near``: rows that lie like these and were won.

    ``pairs``: ``[right answer, given answer, rows]``, most first. ``alike``: the nearest training rows with their similarity.
    """

    name: str
    terms: list[str]
    rids: list[int]
    near: list[int]
    pairs: list[tuple[str, str, int]]
    teacher_wrong: int
    alike: list[dict[str, Any]] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Rows lost."""
        return len(self.rids)


@dataclass(frozen=True)
class Losses:
    """All that was lost: ``groups``, largest first, and ``others``. ``note`` says why nothing was grouped. ``lost``: all rows
    that were lost, of which ``looked_at`` were grouped; ``won`` and ``won_looked_at`` the same of those that were not."""

    lost: int
    looked_at: int
    groups: list[Group]
    others: list[int]
    note: str = ""
    won: int = 0
    won_looked_at: int = 0

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def group_losses(
    lost: Sequence[LostRow],
    *,
    won: Sequence[tuple[int, str]] = (),
    training: Sequence[TrainRow] = (),
    labels: bool = True,
) -> Losses:
    """Group lost rows. ``won``: position and text of the rows that were not lost. ``labels``: answers are labels, so that a
    shared mistake ties rows together; for free text only the questions do."""
    rows = _draw(lost)
    if len(rows) < FEWEST:
        few = "No row was lost." if not rows else "Too few rows were lost to find groups in."
        return Losses(len(lost), len(rows), [], [row.rid for row in rows], few, len(won), min(len(won), MOST))
    from threadpoolctl import threadpool_limits

    # Such small matrices are slower on many threads, and much slower where other work wants the processors too.
    with threadpool_limits(1):
        return _group(rows, len(lost), won, training, labels=labels)


def _group(
    rows: Sequence[LostRow],
    lost: int,
    won: Sequence[tuple[int, str]],
    training: Sequence[TrainRow],
    *,
    labels: bool,
) -> Losses:
    vectors = Vectors([row.text for row in rows])
    codes = _cluster(vectors.own, rows, labels=labels)
    kept = [c for c, n in Counter(codes.tolist()).most_common() if c >= 0 and n >= SMALLEST]
    members = [np.flatnonzero(codes == code) for code in kept]
    others = [row.rid for row, code in zip(rows, codes.tolist(), strict=True) if code not in kept]
    if not members:
        alone = "The rows that were lost have too little in common to group them."
        return Losses(lost, len(rows), [], others, alone, len(won), min(len(won), MOST))
    around = _draw(won)
    middles = np.vstack([_unit(np.asarray(vectors.own[at].sum(axis=0)).ravel()) for at in members])
    bounds = [_bound(vectors.own, at) for at in members]
    near = _near(vectors, [text for _, text in around], middles, bounds)
    alike = _alike(vectors, _draw(training), middles)
    everything = [row.text for row in rows] + [text for _, text in around]
    background, total = Counter(w for text in everything for w in words_of(text)), len(everything)
    groups = []
    for n, at in enumerate(members):
        order = np.argsort(-(vectors.own[at] @ middles[n]), kind="stable")
        mine = [rows[int(at[i])] for i in order]
        terms = telling_terms([row.text for row in mine], background, total)
        pairs = [(a, b, k) for (a, b), k in Counter((row.right, row.given) for row in mine).most_common(5)]
        groups.append(
            Group(
                name=name_group(terms, [(r.right, r.given) for r in mine] if labels else [], fallback=mine[0].text),
                terms=terms,
                rids=[row.rid for row in mine],
                near=[around[i][0] for i in near[n]],
                pairs=pairs if labels else [],
                teacher_wrong=sum(row.teacher_wrong for row in mine),
                alike=alike[n],
            )
        )
    return Losses(lost, len(rows), _told_apart(groups), others, "", len(won), len(around))


def _told_apart(groups: Sequence[Group]) -> list[Group]:
    """Groups of one name get their most frequent mistake into it, then their number among these."""
    found = list(groups)
    for name in {n for n, k in Counter(group.name for group in groups).items() if k > 1}:
        for at, group in enumerate(found):
            if group.name == name and group.pairs and " · " not in name:
                right, given, _ = group.pairs[0]
                found[at] = replace(group, name=f"{name} · most {_short(right)} → {_short(given)}")
    seen = Counter[str]()
    for at, group in enumerate(found):
        seen[group.name] += 1
        if seen[group.name] > 1:
            found[at] = replace(group, name=f"{group.name} ({seen[group.name]})")
    return found


def name_group(terms: Sequence[str], mistakes: Sequence[tuple[str, str]], *, fallback: str) -> str:
    """``refund, card · card → cash``: telling words, and the mistake (right answer, given answer) that half of the group share;
    ``card → …`` where only the right answer is shared, ``… → cash`` where only the given one is."""
    words = ", ".join(terms) or " ".join(fallback.split())[:60] or "(no text)"
    parts: list[Sequence[object]] = [mistakes, [right for right, _ in mistakes], [given for _, given in mistakes]]
    for kind, part in enumerate(parts):
        for value, n in Counter(part).most_common(1):
            if 2 * n < len(mistakes):
                continue
            if isinstance(value, tuple):
                return f"{words} · {_short(value[0])} → {_short(value[1])}"
            return f"{words} · {_short(str(value))} → …" if kind == 1 else f"{words} · … → {_short(str(value))}"
    return words


def _short(answer: str) -> str:
    text = " ".join(answer.split()) or "no answer"
    return text if len(text) <= 40 else text[:39] + "…"


def words_of(text: str) -> set[str]:
    """The different words of a text in lower case."""
    return {word for word in WORD.findall(text[:CUT].lower()) if len(word) > 1}


def telling_terms(texts: Sequence[str], background: Mapping[str, int], total: int, *, most: int = 3) -> list[str]:
    """Words that set these texts apart from all ``total`` texts, whose words ``background`` counts (rows that have them).

    Each is in two of the texts and in a fifth of them; the order is that of its share's part of the Kullback-Leibler divergence.
    Words of grammar (English ones, and what a third of all texts have) tell nothing and are left out.
    """
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    counts = Counter(word for text in texts for word in words_of(text))
    n = len(texts)
    scores = {}
    for word, k in counts.items():
        here, everywhere = k / n, max(background.get(word, k), k) / max(total, n)
        if k < max(2, n / 5) or word in ENGLISH_STOP_WORDS or (everywhere > 1 / 3 and total > n):
            continue
        score = here * math.log(here / everywhere)
        if score > 0.05:
            scores[word] = score
    return sorted(scores, key=lambda word: (-scores[word], word))[:most]


def _draw(rows: Sequence[T]) -> list[T]:
    """At most :data:`MOST` rows, drawn by the seed, in their order."""
    if len(rows) <= MOST:
        return list(rows)
    chosen = np.random.default_rng(SEED).choice(len(rows), MOST, replace=False)
    return [rows[int(i)] for i in np.sort(chosen)]


class Vectors:
    """Texts as weighted words and pieces of words, each row of length 1."""

    def __init__(self, texts: Sequence[str]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._parts = [
            TfidfVectorizer(analyzer="word", token_pattern=WORD.pattern, ngram_range=(1, 2), sublinear_tf=True, max_features=20_000),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, max_features=40_000),
        ]  # fmt: skip
        clean = [_clean(text) for text in texts]
        fitted = []
        for part in self._parts:
            try:
                part.fit(clean)
            except ValueError:  # Texts without a single word: signs, or emoji.
                continue
            fitted.append(part)
        self._parts = fitted
        self.own = self.of(texts)

    def of(self, texts: Sequence[str]) -> Any:
        """A sparse matrix with a row for each text."""
        from scipy.sparse import hstack
        from sklearn.preprocessing import normalize

        clean = [_clean(text) for text in texts]
        return normalize(hstack([part.transform(clean) for part in self._parts]).tocsr())


def _clean(text: str) -> str:
    return text[:CUT] if text.strip() else "(no text)"


def _cluster(own: Any, rows: Sequence[LostRow], *, labels: bool) -> npt.NDArray[np.int64]:
    """A number for each row, -1 for those that fit nowhere."""
    from scipy.sparse import csr_matrix, hstack
    from sklearn.cluster import KMeans
    from sklearn.decomposition import TruncatedSVD
    from sklearn.metrics import silhouette_samples
    from sklearn.preprocessing import normalize

    whole = own
    if labels:
        answers = [_one_hot([row.right for row in rows]), _one_hot([row.given for row in rows])]
        whole = hstack([own, *(csr_matrix(a * ANSWER_WEIGHT / math.sqrt(2)) for a in answers)]).tocsr()
    width = min(50, len(rows) - 1, whole.shape[1] - 1)
    dense = whole.toarray() if width < 2 else _reduce(TruncatedSVD(n_components=width, random_state=SEED), whole)
    dense = normalize(dense)
    different = len(np.unique(np.round(dense, 6), axis=0))
    if different == 1:
        return np.zeros(len(rows), dtype=np.int64)
    best, found = NO_STRUCTURE, np.full(len(rows), -1, dtype=np.int64)
    sample = (
        np.arange(len(rows))
        if len(rows) <= 2_000
        else np.random.default_rng(SEED).choice(len(rows), 2_000, replace=False)
    )
    for k in range(2, min(MOST_CLUSTERS, len(rows) // SMALLEST, different - 1) + 1):
        model = KMeans(n_clusters=k, n_init=4, random_state=SEED).fit(dense)
        if len(set(model.labels_[sample].tolist())) < 2:
            continue
        mean = float(silhouette_samples(dense[sample], model.labels_[sample]).mean())
        if mean > best + 1e-6:
            best, found = mean, model.labels_.astype(np.int64)
    if different == 2 and found.max() < 0:
        found = np.unique(np.round(dense, 6), axis=0, return_inverse=True)[1].ravel().astype(np.int64)
    return _without_strays(dense, found)


def _reduce(svd: Any, whole: Any) -> Floats:
    with warnings.catch_warnings():
        # Of equal texts there is no variance to explain: a division by zero in a figure nobody reads.
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(svd.fit_transform(whole))


def _without_strays(dense: Floats, codes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """-1 for rows that lie nearer to the middle of another cluster than to that of the others in their own."""
    names = [int(c) for c in np.unique(codes) if c >= 0]
    if len(names) < 2:
        return codes
    sums = {c: dense[codes == c].sum(axis=0) for c in names}
    middles = np.vstack([_unit(sums[c]) for c in names])
    towards = dense @ middles.T
    left = codes.copy()
    for i, code in enumerate(codes.tolist()):
        if code < 0:
            continue
        own = float(dense[i] @ _unit(sums[code] - dense[i]))
        elsewhere = max(float(towards[i, n]) for n, c in enumerate(names) if c != code)
        if own <= 0 or own < elsewhere:
            left[i] = -1
    return left


def _one_hot(values: Sequence[str]) -> Floats:
    known = {value: n for n, value in enumerate(sorted(set(values)))}
    found = np.zeros((len(values), min(len(known), 500)))
    for i, value in enumerate(values):
        if known[value] < found.shape[1]:
            found[i, known[value]] = 1.0
    return found


def _unit(vector: Any) -> Floats:
    length = float(np.linalg.norm(vector))
    return np.asarray(vector / length if length else vector)


def _bound(own: Any, at: npt.NDArray[np.int64]) -> float:
    """How near to the middle a row must lie to be like these: as near as three quarters of them, each to the others' middle."""
    mine = own[at].toarray()
    total = mine.sum(axis=0)
    return float(np.quantile([row @ _unit(total - row) for row in mine], 0.25))


def _near(vectors: Vectors, texts: Sequence[str], middles: Floats, bounds: Sequence[float]) -> list[list[int]]:
    """For each cluster the texts that lie like its rows, each text with its nearest cluster only."""
    found: list[list[int]] = [[] for _ in bounds]
    if not texts:
        return found
    towards = np.asarray(vectors.of(texts) @ middles.T)
    for i, n in enumerate(np.argmax(towards, axis=1).tolist()):
        if towards[i, n] >= max(bounds[n], 1e-9):
            found[n].append(i)
    return found


def _alike(vectors: Vectors, rows: Sequence[TrainRow], middles: Floats) -> list[list[dict[str, Any]]]:
    """For each cluster the training rows nearest to its middle, nearest first."""
    if not rows:
        return [[] for _ in middles]
    towards = np.asarray(vectors.of([row.text for row in rows]) @ middles.T)
    found = []
    for n in range(len(middles)):
        order = np.argsort(-towards[:, n], kind="stable")[:MOST_ALIKE]
        found.append(
            [
                {
                    "id": rows[i].id,
                    "text": rows[i].text[:300],
                    "answer": rows[i].answer[:200],
                    "near": float(towards[i, n]),
                }
                for i in order.tolist()
                if towards[i, n] > 0
            ]
        )
    return found

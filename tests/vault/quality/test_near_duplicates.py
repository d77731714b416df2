"""Near-duplicates against brute force, at the edges, and past what many texts share."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vault.quality import near_duplicates
from vault.quality.minhash import RECALL, bands_for
from vault.quality.near_duplicates import Groups, find_copies, find_groups, find_matches, join, roots
from vault.quality.shingles import IDEOGRAPHS, LETTERS, fold, jaccard

WORDS = [
    "card",
    "bank",
    "money",
    "transfer",
    "my",
    "the",
    "lost",
    "pin",
    "top",
    "up",
    "how",
    "why",
    "do",
    "i",
    "it",
    "is",
    "please",
    "limit",
    "fee",
    "abroad",
]
SENTENCES = st.lists(st.sampled_from(WORDS), min_size=0, max_size=9).map(" ".join)
TEXTS = st.lists(st.one_of(SENTENCES, st.text(max_size=12)), max_size=25)
THRESHOLDS = st.sampled_from([0.5, 0.7, 0.8, 0.9, 1.0])


def ideograph(character: str) -> bool:
    return any(low <= ord(character) <= high for low, high in ((0x3040, 0x30FF), (0x3400, 0x9FFF), (0xAC00, 0xD7AF)))


def shingles(text: str) -> set[str]:
    """The set a text stands for, written the slow and plain way."""
    folded = fold(text)
    widths = [IDEOGRAPHS if ideograph(c) else LETTERS for c in folded]
    return {folded[i : i + w] for i, w in enumerate(widths) if i + w <= len(folded)}


def brute_force(texts: Sequence[str], *, threshold: float) -> list[int]:
    """The group of each text by comparing each with each."""
    sets = [shingles(text) for text in texts]
    parent = np.arange(len(texts))
    for a in range(len(texts)):
        for b in range(a):
            shared = len(sets[a] & sets[b])
            if shared / (len(sets[a]) + len(sets[b]) - shared) >= threshold:
                join(parent, np.array([b]), np.array([a]))
    root = roots(parent, np.arange(len(texts))).tolist()
    return [r if root.count(r) > 1 else -1 for r in root]


def edited(text: str, *, draw: random.Random) -> str:
    at = draw.randrange(len(text) + 1)
    return text[:at] + draw.choice(["", " please", "x", " 7", "?"]) + text[at + draw.randrange(2) :]


def sentences(count: int, *, seed: int = 0) -> list[str]:
    """Different sentences, a fifth of them edits of earlier ones."""
    draw = random.Random(seed)
    names = ["".join(draw.choices("abcdefghijklmnoprstuvw", k=draw.randint(2, 9))) for _ in range(3_000)]
    texts: list[str] = []
    while len(texts) < count:
        is_edit = texts and draw.random() < 0.2
        texts.append(edited(draw.choice(texts), draw=draw) if is_edit else " ".join(draw.choices(names, k=12)))
    return texts


@settings(deadline=None, max_examples=120)
@given(texts=TEXTS, threshold=THRESHOLDS)
def test_small_sets_are_grouped_as_brute_force_does(texts: list[str], threshold: float) -> None:
    assert find_groups(texts, threshold=threshold).group.tolist() == brute_force(texts, threshold=threshold)


@cache
def alike_pairs() -> tuple[list[str], dict[tuple[int, int], float]]:
    """800 sentences, and every pair of them with a similarity of at least 0.6."""
    texts = sentences(800)
    sets = [shingles(text) for text in texts]
    having: dict[str, list[int]] = {}
    pairs: dict[tuple[int, int], float] = {}
    for b, found in enumerate(sets):
        shared = Counter(a for shingle in found for a in having.get(shingle, []))
        for a, count in shared.items():
            if (similarity := count / (len(sets[a]) + len(found) - count)) >= 0.6:
                pairs[a, b] = similarity
        for shingle in found:
            having.setdefault(shingle, []).append(b)
    return texts, pairs


@pytest.mark.parametrize("threshold", [0.6, 0.8, 0.9])
def test_hundreds_of_sentences_are_grouped_as_brute_force_does(threshold: float) -> None:
    texts, known = alike_pairs()
    found = find_groups(texts, threshold=threshold, common=None).group
    pairs = [pair for pair, similarity in known.items() if similarity >= threshold - 1e-9]
    assert len(pairs) > 50
    assert np.mean([found[a] == found[b] >= 0 for a, b in pairs]) >= RECALL - 0.01
    in_pair = {position for pair in pairs for position in pair}
    assert set(np.flatnonzero(found >= 0).tolist()) <= in_pair


@settings(deadline=None, max_examples=60)
@given(left=SENTENCES, right=st.one_of(SENTENCES, st.text(max_size=20)))
def test_jaccard_is_that_of_the_sets(left: str, right: str) -> None:
    a, b = shingles(left), shingles(right)
    assert jaccard(left, right) == pytest.approx(len(a & b) / len(a | b))
    assert jaccard(left, right) == jaccard(right, left)
    assert jaccard(left, left) == 1


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], []),
        (["alone"], [-1]),
        (["", ""], [0, 0]),
        (["", "a"], [-1, -1]),
        (["Pay  the RENT ", "pay the rent"], [0, 0]),
        (["3 + 4 = ?", "3 - 4 = ?"], [-1, -1]),
        (["🙂", "🙁", "🙂"], [0, -1, 0]),
        (["ﬁne ①", "fine 1"], [0, 0]),
        (["\ud800", "\ud800", "\x00"], [0, 0, -1]),
    ],
)
def test_edges(texts: list[str], expected: list[int]) -> None:
    assert find_groups(texts).group.tolist() == expected


def test_texts_that_are_all_equal_are_one_group() -> None:
    groups = find_groups(["the same question again"] * 3_000)
    assert groups.group.tolist() == [0] * 3_000
    assert groups.count == 1


def test_chinese_without_spaces_is_compared_by_pairs_of_characters() -> None:
    texts = [
        "我的银行卡在国外取款时被自动取款机吞掉了",
        "我的银行卡在国外取款时被自动取款机吞掉",
        "请问转账需要多长时间才能到账",
    ]
    assert find_groups(texts).group.tolist() == [0, 0, -1]


def test_a_text_of_ten_megabytes_is_compared_like_any_other() -> None:
    long = np.random.default_rng(0).integers(97, 114, size=10_000_000, dtype=np.uint8).tobytes().decode()
    assert find_groups([long, "short", long[:-1_000]]).group.tolist() == [0, -1, 0]


def test_the_order_and_size_of_batches_and_buckets_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = sentences(400, seed=3)
    expected = find_groups(texts).group.tolist()
    for name, value in {
        "vault.quality.signed_texts.BATCH": 7,
        "vault.quality.signed_texts.PAIRS": 3,
        "vault.quality.shingle_store.PAIR_ELEMENTS": 100,
        "vault.quality.shingle_store.BATCH_ELEMENTS": 100,
        "vault.quality.shingle_store.REMAP_ELEMENTS": 1_000,
        "vault.quality.minhash.CHUNK": 64,
        "vault.quality.near_duplicates.SMALL": 2,
    }.items():
        monkeypatch.setattr(name, value)
    assert find_groups(texts).group.tolist() == expected


def test_the_seed_decides_only_what_pairs_at_the_threshold_are_missed() -> None:
    texts = sentences(400, seed=3)
    first, second = (find_groups(texts, seed=seed).group for seed in (1, 2))
    assert first.tolist() == find_groups(texts, seed=1).group.tolist()
    assert np.mean(first == second) > 0.97


def test_what_a_template_shares_is_not_compared() -> None:
    names = sentences(300, seed=5)
    frame = f"Answer with one of these labels and nothing else: {', '.join(sentences(8, seed=9))}. Message: {{}}"
    templated = [frame.format(name) for name in names]
    assert (find_groups(templated, threshold=0.7, common=None).group >= 0).mean() > 0.95
    bare = find_groups(names).group
    found = find_groups(templated).group
    assert np.mean(found == bare) > 0.97
    assert bare.max() >= 0


def test_copies_of_one_text_among_many_are_still_found() -> None:
    groups = find_groups(["where is my card"] * 100 + sentences(150, seed=6))
    assert groups.group[:100].tolist() == [0] * 100


def test_the_best_of_a_group_stays_and_the_others_go_for_it() -> None:
    texts = [
        "where is my new card today",
        "something else",
        "where is my new card today?",
        "where is my new card  today",
    ]
    found = find_copies(texts, rank=lambda: [2, 0, 1, 3])
    assert found.other.tolist() == [2, -1, -1, 2]
    assert found.similarity[0] == pytest.approx(jaccard(texts[0], texts[2]))
    assert found.similarity[3] == found.similarity[0]


def test_a_row_goes_only_for_one_it_is_directly_alike_to() -> None:
    base = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    chain = [base, base[:-9], base[:-18], base[:-27], base[:-36]]
    assert find_groups(chain).group.tolist() == [0] * 5
    found = find_copies(chain, rank=lambda: range(5))
    assert found.other[0] == -1
    kept = np.flatnonzero(found.other == -1)
    assert len(kept) > 1
    for position, other in enumerate(found.other.tolist()):
        if other >= 0:
            assert jaccard(chain[position], chain[other]) >= 0.8
    assert all(jaccard(chain[a], chain[b]) < 0.8 for a in kept for b in kept if a != b)


@settings(deadline=None, max_examples=60)
@given(texts=TEXTS, threshold=THRESHOLDS, draw=st.randoms(use_true_random=False))
def test_no_two_near_duplicates_stay_and_nothing_goes_for_nothing(
    texts: list[str], threshold: float, draw: random.Random
) -> None:
    rank = draw.sample(range(len(texts)), len(texts))
    found = find_copies(texts, rank=lambda: rank, threshold=threshold)
    kept = [n for n, other in enumerate(found.other.tolist()) if other < 0]
    for n, other in enumerate(found.other.tolist()):
        if other >= 0:
            assert other in kept
            assert rank[other] < rank[n]
            assert found.similarity[n] == pytest.approx(jaccard(texts[n], texts[other]))
            assert found.similarity[n] >= threshold
    assert all(jaccard(texts[a], texts[b]) < threshold for a in kept for b in kept if a < b)


@settings(deadline=None, max_examples=60)
@given(texts=TEXTS, against=TEXTS, threshold=THRESHOLDS)
def test_matches_are_those_of_brute_force(texts: list[str], against: list[str], threshold: float) -> None:
    found = find_matches(texts, against=against, threshold=threshold)
    for text, other in zip(texts, found.other.tolist(), strict=True):
        best = max((jaccard(text, known) for known in against), default=0)
        assert (other >= 0) == (best >= threshold)
        assert other < 0 or jaccard(text, against[other]) >= threshold


def test_matches_are_found_among_many_alike_held_back_texts() -> None:
    draw = random.Random(4)
    base = "please tell me why the payment of my rent was declined by your bank on the first of this month"
    against = [edited(base, draw=draw) for _ in range(150)]
    texts = [*sentences(700, seed=7), edited(against[140], draw=draw)]
    found = find_matches(texts, against=against, threshold=0.9)
    assert (found.other >= 0).tolist() == [False] * 700 + [True]


def test_a_wide_band_is_cut_at_its_budget_and_copies_are_still_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_duplicates, "BUDGET", 0)
    assert find_groups(["one and the same text"] * 50).count == 1


def test_a_cancel_stops_the_work() -> None:
    class Cancelled(Exception): ...

    calls = []

    def beat(done: int, total: int, note: str) -> None:
        calls.append(note)
        if note != "reading":
            raise Cancelled

    with pytest.raises(Cancelled):
        find_groups(sentences(50), beat=beat)
    assert "reading" in calls


@pytest.mark.parametrize("threshold", [0, -1, 1.1])
def test_a_threshold_that_means_nothing_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold is above 0 and at most 1"):
        find_groups(["a"], threshold=threshold)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8, 0.9, 0.99, 1.0])
def test_bands_find_what_is_at_the_threshold(threshold: float) -> None:
    bands = bands_for(threshold)
    assert bands.probability(threshold) >= RECALL
    assert bands.hashes <= 192


def test_members_lists_groups_in_the_order_of_their_first_text() -> None:
    groups = Groups(np.array([1, 1, 0, -1, 0, 1]) * np.array([1, 1, 0, 1, 0, 1]))
    assert [m.tolist() for m in groups.members()] == [[2, 4], [0, 1, 5]]
    assert list(Groups(np.array([-1])).members()) == []

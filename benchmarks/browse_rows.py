"""Made-up support chats for the row browser's benchmark: every row unique, words as unevenly common as in real text.

About 300 bytes of JSON a row: a question of 6 to 45 words drawn by Zipf's law from 60,000 words, with an order number of its
own; the teacher's answer (a label in seven of ten rows, a text in the others), sometimes a reference, tags, and what a real
import keeps in ``meta``. The same seed gives the same rows.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from vault.rows import Row, assistant

WORDS = 60_000
CHUNK = 10_000
LABELS = [
    f"{a}_{b}"
    for a in ["card", "transfer", "refund", "cash", "account", "app", "fee"]
    for b in ["arrival", "delay", "limit", "failed", "pending", "lost", "wrong", "fee", "country", "change"]
]
MODELS = ("gpt-large", "gpt-small", "claude-large")
CITIES = ("Oslo", "Rome", "Lima", "Kyoto", "Lagos", "Quito", "Turku", "Graz", "Porto", "Leeds")
TAGS = ("urgent", "vip", "repeat", "billing", "fraud", "praise", "legal", "test", "german", "short", "beta", "night")


def vocabulary(random: np.random.Generator, size: int = WORDS) -> list[str]:
    """``size`` different pronounceable words, the first ones short, as common words are."""
    starts = [
        "b",
        "br",
        "c",
        "ch",
        "d",
        "dr",
        "f",
        "fl",
        "g",
        "gr",
        "h",
        "j",
        "k",
        "l",
        "m",
        "n",
        "p",
        "pr",
        "qu",
        "r",
        "s",
        "sh",
        "st",
        "t",
        "tr",
        "v",
        "w",
        "z",
    ]
    middles = ["a", "e", "i", "o", "u", "ai", "ea", "ou", "y"]
    ends = ["", "", "n", "r", "s", "t", "l", "m", "nd", "st", "ck"]
    found: dict[str, None] = {}
    while len(found) < size:
        syllables = 1 + (len(found) > 600) + (len(found) > 12_000) + int(random.random() < 0.2)
        word = "".join(
            starts[random.integers(len(starts))] + middles[random.integers(len(middles))] for _ in range(syllables)
        )
        found[word + ends[random.integers(len(ends))]] = None
    return list(found)


def make_rows(count: int, *, seed: int = 0) -> Iterator[Row]:
    """``count`` rows in order."""
    random = np.random.default_rng(seed)
    words = np.array(vocabulary(random), dtype=object)
    weights = 1.0 / (np.arange(1, WORDS + 1) + 2.7) ** 1.05
    edges = np.cumsum(weights / weights.sum())
    for start in range(0, count, CHUNK):
        yield from _chunk(random, words, edges, start=start, size=min(CHUNK, count - start))


def _chunk(
    random: np.random.Generator, words: np.ndarray, edges: np.ndarray, *, start: int, size: int
) -> Iterator[Row]:
    lengths = np.clip(random.lognormal(2.5, 0.45, size).astype(int), 6, 45)
    extra = np.where(random.random(size) < 0.3, random.integers(8, 30, size), 0)
    drawn = iter(
        words[np.searchsorted(edges, random.random(int((lengths + extra).sum()))).clip(max=WORDS - 1)].tolist()
    )
    label = random.zipf(1.4, size) % len(LABELS)
    other, dice, cents = random.integers(0, len(LABELS), size), random.random((size, 4)), random.integers(5, 9000, size)
    for i in range(size):
        line = start + i
        text = " ".join(next(drawn) for _ in range(lengths[i])).capitalize()
        text += f". Order {7919 * line % 10_000_019:08d}" + ("?" if dice[i, 0] < 0.5 else ".")
        free = " ".join(next(drawn) for _ in range(extra[i]))
        answer = free.capitalize() + "." if free else LABELS[label[i]]
        gold = LABELS[other[i] if dice[i, 1] < 0.08 else label[i]]
        yield Row(
            id=f"t-{line:07d}",
            prompt=[{"role": "user", "content": text}],
            completion=assistant(answer) if dice[i, 2] < 0.97 else None,
            reference=assistant(gold) if not free else None,
            tags=[TAGS[n] for n in {int(12 * dice[i, 3] ** 2), line % 40} if n < 12],
            meta={
                "source": {"file": "tickets.jsonl", "line": line + 1},
                "model": MODELS[line % 3],
                "city": CITIES[int(cents[i]) % 10],
                "cost_usd": int(cents[i]) / 1e6,
            },
        )

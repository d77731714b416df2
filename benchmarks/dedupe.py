"""Rows per second, recall and memory of near-duplicate removal against ``datasketch`` (and ``rensa``) on the same rows.

    sh scripts/setup.sh bench
    python benchmarks/dedupe.py --data FOLDER --rows 1000000     # with the train.csv of Banking77 (columns text, category)

The rows are Banking77's questions, then made-up sentences of the same kind; one row in five is an edit of an earlier one (a
typo, a word more or less, two words swapped, other signs). Every side gets the same texts, folded alike, the same shingles
(4 characters) and the same threshold, reads them from a file, and ends with groups. Each measurement runs in a process of its
own, one after the other, so that its peak memory is its own; imports and the reading of the file alone are not counted.

datasketch as its documentation shows it: ``MinHash.generator``, ``MinHashLSH.insert`` and ``query`` with 128 permutations;
its hash of a shingle is CRC-32 in place of the default SHA-1, which makes it faster. It does not compare the texts themselves,
so what it proposes counts as found. rensa (Rust) likewise, with the number of bands nearest to ours.

Recall and precision are taken on 5,000 rows against the Jaccard similarity of every pair. The last lines are
``RESULT name=value``.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from vault.quality.near_duplicates import find_groups, join, roots  # noqa: E402
from vault.quality.shingles import LETTERS, fold  # noqa: E402

PERMUTATIONS = 128
BATCH = 2_000
EXACT_ROWS = 5_000
EXTRA = ("please", "hi", "now", "again", "still", "really", "thanks", "urgently", "today")


def main() -> None:
    """Make the rows, measure every side in a child process, and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, help="folder with the train.csv of Banking77; without it all rows are made up"
    )
    parser.add_argument("--rows", type=int, default=100_000, help="rows of our run")
    parser.add_argument("--peer-rows", type=int, help="rows at which both are compared (default: the same)")
    parser.add_argument("--threshold", type=float, default=0.8)
    parser.add_argument("--peers", nargs="*", default=["datasketch", "rensa"], choices=["datasketch", "rensa"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(measure(args.child, args.file, threshold=args.threshold)))
        return
    shared = min(args.peer_rows or args.rows, args.rows)
    texts = make_rows(max(args.rows, EXACT_ROWS), questions=read_questions(args.data), seed=args.seed)
    with tempfile.TemporaryDirectory() as scratch:
        files = {count: Path(scratch) / f"{count}.jsonl" for count in {args.rows, shared, EXACT_ROWS}}
        for count, file in files.items():
            file.write_text("".join(json.dumps(text) + "\n" for text in texts[:count]))
        chars = sum(map(len, texts[: args.rows])) / args.rows
        print(f"{args.rows:,} rows of {chars:.0f} characters on average, threshold {args.threshold}\n", flush=True)
        quality(args, files[EXACT_ROWS], texts[:EXACT_ROWS])
        speed(args, files, shared)


def speed(args: argparse.Namespace, files: dict[int, Path], shared: int) -> None:
    """Rows per second and peak memory of every side at ``shared`` rows, and of ours at all of them."""
    print(f"{'side':12} {'rows':>10} {'seconds':>9} {'CPU s':>8} {'rows/s':>10} {'peak MB':>9} {'rows in groups':>15}")
    found: dict[str, dict[str, Any]] = {}
    for side, count in [
        *((side, shared) for side in ("ours", *args.peers)),
        *([("ours", args.rows)] * (shared < args.rows)),
    ]:
        result = found[f"{side} {count}"] = child(args, side, files[count])
        print(
            f"{side:12} {count:10,} {result['seconds']:9.2f} {result['cpu']:8.2f} {count / result['seconds']:10,.0f} {result['peak_mb']:9,.0f} "
            f"{result['grouped']:15,}",
            flush=True,
        )
    ours, best = found[f"ours {shared}"], found[f"ours {args.rows}"]
    print()
    for peer in args.peers:
        name = "dedupe_speed_ratio" if peer == args.peers[0] else f"dedupe_speed_ratio_{peer}"
        print(f"RESULT {name}={found[f'{peer} {shared}']['seconds'] / ours['seconds']:.2f}")
    print(f"RESULT dedupe_rows_per_second={args.rows / best['seconds']:.0f}")
    print(f"RESULT dedupe_peak_mb={best['peak_mb']:.0f}")


def quality(args: argparse.Namespace, file: Path, texts: list[str]) -> None:
    """Recall and precision of every side against all pairs of ``texts``."""
    true = brute_force(texts, threshold=args.threshold)
    component = component_of(len(texts), true)
    print(f"{len(texts):,} rows have {len(true):,} pairs at or above the threshold (brute force)")
    for side in ("ours", *args.peers):
        result = child(args, side, file)
        group = result["group"]
        recall = sum(group[a] == group[b] >= 0 for a, b in true) / len(true)
        if side == "ours":
            sizes, both = (
                Counter(g for g in group if g >= 0),
                Counter((g, c) for g, c in zip(group, component, strict=True) if g >= 0),
            )
            together = sum(n * (n - 1) // 2 for n in sizes.values())
            right = sum(n * (n - 1) // 2 for n in both.values())
            precision = right / together
        else:
            pairs = {tuple(pair) for pair in result["pairs"]}
            precision = len(pairs & true) / len(pairs)
        print(f"  {side:12} recall {recall:.4f}  precision {precision:.4f}", flush=True)
        suffix = "" if side == "ours" else f"_{side}"
        print(f"RESULT dedupe_recall{suffix}={recall:.4f}")
        print(f"RESULT dedupe_precision{suffix}={precision:.4f}")
    print()


def child(args: argparse.Namespace, side: str, file: Path) -> dict[str, Any]:
    """One measurement in a process of its own."""
    command = [sys.executable, __file__, "--child", side, "--file", str(file), "--threshold", str(args.threshold)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(side: str, file: Path, *, threshold: float) -> dict[str, Any]:
    """Seconds, peak memory and groups of one side over the texts in ``file``."""
    with file.open() as lines:
        count = sum(1 for _ in lines)
    work = {"ours": ours, "datasketch": datasketch_groups, "rensa": rensa_groups}[side]
    begin, cpu = time.perf_counter(), time.process_time()
    group, pairs = work(file, threshold)
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    reading = reading_seconds(file)
    peak = peak_mb()
    small = count <= EXACT_ROWS
    return {
        "seconds": seconds - reading,
        "cpu": cpu - reading,
        "peak_mb": peak,
        "grouped": sum(g >= 0 for g in group),
        "group": group if small else [],
        "pairs": sorted(pairs) if small else [],
    }


def peak_mb() -> float:
    """Peak resident memory of this process. Linux hands ``ru_maxrss`` down from the parent, so its own mark is read there."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def reading_seconds(file: Path) -> float:
    """How long reading the texts alone takes."""
    begin = time.process_time()
    for _ in read_texts(file):
        pass
    return time.process_time() - begin


def read_texts(file: Path) -> Iterator[str]:
    """The texts, one a line."""
    with file.open() as lines:
        for line in lines:
            yield json.loads(line)


def ours(file: Path, threshold: float) -> tuple[list[int], set[tuple[int, int]]]:
    """Groups by the Studio."""
    return find_groups(read_texts(file), threshold=threshold, common=None).group.tolist(), set()


def datasketch_groups(file: Path, threshold: float) -> tuple[list[int], set[tuple[int, int]]]:
    """Groups by datasketch: every text asks for its like among those before it."""
    from zlib import crc32

    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=threshold, num_perm=PERMUTATIONS)
    sets = ([shingle.encode() for shingle in shingles(text)] for text in read_texts(file))
    pairs = set()
    count = 0
    for count, signature in enumerate(MinHash.generator(sets, num_perm=PERMUTATIONS, hashfunc=crc32), start=1):
        pairs.update((other, count - 1) for other in index.query(signature))
        index.insert(count - 1, signature)
    return groups_of(count, pairs), pairs


def rensa_groups(file: Path, threshold: float) -> tuple[list[int], set[tuple[int, int]]]:
    """Groups by rensa: signatures in batches, then every text asks for its like."""
    from rensa import RMinHash, RMinHashLSH

    index = RMinHashLSH(threshold, PERMUTATIONS, 16)
    signatures: list[Any] = []
    batch: list[list[str]] = []

    def flush() -> None:
        for signature in RMinHash.from_token_sets(batch, PERMUTATIONS, 42):
            index.insert(len(signatures), signature)
            signatures.append(signature)
        batch.clear()

    for text in read_texts(file):
        batch.append(list(shingles(text)))
        if len(batch) == BATCH:
            flush()
    if batch:
        flush()
    pairs: set[tuple[int, int]] = set()
    for begin in range(0, len(signatures), BATCH):
        for offset, others in enumerate(index.query_all(signatures[begin : begin + BATCH])):
            pairs.update((other, begin + offset) for other in others if other < begin + offset)
    return groups_of(len(signatures), pairs), pairs


def groups_of(count: int, pairs: set[tuple[int, int]]) -> list[int]:
    """The group of each text, -1 for one that is alone."""
    root = component_of(count, pairs)
    sizes = Counter(root)
    return [r if sizes[r] > 1 else -1 for r in root]


def component_of(count: int, pairs: set[tuple[int, int]]) -> list[int]:
    """The smallest member of the connected part that each text is in."""
    parent = np.arange(count, dtype=np.int64)
    if pairs:
        left, right = np.array(sorted(pairs), dtype=np.int64).T
        join(parent, left, right)
    return roots(parent, np.arange(count, dtype=np.int64)).tolist()


def shingles(text: str) -> set[str]:
    """The runs of characters of the folded text (these texts hold no ideographs)."""
    folded = fold(text)
    return {folded[i : i + LETTERS] for i in range(len(folded) - LETTERS + 1)}


def brute_force(texts: list[str], *, threshold: float) -> set[tuple[int, int]]:
    """Every pair with a similarity of at least ``threshold``: shared shingles of each pair are counted, none left out."""
    having: dict[str, list[int]] = {}
    sets = [shingles(text) for text in texts]
    pairs = set()
    for b, found in enumerate(sets):
        shared = Counter(a for shingle in found for a in having.get(shingle, ()))
        pairs.update((a, b) for a, n in shared.items() if n / (len(sets[a]) + len(found) - n) >= threshold - 1e-12)
        for shingle in found:
            having.setdefault(shingle, []).append(b)
    return pairs


def read_questions(folder: Path | None) -> list[str]:
    """Banking77's questions; none without a folder."""
    if folder is None:
        return []
    with (folder / "train.csv").open(encoding="utf-8", newline="") as lines:
        return [record["text"] for record in csv.DictReader(lines)]


def make_rows(count: int, *, questions: list[str], seed: int) -> list[str]:
    """``count`` texts: the questions, then made-up sentences; one in five is an edit of an earlier text.

    Words are drawn by Zipf's law, 6 to 24 a sentence, as unevenly common as in real text.
    """
    draw, numbers = random.Random(seed), np.random.default_rng(seed)
    words = vocabulary(draw, size=30_000)
    ranks = np.arange(1, len(words) + 1)
    cumulative = np.cumsum(1 / ranks) / np.sum(1 / ranks)
    texts: list[str] = []
    given = iter(questions)
    picks: list[int] = []
    used = 0
    while len(texts) < count:
        if texts and draw.random() < 0.2:
            texts.append(edit(texts[draw.randrange(len(texts))], draw=draw))
            continue
        text = next(given, None)
        if text is None:
            length = draw.randint(6, 24)
            if len(picks) < used + length:
                picks, used = np.searchsorted(cumulative, numbers.random(200_000)).tolist(), 0
            text = " ".join(words[pick] for pick in picks[used : used + length])
            used += length
        texts.append(text)
    return texts


def vocabulary(draw: random.Random, *, size: int) -> list[str]:
    """Pronounceable made-up words, short ones first, as common words are."""
    syllables = [
        "ba",
        "co",
        "di",
        "fu",
        "ge",
        "ho",
        "ki",
        "lo",
        "mu",
        "ne",
        "pa",
        "qui",
        "ro",
        "sa",
        "te",
        "vi",
        "wo",
        "xa",
        "ye",
        "zu",
    ]
    words: dict[str, None] = {}
    while len(words) < size:
        stem = "".join(draw.choices(syllables, k=1 if len(words) < 200 else 2 if len(words) < 3_000 else 3))
        words[stem + draw.choice("nrstlmdg") + draw.choice(["", "e", "ing", "er", "ly", "s"])] = None
    return list(words)


def edit(text: str, *, draw: random.Random) -> str:
    """The text with a small change: a typo, a word more or less, two words swapped, or other signs and case."""
    words = text.split() or [""]
    at = draw.randrange(len(words))
    match draw.randrange(5):
        case 0:
            place = draw.randrange(len(text) + 1)
            return text[:place] + draw.choice("abcdefghij") + text[place + 1 :]
        case 1:
            return " ".join([*words[:at], draw.choice(EXTRA), *words[at:]])
        case 2 if len(words) > 2:
            return " ".join(words[:at] + words[at + 1 :])
        case 3 if at:
            return " ".join([*words[: at - 1], words[at], words[at - 1], *words[at + 1 :]])
    return text.upper().replace("?", "").replace("'", "") + " ."


if __name__ == "__main__":
    main()

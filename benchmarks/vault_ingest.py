"""Importing chat lines against DuckDB and polars reading the same file and writing Parquet.

    sh scripts/setup.sh bench
    python benchmarks/vault_ingest.py                 # 1,000,000 rows, about 300 MB; needs 1.5 GB of disk
    python benchmarks/vault_ingest.py --rows 100000   # a small try

The rows are made up from a seed: questions and answers of unlike length in words of a long-tailed vocabulary, no sentence
twice, with quotes, line breaks, other alphabets, system prompts and several turns in the shares that chat files have.

*Ours* is the whole import of an upload as a worker does it: encoding, validation of every message, ids (SHA-256 of each
prompt) made unique, the list of problems, the search column, Parquet, hashing and flushing the files, the database rows.
*DuckDB* is ``COPY (SELECT * FROM read_json(…)) TO … (FORMAT parquet, COMPRESSION zstd)``: it parses and writes.
*polars* is ``scan_ndjson(…).sink_parquet(…, compression="zstd")``. Each
measurement runs in a process of its own, in turns; the smallest of each side counts. Time is measured inside, so that
starting Python, Django or DuckDB is on neither side's bill; memory is the most that the process ever held.

The last lines are ``RESULT name=value``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SYLLABLES = [
    "ka",
    "lo",
    "mi",
    "ter",
    "an",
    "sol",
    "ver",
    "in",
    "qua",
    "der",
    "pos",
    "tion",
    "ment",
    "ra",
    "el",
    "us",
    "gen",
    "pre",
    "con",
    "ba",
    "fi",
    "na",
    "to",
    "ri",
    "shu",
    "per",
    "ex",
    "ing",
]
FOREIGN = (
    "Où est ma carte",
    "Wo ist mein Geld",
    "¿Dónde está",
    "Где моя карта",
    "私のカードはどこ",
    "أين بطاقتي",
    "Ça coûte 5 €",
    "👍🏽",
)
SYSTEM = "You are the assistant of a shop. Answer politely and in at most four sentences."


def main() -> None:
    """Run the comparison, or with ``--child`` one measurement of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each side")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--child", choices=["ours", "duckdb", "polars"])
    parser.add_argument("--file", type=Path)
    args = parser.parse_args()
    if args.child:
        with tempfile.TemporaryDirectory() as scratch:
            measures = {"ours": measure_ours, "duckdb": measure_duckdb, "polars": measure_polars}
            found = measures[args.child](args.file, Path(scratch))
        print(json.dumps(found | {"mb": peak_mb()}))
        return
    with tempfile.TemporaryDirectory() as scratch:
        compare(args, Path(scratch) / "chat.jsonl")


def compare(args: argparse.Namespace, file: Path) -> None:
    """Make the file, measure both sides in turns, print."""
    began = time.perf_counter()
    with file.open("w", encoding="utf-8") as out:
        out.writelines(make_lines(args.rows, args.seed))
    size = file.stat().st_size
    print(
        f"{args.rows:,} rows, {size / 1e6:,.0f} MB, made in {time.perf_counter() - began:.0f} s; {os.cpu_count()} processors"
    )
    found: dict[str, list[dict[str, float]]] = {"duckdb": [], "polars": [], "ours": []}
    for turn in range(args.rounds):
        for side, seen in found.items():
            result = run_child(side, file)
            seen.append(result)
            print(
                f"  round {turn + 1}  {side:7}  {result['seconds']:6.2f} s ({result['cpu']:6.2f} s of processor)  {args.rows / result['seconds']:9,.0f} rows/s"
                f"  {size / 1e6 / result['seconds']:6.0f} MB/s  {result['mb']:5.0f} MB of memory  {result['stored'] / 1e6:5.0f} MB stored"
            )
    best = {side: min(result["seconds"] for result in seen) for side, seen in found.items()}
    cpu = {side: min(result["cpu"] for result in seen) for side, seen in found.items()}
    print(
        f"Of processor time, which other work on the machine disturbs less: {cpu['ours'] / cpu['duckdb']:.2f} times DuckDB's."
    )
    print(f"RESULT ingest_seconds={best['ours']:.2f}")
    print(f"RESULT ingest_duckdb_seconds={best['duckdb']:.2f}")
    print(f"RESULT ingest_time_ratio={best['ours'] / best['duckdb']:.2f}")
    print(f"RESULT ingest_polars_seconds={best['polars']:.2f}")
    print(f"RESULT ingest_time_ratio_polars={best['ours'] / best['polars']:.2f}")
    print(f"RESULT ingest_peak_mb={max(result['mb'] for result in found['ours']):.0f}")


def run_child(side: str, file: Path) -> dict[str, float]:
    """One measurement in a process of its own."""
    command = [sys.executable, __file__, "--child", side, "--file", str(file)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure_duckdb(file: Path, scratch: Path) -> dict[str, float]:
    """DuckDB reads the file and writes Parquet."""
    import duckdb

    connection, target = duckdb.connect(), scratch / "rows.parquet"
    began, cpu = time.perf_counter(), time.process_time()
    connection.execute(
        f"COPY (SELECT * FROM read_json('{file}', format = 'newline_delimited')) TO '{target}' (FORMAT parquet, COMPRESSION zstd)"
    )
    return {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu, "stored": target.stat().st_size}


def measure_polars(file: Path, scratch: Path) -> dict[str, float]:
    """Polars reads the file and writes Parquet, streaming."""
    import polars

    target = scratch / "rows.parquet"
    began, cpu = time.perf_counter(), time.process_time()
    polars.scan_ndjson(file).sink_parquet(target, compression="zstd")
    return {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu, "stored": target.stat().st_size}


def measure_ours(file: Path, scratch: Path) -> dict[str, float]:
    """An upload of the file is imported by the code that a worker runs."""
    sys.path.insert(0, str(ROOT))
    os.environ |= {
        "STUDIO_DATA_ROOT": str(scratch),
        "STUDIO_DATABASE_URL": "",
        "DJANGO_SETTINGS_MODULE": "studio.settings",
    }
    import django

    django.setup()
    from django.core.management import call_command

    from studio.jobs import State
    from studio.models import Workspace
    from vault import ingest
    from vault.models import Upload

    import_module("vault.bulk")  # A worker that runs has Arrow in memory, as the other side has DuckDB.
    call_command("migrate", verbosity=0)
    upload = Upload(
        workspace=Workspace.objects.create(slug="bench", name="Bench"),
        dataset_name="Chats",
        file_name="chat.jsonl",
        size=file.stat().st_size,
        sha256="0" * 64,
        reader="openai_chat",
    )
    source = ingest.source_path(upload)
    source.parent.mkdir(parents=True)
    source.symlink_to(file)
    upload.save(force_insert=True)
    began, cpu = time.perf_counter(), time.process_time()
    ingest.run_upload(upload.pk)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    upload.refresh_from_db()
    assert upload.state == State.SUCCEEDED and upload.version, upload.error + upload.trace
    return {"seconds": seconds, "cpu": cpu, "stored": upload.version.artifact.size}


def peak_mb() -> float:
    """The most memory this process ever held, in MB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def make_lines(rows: int, seed: int) -> Iterator[str]:
    """Chat lines: the same for the same seed."""
    chance = random.Random(seed)
    words = sorted({"".join(chance.choices(SYLLABLES, k=chance.choice((1, 2, 2, 3, 3, 4)))) for _ in range(20_000)})
    chance.shuffle(words)
    weights = [0.0]
    for rank in range(len(words)):
        weights.append(weights[-1] + 1 / (rank + 8))
    words_of = sayer(chance, words, weights[1:])
    for _ in range(rows):
        yield json.dumps({"messages": list(make_chat(chance, words_of))}, ensure_ascii=False) + "\n"


def sayer(chance: random.Random, words: list[str], cumulative: list[float]) -> Callable[[int], str]:
    """``words_of(n)``: ``n`` words as a sentence without its full stop."""
    return lambda count: " ".join(chance.choices(words, cum_weights=cumulative, k=count)).capitalize()


def make_chat(chance: random.Random, words_of: Callable[[int], str]) -> Iterator[dict[str, Any]]:
    """One conversation: sometimes with a system prompt, sometimes of two turns."""
    if chance.random() < 0.1:
        yield {"role": "system", "content": SYSTEM}
    for _ in range(2 if chance.random() < 0.08 else 1):
        question = words_of(chance.randint(4, 11)) + "?"
        if chance.random() < 0.12:
            question = f"{chance.choice(FOREIGN)}: {question}"
        sentences = [words_of(chance.randint(4, 9)) + "." for _ in range(chance.randint(1, 3))]
        if chance.random() < 0.1:
            sentences.append(f'Choose "{words_of(2)}" in the menu.')
        yield {"role": "user", "content": question}
        yield {"role": "assistant", "content": chance.choice((" ", " ", "\n\n", "\n- ")).join(sentences)}


if __name__ == "__main__":
    main()

"""Rows per second of the Studio's training recipe against TRL's ``SFTTrainer``, on the same rows, model and adapter.

    sh scripts/setup.sh bench
    python benchmarks/train_packing.py --data FOLDER   # with the train.csv of Banking77 (columns text, category)

Three sets: Banking77 with all intents in the system prompt (``full``), with one sentence instead (``pruned``), and made-up
chats that share nothing but the template (``chats``). Every measurement runs in a process of its own, one after the other,
so that its peak memory is its own. TRL gets identical token ids and the same completion mask, no gradient checkpointing
(its default, which is slower) and the batch size of 1, 2, 4, 8… at which it is fastest within the memory cap (of those
that are equally fast, the largest). Ours runs
the recipe as the Studio does. Both learn SmolLM2-135M-Instruct in bf16 with an fp32 LoRA of rank 16 on every linear layer.

The last lines are ``RESULT name=value``. Takes about ten minutes on two idle cores.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
ROWS_PER_STEP = 32
OUR_STEPS = 6
THEIR_STEPS = 3
FULL = "You are a bank's assistant. Classify the customer's message into exactly one of these intents, answer with it only:\n"
PRUNED = "Classify the customer's banking message. Answer with its intent only."


def main() -> None:
    """Run the comparison, or with ``--child`` one measurement of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with the train.csv of Banking77")
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "models")
    parser.add_argument("--memory-cap-gb", type=float, default=16.0)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--only", choices=["full", "pruned", "chats", "loss"])
    parser.add_argument("--child", type=Path)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(measure(json.loads(args.child.read_text()))))
        return
    if args.data is None or not (args.data / "train.csv").is_file():
        parser.error("say where Banking77's train.csv (columns text and category) is: --data FOLDER")
    with tempfile.TemporaryDirectory() as scratch:
        Bench(args, Path(scratch)).run(args.only)


def best_of(tried: list[dict[str, Any]]) -> dict[str, Any]:
    """The largest batch that is as fast as the fastest, to within five per cent: what a user would choose, since fewer
    passes add up to a step. ``tried`` is in the order of batch sizes."""
    fastest = max(t["rows_per_second"] for t in tried)
    return [t for t in tried if t["rows_per_second"] >= 0.95 * fastest][-1]


class Bench:
    """The parent: makes the rows, starts the measurements, prints what they found."""

    def __init__(self, args: argparse.Namespace, scratch: Path) -> None:
        self.args, self.scratch = args, scratch
        self.results: dict[str, float] = {}

    def run(self, only: str | None) -> None:
        """All sets, or one."""
        model = self.child({"side": "model", "cache": str(self.args.cache)})["path"]
        sets = {"full": self.banking(full=True), "pruned": self.banking(full=False), "chats": self.chats()}
        for name, rows in sets.items():
            if only in (None, name):
                self.compare(name, {"model": model, "rows": str(rows), "threads": self.args.threads})
        if only in (None, "loss"):
            self.compare_losses({"model": model, "rows": str(sets["full"]), "threads": self.args.threads})
        for name, value in self.results.items():
            print(f"RESULT {name}={value:.6g}")

    def compare(self, name: str, shared: dict[str, Any]) -> None:
        """Ours at 32 rows a step against TRL at its best batch size."""
        tried: list[dict[str, Any]] = []
        worse = 0
        batch = 1
        while batch <= ROWS_PER_STEP and worse < 2:
            theirs = self.child({"side": "trl", "batch": batch, "steps": THEIR_STEPS, **shared})
            if "rows_per_second" not in theirs:
                print(f"{name}: TRL at {batch} rows did not fit: {theirs['why']}", flush=True)
                break
            self.say(name, f"TRL at {batch} rows", theirs)
            fastest = max((t["rows_per_second"] for t in tried), default=0.0)
            worse = 0 if theirs["rows_per_second"] > fastest else worse + 1
            tried.append(theirs)
            batch *= 2
        if not tried:
            raise SystemExit(f"{name}: TRL did not run even with one row; raise --memory-cap-gb.")
        best = best_of(tried)
        ours = self.child({"side": "ours", "steps": OUR_STEPS, **shared})
        self.say(name, f"packed at {ROWS_PER_STEP} rows", ours)
        self.results[f"packing_{name}_ratio"] = ours["rows_per_second"] / best["rows_per_second"]
        memory = best["peak_bytes"] / ours["peak_bytes"]
        self.results["packing_memory_ratio" if name == "full" else f"packing_{name}_memory_ratio"] = memory

    def compare_losses(self, shared: dict[str, Any]) -> None:
        """The first step's loss of both on the same eight rows in fp32 without dropout (TRL in two batches of four)."""
        options = {"precision": "float32", "steps": 1, "limit": 8, **shared}
        theirs = self.child({"side": "trl", "batch": 4, "accumulate": 2, **options})
        ours = self.child({"side": "ours", **options})
        print(f"loss in fp32: TRL {theirs['loss']:.6f}, packed {ours['loss']:.6f}", flush=True)
        self.results["packing_loss_difference"] = abs(theirs["loss"] - ours["loss"])

    def say(self, name: str, what: str, found: dict[str, Any]) -> None:
        """One line for the reader."""
        rate, memory = found["rows_per_second"], found["peak_bytes"] / 2**30
        print(f"{name}: {what}: {rate:.2f} rows/s, peak {memory:.2f} GiB", flush=True)

    def child(self, config: dict[str, Any]) -> dict[str, Any]:
        """One measurement in its own process; ``{"why"}`` when it passed the memory cap and was ended."""
        path = self.scratch / "child.json"
        path.write_text(json.dumps({**config, "scratch": str(self.scratch)}))
        command = [sys.executable, __file__, "--child", str(path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        over = threading.Event()
        watcher = threading.Thread(target=self.watch, args=(process, over), daemon=True)
        watcher.start()
        out, err = process.communicate()
        if over.is_set():
            return {"why": f"more than {self.args.memory_cap_gb:g} GB"}
        if process.returncode != 0:
            raise SystemExit(f"A measurement failed:\n{err[-3000:]}")
        return json.loads(out.splitlines()[-1])

    def watch(self, process: subprocess.Popen[str], over: threading.Event) -> None:
        """End the child when it passes the memory cap (read from ``/proc``; elsewhere there is no cap)."""
        status = Path(f"/proc/{process.pid}/statm")
        while process.poll() is None and status.exists():
            try:
                used = int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            except (OSError, IndexError):
                return
            if used > self.args.memory_cap_gb * 1e9:
                over.set()
                process.kill()
            time.sleep(0.05)

    def banking(self, *, full: bool) -> Path:
        """Banking77's first rows in a seeded order, as the Studio's children read them."""
        with (self.args.data / "train.csv").open(encoding="utf-8", newline="") as source:
            rows = list(csv.DictReader(source))
        labels = sorted({row["category"] for row in rows})
        system = FULL + "\n".join(labels) if full else PRUNED
        random.Random(0).shuffle(rows)
        return self.write("full" if full else "pruned", [(system, r["text"], r["category"]) for r in rows[:512]])

    def chats(self) -> Path:
        """Made-up chats of 100 to 500 words in which no two begin alike."""
        rng = random.Random(0)
        syllables = ["ka", "lo", "mi", "ter", "an", "su", "re", "pol", "ti", "ven", "or", "da", "ges", "ni", "um"]
        words = ["".join(rng.choices(syllables, k=rng.randint(1, 3))) for _ in range(3000)]

        def text(low: int, high: int) -> str:
            return " ".join(rng.choices(words, k=rng.randint(low, high)))

        return self.write("chats", [(None, text(60, 200), text(40, 100)) for _ in range(512)])

    def write(self, name: str, rows: list[tuple[str | None, str, str]]) -> Path:
        """Rows as JSON lines."""
        path = self.scratch / f"{name}.jsonl"
        with path.open("w", encoding="utf-8") as out:
            for number, (system, question, answer) in enumerate(rows):
                prompt = [{"role": "system", "content": system}] if system else []
                prompt.append({"role": "user", "content": question})
                row = {"id": str(number), "prompt": prompt, "completion": {"role": "assistant", "content": answer}}
                out.write(json.dumps(row) + "\n")
        return path


def measure(config: dict[str, Any]) -> dict[str, Any]:
    """The child: one side, once."""
    real, sys.stdout = sys.stdout, sys.stderr
    try:
        if config["side"] == "model":
            from pipelines.recipes.base_models import resolve

            return {"path": str(resolve("embedded:smollm2-135m-instruct", cache_dir=Path(config["cache"])).path)}
        return measure_trl(config) if config["side"] == "trl" else measure_ours(config)
    finally:
        sys.stdout = real


def measure_ours(config: dict[str, Any]) -> dict[str, Any]:
    """The recipe for a few steps; the first is a warm-up."""
    from pipelines.recipes import train
    from pipelines.recipes.events import Events

    rows = Path(config["rows"])
    if config.get("limit"):
        lines = rows.read_text("utf-8").splitlines()[: config["limit"]]
        rows = Path(config["scratch"]) / "few.jsonl"
        rows.write_text("\n".join(lines), "utf-8")
    with tempfile.TemporaryDirectory() as work:
        stream = io.StringIO()
        params = {
            "max_steps": config["steps"],
            "rows_per_step": ROWS_PER_STEP,
            "save_every": 10_000,
            "precision": config.get("precision", "bfloat16"),
            "threads": config["threads"],
            "warmup": 0.0,
        }
        base = {"path": config["model"], "ref": "benchmark", "revision": "benchmark", "files": {}}
        told = {
            "base_model": base,
            "train": str(rows),
            "out": f"{work}/adapter",
            "work": f"{work}/work",
            "params": params,
        }
        result = train.main(told, Events(stream))
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    rates = [e["value"] for e in events if e.get("name") == "rows_per_second"][1:]
    loss = next(e["value"] for e in events if e.get("name") == "loss")
    return {
        "rows_per_second": statistics.median(rates) if rates else 0.0,
        "peak_bytes": result["peak_memory_bytes"],
        "loss": loss,
    }


def measure_trl(config: dict[str, Any]) -> dict[str, Any]:
    """``SFTTrainer`` for a few optimiser steps of one batch each; the first is a warm-up."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from pipelines.recipes.batches import encode_rows
    from pipelines.recipes.train import load_chat, peak_memory

    torch.set_num_threads(config["threads"])
    path = Path(config["model"])
    exact = config.get("precision") == "float32"
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32 if exact else torch.bfloat16)
    sequences = encode_rows(Path(config["rows"]), load_chat(path), view=None, max_tokens=10**6).sequences
    batch, accumulate = config["batch"], config.get("accumulate", 1)
    sequences = sequences[: config.get("limit") or batch * config["steps"]]
    data = Dataset.from_list(
        [
            {
                "input_ids": [int(i) for i in s.ids],
                "completion_mask": [0] * s.first + [1] * (len(s.ids) - s.first),
            }
            for s in sequences
        ]
    )
    times: list[float] = []
    losses: list[float] = []

    class Clock(TrainerCallback):
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            times.append(-time.monotonic())

        def on_step_end(self, *_: Any, **__: Any) -> None:
            times[-1] += time.monotonic()

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if "loss" in (logs or {}):
                losses.append(logs["loss"])

    with tempfile.TemporaryDirectory() as work:
        trainer = SFTTrainer(
            model=model,
            args=SFTConfig(
                output_dir=work,
                per_device_train_batch_size=batch,
                gradient_accumulation_steps=accumulate,
                max_steps=config["steps"],
                max_length=None,
                completion_only_loss=True,
                gradient_checkpointing=False,
                bf16=not exact,
                learning_rate=8e-4,
                logging_steps=1,
                save_strategy="no",
                report_to="none",
                use_cpu=True,
                disable_tqdm=True,
                dataloader_pin_memory=False,
            ),
            train_dataset=data,
            processing_class=AutoTokenizer.from_pretrained(path),
            peft_config=LoraConfig(
                r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"
            ),
            callbacks=[Clock()],
        )
        adapter = {p.dtype for p in trainer.model.parameters() if p.requires_grad}
        if adapter != {torch.float32}:
            raise SystemExit(f"TRL's adapter is in {adapter}, not in fp32: the sides are not comparable")
        trainer.train()
    seconds = statistics.median(times[1:]) if len(times) > 1 else times[0]
    return {"rows_per_second": batch * accumulate / seconds, "peak_bytes": peak_memory(), "loss": losses[0]}


if __name__ == "__main__":
    main()

"""Rows per second of the Studio's predictions against what people run today, over the same rows and the same weights.

    python benchmarks/evaluate.py --data FOLDER            # with Banking77's train.csv and test.csv (columns text, category)
    python benchmarks/evaluate.py --data FOLDER --adapter FOLDER --gguf FILE --peer-rows 40
    python benchmarks/evaluate.py                          # made-up questions about the same 77 intents

Every question stands behind the system prompt of ``specs/banking77_full_prompt.yaml``, which names all 77 intents (about 590
tokens). Ours answers ``--rows`` of them as an evaluation does: the adapter by trie scoring and in greedy text, then the Q8_0
file in greedy text and by trie scoring. The others answer a seeded sample of the same rows:

- ``generate``: transformers' ``model.generate`` on the merged model in fp32, one row at a time and in padded batches (the
  faster counts);
- ``loglikelihood``: lm-eval's ``HFLM`` on the same model, which reads the whole prompt before each of the 77 labels (a row or two:
  one takes minutes). Without lm-eval installed, padded batches of the same token ids, which is what it does;
- ``completion``: llama-cpp-python's ``create_completion``, once as it comes (it keeps the beginning that a prompt shares with
  the one before) and once emptied before each row;
- ``echo``: lm-eval's ``gguf`` path, ``create_completion(echo=True, logprobs=10)`` for each label, without its HTTP hop; a few
  labels are timed, since a row takes many minutes;
- ``scores``: a loop by hand that reads the prompt once and each label after it, as the measure of which label is the likeliest.

Without ``--adapter`` a small one is trained and without ``--gguf`` its Q8_0 file is made, both kept below ``--cache``.
Each measurement has a process of its own. Loading a model counts on neither side, splitting texts into tokens on both. The last lines are
``RESULT name=value``: the ratios are like for like (text against text, labels against labels) and ``evaluate_hf_ratio`` and
``evaluate_gguf_ratio`` are the smaller of both kinds. ``…_work_ratio`` is the same in processor
time, which other programs on the machine change less. Two ratios stand apart, of loops that share the prompt as ours does:
``evaluate_gguf_text_kept_prefix_ratio`` and ``evaluate_gguf_labels_by_hand_ratio``.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(Path(__file__).parent))

from _evaluate_sides import NEW_TOKENS, SIDES, read  # noqa: E402

SPEC = ROOT / "specs" / "banking77_full_prompt.yaml"
LEARNT = 640


def main() -> None:
    """Run the comparison, or with ``--child`` one measurement of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, help="folder with train.csv and test.csv; without it questions are made up"
    )
    parser.add_argument("--adapter", type=Path, help="folder of a PEFT adapter of the embedded model")
    parser.add_argument("--gguf", type=Path, help="the Q8_0 file of that adapter")
    parser.add_argument("--rows", type=int, default=3080, help="rows that ours answers")
    parser.add_argument("--peer-rows", type=int, default=32, help="rows of those that the others answer as text")
    parser.add_argument("--label-rows", type=int, default=2, help="rows of those that the others score 77 labels for")
    parser.add_argument("--batch", type=int, default=8, help="rows in a padded batch of the others")
    parser.add_argument("--only", choices=["hf", "gguf"])
    parser.add_argument("--kinds", default="labels,text", help="labels, text or both")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "evaluate")
    parser.add_argument("--child", type=Path)
    args = parser.parse_args()
    if args.child:
        config = json.loads(args.child.read_text("utf-8"))
        real, sys.stdout = sys.stdout, sys.stderr
        answer = json.dumps(SIDES[config["side"]](config))
        print(answer, file=real)
        return
    with tempfile.TemporaryDirectory() as scratch:
        Bench(args, Path(scratch)).run()


class Bench:
    """The parent: makes rows and students, starts the measurements, prints what they found."""

    def __init__(self, args: argparse.Namespace, scratch: Path) -> None:
        import yaml

        self.args, self.scratch = args, scratch
        spec = yaml.safe_load(SPEC.read_text("utf-8"))
        self.system = spec["imports"]["banking77-test"]["params"]["system_prompt"]
        self.labels = self.system.rsplit(":", 1)[1].strip().removesuffix(".").replace("\n", " ").split(", ")
        self.kinds = set(args.kinds.split(","))
        self.ratios: dict[str, float] = {}
        self.work: dict[str, float] = {}
        self.same: dict[str, tuple[int, int]] = {}

    def run(self) -> None:
        """Both sides of each kind of model."""
        self.args.cache.mkdir(parents=True, exist_ok=True)
        self.model = self.child({"side": "model", "cache": str(self.args.cache / "models")})["path"]
        rows = self.questions("test")[: self.args.rows]
        few = random.Random(self.args.seed).sample(rows, min(self.args.peer_rows, len(rows)))
        self.all, self.few = self.write("all", rows), self.write("few", few)
        self.some = self.write("some", few[: 4 * self.args.label_rows])
        self.fewest = self.write("fewest", few[: self.args.label_rows])
        adapter = self.args.adapter or self.train()
        print(f"{len(rows):,} rows of {len(self.labels)} labels, {len(few)} of them for the others", flush=True)
        if self.args.only != "gguf":
            self.compare_hf(str(adapter))
        if self.args.only != "hf":
            self.compare_gguf(str(self.args.gguf or self.export(adapter)))
        for name, value in self.ratios.items():
            print(f"RESULT {name}_ratio={value:.2f} {name}_work_ratio={self.work[name]:.2f}")
        for name, (same, of) in self.same.items():
            print(f"RESULT evaluate_same_{name}={same}/{of}")
        for kind in ("hf", "gguf"):
            if found := [
                v for k, v in self.ratios.items() if k in (f"evaluate_{kind}_text", f"evaluate_{kind}_labels")
            ]:
                print(f"RESULT evaluate_{kind}_ratio={min(found):.2f}")
        same, of = (sum(x) for x in zip(*self.same.values(), strict=True))
        print(f"RESULT evaluate_same_predictions={same / of:.4f}")

    def compare_hf(self, adapter: str) -> None:
        """The adapter: trie scoring and text against ``loglikelihood`` and ``generate``."""
        shared = {"base_model": self.model, "adapter": adapter}
        if "text" in self.kinds:
            ours = self.ours("hf", "generate", shared)
            tried = [self.peer("generate", {**shared, "batch": batch}, self.few) for batch in (1, self.args.batch)]
            self.hold("hf_text", ours, max(tried, key=lambda t: t["rate"]), "text")
        if "labels" in self.kinds:
            ours = self.ours("hf", "labels", shared)
            theirs = self.peer("loglikelihood", {**shared, "batch": self.args.batch}, self.fewest)
            self.hold("hf_labels", ours, theirs, "label")

    def compare_gguf(self, gguf: str) -> None:
        """The file: text and trie scoring against ``completion`` and ``echo``."""
        if "text" in self.kinds:
            ours = self.ours("gguf", "generate", {"gguf": gguf})
            for name, empty in (("gguf_text", True), ("gguf_text_kept_prefix", False)):
                self.hold(name, ours, self.peer("completion", {"gguf": gguf, "empty": empty}, self.few), "text")
        if "labels" in self.kinds:
            ours = self.ours("gguf", "labels", {"gguf": gguf})
            self.hold("gguf_labels", ours, self.peer("echo", {"gguf": gguf}, self.fewest), "label")
            self.hold("gguf_labels_by_hand", ours, self.peer("scores", {"gguf": gguf}, self.some), "label")

    def ours(self, side: str, mode: str, config: dict[str, Any]) -> dict[str, Any]:
        """Our predictions over all rows."""
        out = self.scratch / f"{side}-{mode}.jsonl"
        found = self.child(
            {"side": f"ours_{side}", "rows": str(self.all), "out": str(out), "mode": mode, "labels": self.labels,
             "max_new_tokens": NEW_TOKENS, "precision": "float32" if side == "hf" else None, **config}
        )  # fmt: skip
        found["answers"] = {one["id"]: one for one in read(out)}
        self.say(f"ours, {side}, {mode}", found)
        return found

    def peer(self, side: str, config: dict[str, Any], rows: Path) -> dict[str, Any]:
        """One of the others over a few rows."""
        found = self.child({"side": side, "rows": str(rows), "labels": self.labels, **config})
        options = "".join(f", {key} {value}" for key, value in config.items() if key in ("batch", "empty"))
        self.say(f"{side}{options}{', ' + found['how'] if 'how' in found else ''}", found)
        return found

    def hold(self, name: str, ours: dict[str, Any], theirs: dict[str, Any], field: str) -> None:
        """Keep the ratio of the rates and on how many of the peer's rows both say the same."""
        self.ratios[f"evaluate_{name}"] = ours["rate"] / theirs["rate"]
        self.work[f"evaluate_{name}"] = theirs["work"] / ours["work"]
        answers = theirs["answers"]
        same = sum(ours["answers"][key][field] == said for key, said in answers.items())
        if answers:
            self.same[name] = (same, len(answers))
        for key, said in answers.items():
            if ours["answers"][key][field] != said:
                print(f"  {name}, row {key}: ours {ours['answers'][key][field]!r}, theirs {said!r}", flush=True)

    def say(self, what: str, found: dict[str, Any]) -> None:
        """One line for the reader."""
        rate, work = f"{found['rate']:.3f} rows/s", f"{found['work']:.3f} processor seconds a row"
        print(f"{what}: {found['count']:,} rows in {found['seconds']:.1f} s, {rate}, {work}", flush=True)

    def child(self, config: dict[str, Any]) -> dict[str, Any]:
        """One measurement in its own process."""
        path = self.scratch / "child.json"
        path.write_text(json.dumps({"threads": self.args.threads, **config}), encoding="utf-8")
        done = subprocess.run([sys.executable, __file__, "--child", str(path)], capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"The measurement {config['side']} failed:\n{done.stderr[-3000:]}")
        return dict(json.loads(done.stdout.splitlines()[-1]))

    def questions(self, part: str) -> list[dict[str, Any]]:
        """Rows as the Studio's children read them, in a seeded order."""
        chance = random.Random(f"{part} {self.args.seed}")
        if self.args.data:
            with (self.args.data / f"{part}.csv").open(encoding="utf-8", newline="") as source:
                pairs = [(row["text"], row["category"]) for row in csv.DictReader(source)]
        else:
            pairs = [made_up(chance, self.labels) for _ in range(3080)]
        chance.shuffle(pairs)
        return [
            {
                "id": f"{part}-{number}",
                "prompt": [{"role": "system", "content": self.system}, {"role": "user", "content": text}],
                "completion": {"role": "assistant", "content": label},
            }
            for number, (text, label) in enumerate(pairs)
        ]

    def write(self, name: str, rows: Sequence[dict[str, Any]]) -> Path:
        """Rows as JSON lines."""
        path = self.scratch / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    def train(self) -> Path:
        """A small adapter: one pass over some rows."""
        out = self.args.cache / f"adapter-{'banking77' if self.args.data else 'made-up'}-{LEARNT}"
        if not (out / "training.json").is_file():
            print(f"Training a small adapter on {LEARNT} rows", flush=True)
            rows = self.write("train", self.questions("train")[:LEARNT])
            self.child({"side": "train", "base_model": self.model, "rows": str(rows), "out": str(out)})
        return out

    def export(self, adapter: Path) -> Path:
        """The adapter's Q8_0 file."""
        from pipelines.exporters.gguf import adapter_hash

        out = self.args.cache / f"gguf-{str(adapter_hash(str(adapter)))[:16]}"
        if not (out / "export.json").is_file():
            print("Making the Q8_0 file", flush=True)
            self.child({"side": "export", "base_model": self.model, "adapter": str(adapter), "out": str(out)})
        return out / "student-Q8_0.gguf"


def made_up(chance: random.Random, labels: Sequence[str]) -> tuple[str, str]:
    """A question in the words of an intent's name."""
    label = chance.choice(labels)
    words = label.lower().strip("?").split("_")
    if len(words) > 2 and chance.random() < 0.5:
        words.remove(chance.choice(words))
    start = chance.choice(
        ("Hello, I have a question about", "What do I do about", "Please help me with", "Tell me about")
    )
    end = chance.choice(("since last week", "when I was abroad", "with your app", "as soon as possible", "on Monday"))
    return f"{start} {' '.join(words)} {end}?", label


if __name__ == "__main__":
    main()

"""Benchmarks put to a model through ``lm-eval``: ``python -m pipelines.recipes.benchmarks CONFIG.json``.

CONFIG: ``{"base_model": folder, "adapter": folder | null, "label": str, "out": folder, "data": folder, "tasks": [names of
:data:`~pipelines.recipes.benchmark_tasks.TASKS`], "own": jsonl | null, "rows": n, "shots": n, "chat": bool, "batch_size": n, "seed": n,
"threads": n | null}``. ``own`` has lines ``{"id", "question", "choices": [...], "answer": index}``. ``rows`` 0: all, else a seeded sample.

``out`` gets one file a task, whole or not at all, ``{"task", "metric", "total", "keys": [...], "scores": [0 | 1, ...]}``; a second run asks
only the tasks that have none. Two models that are asked with the same ``rows`` and ``seed`` get the same questions, which ``keys`` prove.

The definitions are those inside the package and the data are local files: nothing is fetched, and no code comes with a dataset.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.recipes.benchmark_tasks import OWN, TASKS, PublicTask
from pipelines.recipes.events import Events, RecipeError, run_main
from studio.lib.extras import install_command

OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_EVALUATE_OFFLINE": "1", "TQDM_DISABLE": "1"}
INSTALL = f"Run: {install_command('benchmarks')}, then retry."


def main(config: dict[str, Any], events: Events) -> dict[str, Any]:
    """Ask every task that has no result yet; returns the package's release, tasks, and how many questions were asked."""
    os.environ.update(OFFLINE)
    release = installed()
    if config.get("threads"):
        import torch

        torch.set_num_threads(int(config["threads"]))
    out = Path(config["out"])
    out.mkdir(parents=True, exist_ok=True)
    names = [*config["tasks"], *([OWN] if config.get("own") else [])]
    todo = [name for name in names if not (out / f"{name}.json").is_file()]
    asked = 0
    if todo:
        events.progress(0, None, unit="questions", note=f"{config['label']}: loading")
        model = open_model(config, events)
        for number, name in enumerate(todo):
            events.log(f"{config['label']}: {name}, {number + 1} of {len(todo)}.")
            result = ask(model, name, config)
            write_whole(out / f"{name}.json", result)
            asked += len(result["scores"])
    return {"release": release, "tasks": names, "asked_now": asked}


def installed() -> str:
    """The release of ``lm-eval``. Raises :class:`RecipeError` with the command that installs it."""
    from importlib import metadata

    try:
        return metadata.version("lm_eval")
    except metadata.PackageNotFoundError:
        raise RecipeError(
            "The package lm-eval, which brings the public benchmarks, is not installed.",
            action=INSTALL,
            code="missing_package",
        ) from None


def open_model(config: Mapping[str, Any], events: Events) -> Any:
    """The base model, with the adapter in its weights where there is one, as ``lm-eval`` asks it; it tells how far it is."""
    from lm_eval.models.huggingface import HFLM

    from pipelines.recipes.predict import ChatSpeller, context_length, load_model

    class Told(HFLM):  # type: ignore[misc]
        """HFLM that counts the answers it has looked at."""

        def loglikelihood(self, requests: Any, disable_tqdm: bool = True) -> Any:
            self.set_cache_hook(Counter(events, len(requests), f"{config['label']}: {self.asking}"))
            return super().loglikelihood(requests, disable_tqdm=True)

    path = Path(config["base_model"])
    adapter = Path(config["adapter"]) if config.get("adapter") else None
    model = load_model(path, adapter, precision="auto")
    tokenizer = ChatSpeller(path).tokenizer
    told = Told(
        pretrained=model,
        tokenizer=tokenizer,
        batch_size=int(config.get("batch_size") or 16),
        max_length=context_length(model, tokenizer),
    )
    told.asking = ""
    return told


class Counter:
    """Takes the place of the package's cache: called with each answer that was looked at."""

    def __init__(self, events: Events, total: int, note: str) -> None:
        self.events, self.total, self.note, self.done = events, total, note, 0

    def add_partial(self, attr: str, req: Any, res: Any) -> None:
        """One more."""
        self.done += 1
        self.events.progress(self.done, self.total, unit="answers", note=self.note)


def ask(model: Any, name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Put one task's questions to the model and return the content of its result file."""
    from lm_eval.evaluator import evaluate

    own = name == OWN
    tasks = own_task(config) if own else public_task(TASKS[name], Path(config["data"]), shots=int(config["shots"]))
    [(_, task)] = tasks["tasks"].items()
    total = len(task.eval_docs)
    chosen = sample(total, count=int(config["rows"]), seed=int(config["seed"]))
    metric = TASKS[name].metric if not own else str(task.config.metadata["metric"])
    model.asking = TASKS[name].label if not own else "your questions"
    found = evaluate(
        lm=model,
        task_dict=tasks,
        samples={task.task_name: chosen},
        bootstrap_iters=0,
        log_samples=True,
        apply_chat_template=bool(config.get("chat")),
        fewshot_as_multiturn=bool(config.get("chat")),
    )
    lines = sorted(found["samples"][task.task_name], key=lambda line: line["doc_id"])
    return {
        "task": name,
        "metric": metric,
        "version": str(task.VERSION),
        "total": total,
        "keys": [str(line["doc_hash"]) for line in lines],
        "scores": [round(float(line[metric])) for line in lines],
    }


def sample(total: int, *, count: int, seed: int) -> list[int]:
    """Positions of the questions that are asked, ascending: all for ``count`` 0, else a sample that the seed decides."""
    if not count or count >= total:
        return list(range(total))
    return sorted(random.Random(seed).sample(range(total), count))  # noqa: S311 -- a sample, not a secret


def public_task(told: PublicTask, data: Path, *, shots: int) -> dict[str, Any]:
    """A task as the package defines it, over the Parquet files in its folder below ``data``."""
    import datasets
    import lm_eval.tasks

    tables = read_splits(told.data_folder(data))

    def only_local(path: Any = None, name: Any = None, **_: Any) -> Any:
        if (path, name or "default") != (told.repo, told.config):
            raise RecipeError(
                f"The installed release of lm-eval reads {path} for {told.label}, not {told.repo}.",
                action=INSTALL,
                code="other_release",
            )
        return tables

    theirs = datasets.load_dataset
    datasets.load_dataset = only_local
    try:
        folder = Path(lm_eval.tasks.__file__).parent / told.folder
        manager = lm_eval.tasks.TaskManager(include_path=str(folder), include_defaults=False)
        found = manager.load([told.name])
    except KeyError as problem:
        raise RecipeError(
            f"{told.label} could not be made of its files: {problem} is missing.",
            action="Delete its folder below the data folder's benchmarks, so that it is fetched again, then retry.",
            code="bad_benchmark",
        ) from problem
    finally:
        datasets.load_dataset = theirs
    return set_shots(dict(found), shots)


def read_splits(folder: Path) -> Any:
    """The splits of a dataset from ``<split>/*.parquet``, whole in memory. Raises :class:`RecipeError` when there are none."""
    import datasets
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = {}
    try:
        for split in sorted(p for p in folder.iterdir() if p.is_dir()):
            files = sorted(split.glob("*.parquet"))
            if files:
                table = pa.concat_tables([pq.read_table(file) for file in files])
                found[split.name] = datasets.Dataset(datasets.table.InMemoryTable(table))
    except (OSError, pa.ArrowInvalid) as problem:
        raise RecipeError(
            f"The files of the benchmark in {folder.name} could not be read: {str(problem).splitlines()[0][:200]}",
            action="Delete its folder below the data folder's benchmarks, so that it is fetched again, then retry.",
            code="bad_benchmark",
        ) from problem
    if not found:
        raise RecipeError(
            f"There are no Parquet files in {folder.name}.",
            action="Put them there as <split>/0000.parquet.",
            code="bad_benchmark",
        )
    return datasets.DatasetDict(found)


def own_task(config: Mapping[str, Any]) -> dict[str, Any]:
    """The questions of a file as a task in one fixed shape: nothing in them is read as a template or as code."""
    import datasets
    import lm_eval.tasks

    lines = [json.loads(line) for line in Path(config["own"]).read_text("utf-8").splitlines() if line.strip()]
    table = datasets.Dataset.from_list(lines)
    theirs = datasets.load_dataset
    datasets.load_dataset = lambda *_, **__: datasets.DatasetDict({"test": table})
    try:
        manager = lm_eval.tasks.TaskManager(include_defaults=False)
        same = all(line["choices"] == lines[0]["choices"] for line in lines)
        metric = "acc" if same else "acc_norm"
        definition = {
            "task": OWN,
            "dataset_path": "studio",
            "output_type": "multiple_choice",
            "test_split": "test",
            "doc_to_text": question_of if config.get("chat") else continued,
            "doc_to_choice": choices_of,
            "doc_to_target": answer_of,
            "target_delimiter": "" if config.get("chat") else " ",
            "metric_list": [{"metric": metric, "aggregation": "mean", "higher_is_better": True}],
            "metadata": {"version": 1.0, "metric": metric},
        }
        found = dict(manager.load([definition]))
    finally:
        datasets.load_dataset = theirs
    return set_shots(found, 0)


def question_of(doc: Mapping[str, Any]) -> str:
    """What is asked."""
    return str(doc["question"])


def continued(doc: Mapping[str, Any]) -> str:
    """What is asked, as a text that the answer continues."""
    return f"{doc['question']}\nAnswer:"


def choices_of(doc: Mapping[str, Any]) -> list[str]:
    """The answers to choose from."""
    return [str(choice) for choice in doc["choices"]]


def answer_of(doc: Mapping[str, Any]) -> int:
    """The position of the right one."""
    return int(doc["answer"])


def set_shots(tasks: dict[str, Any], shots: int) -> dict[str, Any]:
    """The tasks with so many worked examples before each question, where the task itself does not forbid them."""
    for task in tasks["tasks"].values():
        if task.get_config("num_fewshot") != 0:
            task.set_config(key="num_fewshot", value=shots)
        task.set_fewshot_seed(seed=1234)
    return tasks


def write_whole(path: Path, value: Mapping[str, Any]) -> None:
    """A file that appears complete or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(value), encoding="utf-8")
    partial.rename(path)


if __name__ == "__main__":
    run_main(main)

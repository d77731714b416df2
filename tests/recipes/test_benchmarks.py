"""Benchmarks through lm-eval, on a tiny real model and files made here: no task and no dataset comes over a network."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from pipelines.recipes import benchmarks
from pipelines.recipes.benchmark_tasks import OWN, TASKS
from pipelines.recipes.events import Events, RecipeError

lm_eval = pytest.importorskip("lm_eval", reason="needs: make extra NAME=benchmarks")

KINDS = ["fruit", "vegetable", "animal", "mineral"]


def arc_docs(count: int) -> list[dict[str, Any]]:
    """Questions in the shape of ARC's files."""
    return [
        {
            "id": f"q{n}",
            "question": f"What is thing {n}?",
            "choices": {"text": KINDS, "label": ["A", "B", "C", "D"]},
            "answerKey": "ABCD"[n % 4],
        }
        for n in range(count)
    ]


def publish(folder: Path, docs: list[dict[str, Any]], *splits: str) -> None:
    """The same Parquet file for each split, as the hub lays them out."""
    for split in splits or ("train", "validation", "test"):
        (folder / split).mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(docs), folder / split / "0000.parquet")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of datasets with twelve questions of ARC."""
    publish(TASKS["arc_easy"].data_folder(tmp_path / "data"), arc_docs(12))
    return tmp_path / "data"


def config(base: Path, data: Path, out: Path, **changes: Any) -> dict[str, Any]:
    """The child's config."""
    told = {"base_model": str(base), "adapter": None, "label": "Base model", "out": str(out), "data": str(data)}
    asked = {"tasks": ["arc_easy"], "own": None, "rows": 0, "shots": 0, "chat": False, "batch_size": 4, "seed": 0}
    return {**told, **asked, "threads": 1, **changes}


def run(values: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The child's result and its events."""
    stream = io.StringIO()
    told = benchmarks.main(values, Events(stream))
    return told, [json.loads(line) for line in stream.getvalue().splitlines()]


def result(out: Path, name: str) -> dict[str, Any]:
    """A result file."""
    return dict(json.loads((out / f"{name}.json").read_text("utf-8")))


def test_a_public_task_is_asked_of_local_files_and_each_question_has_a_score(
    tiny_model_dir: Path, data: Path, tmp_path: Path
) -> None:
    told, events = run(config(tiny_model_dir, data, tmp_path / "out"))
    assert told["asked_now"] == 12
    found = result(tmp_path / "out", "arc_easy")
    assert (found["metric"], found["total"]) == ("acc", 12)
    assert len(set(found["keys"])) == len(found["scores"]) == 12
    assert set(found["scores"]) <= {0, 1}
    # One answer is likeliest for all of these alike questions, so about a quarter is right, and not all or none.
    assert 0 < sum(found["scores"]) < 12
    last = [event for event in events if event["event"] == "progress"][-1]
    assert (last["done"], last["total"], last["note"]) == (48, 48, "Base model: ARC easy")


def test_a_sample_is_the_same_for_two_models_and_another_for_another_seed(
    tiny_model_dir: Path, data: Path, tmp_path: Path
) -> None:
    keys = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run(config(tiny_model_dir, data, tmp_path / name, rows=5, seed=seed))
        keys.append(result(tmp_path / name, "arc_easy")["keys"])
    assert keys[0] == keys[1] != keys[2]
    assert len(keys[0]) == 5


def test_the_score_is_that_of_the_likeliest_answer(tiny_model_dir: Path, data: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    run(config(tiny_model_dir, data, tmp_path / "out"))
    model = AutoModelForCausalLM.from_pretrained(tiny_model_dir, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model_dir)
    right = []
    for doc in arc_docs(12):
        prompt = tokenizer(f"Question: {doc['question']}\nAnswer:", add_special_tokens=False)["input_ids"]
        sums = []
        for kind in KINDS:
            ids = tokenizer(f"Question: {doc['question']}\nAnswer: {kind}", add_special_tokens=False)["input_ids"]
            with torch.inference_mode():
                scores = model(torch.tensor([ids])).logits[0].log_softmax(-1)
            sums.append(sum(float(scores[i - 1, ids[i]]) for i in range(len(prompt), len(ids))))
        right.append(int(sums.index(max(sums)) == "ABCD".index(doc["answerKey"])))
    assert sum(a == b for a, b in zip(result(tmp_path / "out", "arc_easy")["scores"], right, strict=True)) >= 11


@pytest.mark.parametrize(("chat", "asked"), [(False, "{}\nAnswer:"), (True, "{}")])
def test_questions_of_ones_own_are_asked_word_for_word_and_never_read_as_a_template(
    tiny_model_dir: Path, data: Path, tmp_path: Path, chat: bool, asked: str
) -> None:
    own = tmp_path / "own.jsonl"
    text = "Is {{ 7 * 7 }} {% for x in y %} a fruit?"
    lines = [{"id": f"q{n}", "question": f"{text} {n}", "choices": KINDS, "answer": n % 4} for n in range(6)]
    own.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    values = config(tiny_model_dir, data, tmp_path / "out", tasks=[], own=str(own), chat=chat)
    run(values)
    found = result(tmp_path / "out", OWN)
    assert (found["metric"], found["total"], len(found["scores"])) == ("acc", 6, 6)
    [task] = benchmarks.own_task(values)["tasks"].values()
    assert [task.doc_to_text(doc) for doc in task.eval_docs] == [asked.format(line["question"]) for line in lines]


def test_answers_that_differ_from_question_to_question_are_weighed_by_their_length(
    tiny_model_dir: Path, data: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own.jsonl"
    lines = [{"id": str(n), "question": f"{n}?", "choices": [f"yes {n}", "no"], "answer": 0} for n in range(3)]
    own.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    run(config(tiny_model_dir, data, tmp_path / "out", tasks=[], own=str(own)))
    assert result(tmp_path / "out", OWN)["metric"] == "acc_norm"


def test_a_second_run_asks_only_what_has_no_result(tiny_model_dir: Path, data: Path, tmp_path: Path) -> None:
    values = config(tiny_model_dir, data, tmp_path / "out")
    run(values)
    kept = (tmp_path / "out" / "arc_easy.json").read_text("utf-8")
    told, events = run({**values, "base_model": "gone"})
    assert told["asked_now"] == 0
    assert events == []
    assert (tmp_path / "out" / "arc_easy.json").read_text("utf-8") == kept


def test_worked_examples_stand_before_the_question(tiny_model_dir: Path, data: Path, tmp_path: Path) -> None:
    run(config(tiny_model_dir, data, tmp_path / "none"))
    run(config(tiny_model_dir, data, tmp_path / "two", shots=2))
    none, two = (result(tmp_path / name, "arc_easy") for name in ("none", "two"))
    assert none["keys"] == two["keys"]


FIVE = ["fruit", "metal", "bird", "stone", "cloud"]
DOCS: dict[str, dict[str, Any]] = {
    "arc_easy": arc_docs(1)[0],
    "arc_challenge": arc_docs(1)[0],
    "hellaswag": {
        "activity_label": "Cooking",
        "ctx_a": "A man cuts an apple.",
        "ctx_b": "he",
        "endings": ["eats it.", "flies off.", "sings.", "digs."],
        "label": "0",
    },
    "winogrande": {"sentence": "The apple is in the box because _ is big.", "option1": "box", "option2": "apple", "answer": "1"},
    "piqa": {"goal": "Peel an apple", "sol1": "with a knife", "sol2": "with a cloud", "label": 0},
    "boolq": {"passage": "An apple is a fruit.", "question": "is an apple a fruit", "label": 1},
    "copa": {
        "premise": "The apple fell.",
        "question": "cause",
        "choice1": "The wind blew.",
        "choice2": "It was red.",
        "label": 0,
    },
    "openbookqa": {"question_stem": "An apple is a", "choices": {"text": KINDS, "label": ["A", "B", "C", "D"]}, "answerKey": "A"},
    "sciq": {
        "support": "An apple is a fruit.",
        "question": "What is it?",
        "distractor1": "animal",
        "distractor2": "mineral",
        "distractor3": "metal",
        "correct_answer": "fruit",
    },
    "commonsense_qa": {"question": "What is an apple?", "choices": {"text": FIVE, "label": list("ABCDE")}, "answerKey": "A"},
    "truthfulqa_mc1": {"question": "What is an apple?", "mc1_targets": {"choices": ["A fruit", "A cloud"], "labels": [1, 0]}},
    "lambada_openai": {"text": "the message is a fruit"},
}  # fmt: skip
"""A question of every task in the shape of its dataset."""


def test_every_task_of_the_table_can_be_asked(tiny_model_dir: Path, tmp_path: Path) -> None:
    assert DOCS.keys() == TASKS.keys()
    for name, doc in DOCS.items():
        publish(TASKS[name].data_folder(tmp_path / "data"), [doc, doc])
    run(config(tiny_model_dir, tmp_path / "data", tmp_path / "out", tasks=list(TASKS)))
    for name, task in TASKS.items():
        found = result(tmp_path / "out", name)
        assert (found["metric"], len(found["scores"])) == (task.metric, 2)
        assert set(found["scores"]) <= {0, 1}


@pytest.mark.parametrize("damage", ["missing", "no split", "no files", "broken"])
def test_data_that_cannot_be_read_are_the_operators_to_mend(
    tiny_model_dir: Path, data: Path, tmp_path: Path, damage: str
) -> None:
    folder = TASKS["arc_easy"].data_folder(data)
    if damage == "missing":
        shutil.rmtree(folder)
    elif damage == "no files":
        for file in folder.glob("*/*.parquet"):
            file.unlink()
    elif damage == "no split":
        shutil.rmtree(folder / "test")
    else:
        (folder / "test" / "0000.parquet").write_bytes(b"no parquet")
    with pytest.raises(RecipeError) as problem:
        run(config(tiny_model_dir, data, tmp_path / "out"))
    assert problem.value.code == "bad_benchmark"
    assert "0000.parquet" in problem.value.action or "fetched again" in problem.value.action


def test_without_the_package_the_command_that_installs_it_is_said(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib import metadata

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    with pytest.raises(RecipeError, match="not installed") as problem:
        run(config(tmp_path, data, tmp_path / "out"))
    assert "make extra NAME=benchmarks" in problem.value.action


class Loader(yaml.SafeLoader):
    """Reads task definitions without running what they name."""


Loader.add_constructor("!function", lambda loader, node: f"function {node.value}")


def definition(path: Path) -> dict[str, Any]:
    """A task's definition with what it includes."""
    own: dict[str, Any] = yaml.load(path.read_text("utf-8"), Loader)
    shared = own.get("include")
    return {**(definition(path.parent / shared) if shared else {}), **own}


@pytest.mark.parametrize("name", TASKS)
def test_the_table_agrees_with_the_installed_package(name: str) -> None:
    task = TASKS[name]
    paths = (Path(lm_eval.__file__).parent / "tasks" / task.folder).rglob("*.yaml")
    [told] = [found for path in paths if (found := definition(path)).get("task") == name]
    assert told["dataset_path"] == task.repo
    assert (told.get("dataset_name") or "default") == task.config
    assert told["output_type"] in ("multiple_choice", "loglikelihood")
    assert task.metric in {metric["metric"] for metric in told["metric_list"]}
    assert "class" not in told
    assert not told.get("unsafe_code")
    assert not (told.get("dataset_kwargs") or {}).get("trust_remote_code")

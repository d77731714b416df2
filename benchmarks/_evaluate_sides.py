"""One measurement of ``benchmarks/evaluate.py``: ours, or one of the others. Run by it, each in a process of its own."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

NEW_TOKENS = 24
END = "<|im_end|>"
ECHOED = 2


def read(path: Path | str) -> list[dict[str, Any]]:
    """The rows of a JSON-lines file."""
    return [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]


def now() -> tuple[float, float]:
    """The time on the wall and this process's processor time, in seconds."""
    return time.perf_counter(), time.process_time()


def found(count: int, seconds: float, work: float, answers: dict[str, str], **more: Any) -> dict[str, Any]:
    """What a measurement found: ``rate`` in rows a second, ``work`` in processor seconds a row."""
    return {
        "count": count,
        "seconds": seconds,
        "rate": count / seconds,
        "work": work / count,
        "answers": answers,
        **more,
    }


def timed(count: int, began: tuple[float, float], answers: dict[str, str], **more: Any) -> dict[str, Any]:
    """What a measurement that ends now found."""
    wall, processor = now()
    return found(count, wall - began[0], processor - began[1], answers, **more)


def silent() -> Any:
    """Events that nobody reads."""
    from pipelines.recipes.events import Events

    return Events(Path(os.devnull).open("w"))


def resolve_model(config: dict[str, Any]) -> dict[str, Any]:
    """The embedded model's folder."""
    from pipelines.recipes.base_models import resolve

    return {"path": str(resolve("embedded:smollm2-135m-instruct", cache_dir=Path(config["cache"])).path)}


def train(config: dict[str, Any]) -> dict[str, Any]:
    """The recipe over the rows, once."""
    from pipelines.recipes import train as recipe

    base = {"path": config["base_model"], "ref": "benchmark", "revision": "benchmark", "files": {}}
    params = {"learning_rate": 2e-3, "rows_per_step": 16, "threads": config["threads"]}
    with tempfile.TemporaryDirectory() as work:
        told = {"base_model": base, "train": config["rows"], "out": config["out"], "work": work, "params": params}
        return {"loss": recipe.main(told, silent()).get("loss")}


def export(config: dict[str, Any]) -> dict[str, Any]:
    """The exporter's Q8_0 file."""
    from pipelines.exporters import gguf

    with tempfile.TemporaryDirectory() as work:
        base = {"path": config["base_model"], "ref": "benchmark", "revision": "benchmark"}
        gguf.main({**config, "base_model": base, "work": work, "name": "student", "quantisations": ["Q8_0"]}, silent())
    return {}


def predict_hf(config: dict[str, Any]) -> dict[str, Any]:
    """Our recipe on the adapter."""
    from pipelines.recipes import predict

    return ours(predict.main(config, silent()))


def predict_gguf(config: dict[str, Any]) -> dict[str, Any]:
    """Our recipe on the file."""
    from pipelines.exporters import gguf_predict

    return ours(gguf_predict.main(config, silent()))


def ours(result: dict[str, Any]) -> dict[str, Any]:
    """A recipe's own numbers: its seconds begin when the model is loaded and end with the last line on the disk."""
    return found(result["rows"], result["seconds"], result["processor_seconds"], {})


def load(config: dict[str, Any]) -> tuple[Any, Any, list[tuple[str, str]]]:
    """Model, tokenizer and ``(id, prompt as text)`` of the rows, for the others on torch."""
    import torch

    from pipelines.recipes.predict import load_model
    from pipelines.recipes.train import load_chat

    torch.set_num_threads(config["threads"])
    path = Path(config["base_model"])
    chat = load_chat(path)
    prompts = [(row["id"], chat.prompt_text(row["prompt"])) for row in read(config["rows"])]
    return load_model(path, Path(config["adapter"]), precision="float32"), chat.tokenizer, prompts


def generate(config: dict[str, Any]) -> dict[str, Any]:
    """``model.generate`` as its documentation shows it, in batches padded on the left, similar lengths together."""
    import torch

    model, tokenizer, prompts = load(config)
    tokenizer.padding_side = "left"
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    answers: dict[str, str] = {}
    began = now()
    prompts.sort(key=lambda prompt: len(prompt[1]))
    with torch.inference_mode():
        for first in range(0, len(prompts), config["batch"]):
            part = prompts[first : first + config["batch"]]
            inputs = tokenizer([text for _, text in part], return_tensors="pt", padding=True, add_special_tokens=False)
            out = model.generate(
                **inputs, max_new_tokens=NEW_TOKENS, do_sample=False, pad_token_id=tokenizer.pad_token_id
            )
            texts = tokenizer.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
            answers |= {key: text for (key, _), text in zip(part, texts, strict=True)}
    return timed(len(prompts), began, answers)


def loglikelihood(config: dict[str, Any]) -> dict[str, Any]:
    """Every label after every whole prompt, by lm-eval's model class or as it does it."""
    model, tokenizer, prompts = load(config)
    pairs = [(text, label + END) for _, text in prompts for label in config["labels"]]
    try:
        from lm_eval.api.instance import Instance
        from lm_eval.models.huggingface import HFLM
    except ImportError:
        began = now()
        scored, how = list(padded_loglikelihoods(model, tokenizer, pairs, config["batch"])), "as lm-eval does it"
    else:
        judge = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=config["batch"], device="cpu")
        asked = [Instance("loglikelihood", {}, pair, index) for index, pair in enumerate(pairs)]
        began = now()
        scored, how = [score for score, _ in judge.loglikelihood(asked, disable_tqdm=True)], "lm-eval"
    return timed(len(prompts), began, best_labels(prompts, config["labels"], scored), how=how)


def padded_loglikelihoods(model: Any, tokenizer: Any, pairs: list[tuple[str, str]], batch: int) -> Iterator[float]:
    """Summed log-probabilities of continuations, each batch padded on the right, the longest first."""
    import torch

    encoded = []
    for context, continuation in pairs:
        ids = tokenizer.encode(context + continuation, add_special_tokens=False)
        encoded.append((ids, len(ids) - len(tokenizer.encode(context, add_special_tokens=False))))
    order = sorted(range(len(pairs)), key=lambda i: -len(encoded[i][0]))
    scores = [0.0] * len(pairs)
    with torch.inference_mode():
        for first in range(0, len(order), batch):
            part = order[first : first + batch]
            longest = max(len(encoded[i][0]) for i in part)
            ids = torch.tensor([encoded[i][0] + [0] * (longest - len(encoded[i][0])) for i in part])
            logprobs = torch.log_softmax(model(input_ids=ids).logits, dim=-1)
            for place, i in enumerate(part):
                tokens, own = encoded[i]
                at = torch.arange(len(tokens) - own - 1, len(tokens) - 1)
                scores[i] = float(logprobs[place, at, torch.tensor(tokens[-own:])].sum())
    yield from scores


def best_labels(prompts: Sequence[tuple[str, str]], labels: Sequence[str], scores: Sequence[float]) -> dict[str, str]:
    """The likeliest label of every prompt."""
    found = {}
    for number, (key, _) in enumerate(prompts):
        own = scores[number * len(labels) : (number + 1) * len(labels)]
        found[key] = labels[max(range(len(labels)), key=lambda i: own[i])]
    return found


def open_file(config: dict[str, Any], **options: Any) -> tuple[Any, list[tuple[str, str]]]:
    """The file in llama-cpp-python, and ``(id, prompt as text)`` of the rows by its own template."""
    import llama_cpp

    from pipelines.exporters import llama
    from pipelines.exporters.gguf_predict import FileSpeller

    chat = FileSpeller(llama.Model(Path(config["gguf"]), vocab_only=True)).chat
    prompts = [(row["id"], chat.prompt_text(row["prompt"])) for row in read(config["rows"])]
    threads = config["threads"]
    model = llama_cpp.Llama(
        config["gguf"], n_ctx=2048, n_threads=threads, n_threads_batch=threads, verbose=False, **options
    )
    return model, prompts


def completion(config: dict[str, Any]) -> dict[str, Any]:
    """A loop over ``create_completion``. ``empty``: forget the row before first."""
    model, prompts = open_file(config)
    answers = {}
    began = now()
    for key, text in prompts:
        if config["empty"]:
            model.reset()
        answers[key] = model.create_completion(text, max_tokens=NEW_TOKENS, temperature=0.0)["choices"][0]["text"]
    return timed(len(prompts), began, answers)


def echo(config: dict[str, Any]) -> dict[str, Any]:
    """What lm-eval asks a llama.cpp server for: a label after the prompt, echoed with its log-probabilities.

    A few labels of each row are timed, after one that is not (it reads the prompt); a row is 77 of them.
    """
    model, prompts = open_file(config, logits_all=True)
    labels = config["labels"]
    spent = work = 0.0
    for _, text in prompts:
        for number, label in enumerate(labels[: 1 + ECHOED]):
            began = now()
            model.create_completion(text + label + END, max_tokens=1, temperature=0.0, echo=True, logprobs=10)
            if number:
                wall, processor = now()
                spent, work = spent + wall - began[0], work + processor - began[1]
    times = len(labels) / ECHOED
    return found(len(prompts), spent * times, work * times, {}, how=f"{ECHOED} of {len(labels)} labels timed")


def scores(config: dict[str, Any]) -> dict[str, Any]:
    """Every label read after the prompt, which is kept, and its log-probability taken from ``Llama.scores``, one by one."""
    import numpy as np

    model, prompts = open_file(config, logits_all=True)
    scored = []
    began = now()
    for _, text in prompts:
        model.reset()
        context = model.tokenize(text.encode(), add_bos=False, special=True)
        model.eval(context)
        for label in config["labels"]:
            own = model.tokenize((text + label + END).encode(), add_bos=False, special=True)[len(context) :]
            model.n_tokens = len(context)
            model.eval(own)
            logits = model.scores[len(context) - 1 : len(context) + len(own) - 1].astype(np.float64)
            top = logits.max(-1, keepdims=True)
            totals = top[:, 0] + np.log(np.exp(logits - top).sum(-1))
            scored.append(float((logits[np.arange(len(own)), own] - totals).sum()))
    return timed(len(prompts), began, best_labels(prompts, config["labels"], scored))


SIDES = {
    "model": resolve_model,
    "train": train,
    "export": export,
    "ours_hf": predict_hf,
    "ours_gguf": predict_gguf,
    "generate": generate,
    "loglikelihood": loglikelihood,
    "completion": completion,
    "echo": echo,
    "scores": scores,
}

"""What is distilled meanwhile: a run of every step there is, each a few seconds long, and a teacher that answers it."""

from __future__ import annotations

import hashlib
import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

from studio.registries import STEPS
from tests.journeys.students import THINGS

SAMPLES = 2
CONCURRENCY = 4
PROMPTS = 60
KIND_OF = {name: kind for kind, names in THINGS.items() for name in names}


def answer(request: dict[str, Any]) -> str:
    """A teacher that knows its things and says them as JSON, and a judge that is content with what it reads; it is wrong now and then, as they are."""
    said = json.dumps(request["messages"])
    if "first answer" in said and "strict, fair grader" in said:
        return json.dumps({"reason": "Both name a kind.", "winner": "tie"})
    if "strict, fair grader" in said:
        return json.dumps(
            {"reason": "It names the kind.", "score": 3 + int(hashlib.sha256(said.encode()).hexdigest(), 16) % 3}
        )
    if "You write new messages" in said:
        seed = hashlib.sha256(said.encode()).hexdigest()
        return json.dumps([f"Tell me {seed[n : n + 9]} what {seed[n + 9 : n + 18]} may be" for n in range(0, 45, 9)])
    question = str(request["messages"][-1]["content"])
    name = next((word for word in re.findall("[a-z]+", question) if word in KIND_OF), "")
    return json.dumps(KIND_OF.get(name, "bird"))


def spec(student: Path, *, teacher_url: str, round_: int) -> dict[str, Any]:
    """Every step of the registry in one graph. Each round asks the teacher something new, so that nothing is reused from another."""
    teacher = {
        "teacher": "openai_compatible",
        "model": "small",
        "base_url": f"{teacher_url}/v1",
        "concurrency": CONCURRENCY,
    }
    steps: list[tuple[str, str, dict[str, Any]]] = [
        ("data", "dataset", {"dataset": "things"}),
        (
            "teacher",
            "generate",
            {**teacher, "samples": SAMPLES, "temperature": 0.7, "system_prompt": f"Round {round_}: name the kind."},
        ),
        ("voted", "agreement", {}),
        ("json", "filter_json", {}),
        ("judged", "judge", teacher),
        ("redacted", "redact_pii", {}),
        ("refusals", "filter_refusals", {}),
        ("words", "filter_regex", {"pattern": '^"[a-z]+"$'}),
        ("unique", "dedupe_exact", {}),
        ("near", "dedupe_near", {"threshold": 1.0}),
        ("lengths", "filter_length", {}),
        ("labels", "allowed_labels", {}),
        ("balanced", "balance", {}),
        ("sampled", "sample", {"share": 0.95, "size": None}),
        ("split", "split", {"validation": 0.1, "test": 0.2, "seed": round_}),
        ("joined", "join", {}),
        ("nearest", "nearest_rows", {"count": 1_000}),
        (
            "more",
            "more_like_these",
            {**teacher, "count": 5, "at_once": 5, "answers": "as the examples'", "seed": round_},
        ),
        ("widened", "join", {}),
        ("guarded", "leakage_guard", {"threshold": 1.0}),
        (
            "student",
            "train",
            {
                "base_model": f"folder:{student}",
                "rows_per_step": 8,
                "epochs": 20,
                "save_every": 10,
                "learning_rate": 0.003,
                "seed": round_,
            },
        ),
        (
            "others",
            "ask_model",
            {**teacher, "system_prompt_mode": "replace", "system_prompt": f"Second round {round_}: kind?"},
        ),
        ("forgotten", "public_benchmarks", {"tasks": [], "rows": 4}),
        ("report", "evaluate", {"max_new_tokens": 4, "latency_rows": 1}),
        ("graded", "judge_answers", {**teacher, "rows": 4}),
        ("model", "export_gguf", {"quantisations": ["Q8_0"]}),
    ]
    chain = [
        "teacher",
        "voted",
        "json",
        "judged",
        "redacted",
        "refusals",
        "words",
        "unique",
        "near",
        "lengths",
        "labels",
        "balanced",
    ]
    chain += ["sampled", "split"]
    edges = [("data.rows", "teacher.rows")]
    edges += [(f"{a}.rows", f"{b}.rows") for a, b in pairwise(chain)]
    edges += [
        ("split.train", "joined.rows"),
        ("split.validation", "joined.more"),
        ("split.train", "more.rows"),
        ("split.test", "more.held_out"),
        ("joined.rows", "nearest.rows"),
        ("split.validation", "nearest.like"),
        ("nearest.rows", "widened.rows"),
        ("more.rows", "widened.more"),
        ("widened.rows", "guarded.train"),
        ("split.test", "guarded.test"),
        ("guarded.train", "student.train"),
        ("split.validation", "student.validation"),
        ("split.test", "report.rows"),
        ("split.test", "others.rows"),
        ("others.answers", "report.others"),
        ("guarded.train", "report.train"),
        ("student.adapter", "report.student"),
        ("student.adapter", "forgotten.student"),
        ("split.test", "forgotten.questions"),
        ("forgotten.benchmarks", "report.benchmarks"),
        ("report.report", "graded.report"),
        ("student.adapter", "model.student"),
        ("split.test", "model.rows"),
    ]
    return {
        "schema": 1,
        "nodes": [{"id": node, "step": step, "params": params} for node, step, params in steps],
        "edges": [{"from": source, "to": target} for source, target in edges],
    }


def missing_steps(document: dict[str, Any]) -> set[str]:
    """Steps of the registry that the spec does not have: those that wait for a person are none of its business."""
    return set(STEPS) - {node["step"] for node in document["nodes"]} - {"review_gate"}

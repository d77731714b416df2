"""Small steps for tests of the machinery: real steps with real artifacts that do little work."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from pipelines.steps.base import Context, InputArtifact, Output, Port, Step, StepResult
from studio.lib.errors import StepError, WaitForPerson
from studio.lib.params import BaseParams, param
from vault.rows import Row, assistant, read_rows, write_rows

CALLS: list[str] = []
"""Names of the steps that really ran, in order."""


class Source(Step):
    """Makes ``count`` rows out of nothing."""

    label = "Source"
    group = "Data"
    outputs = {"rows": Port("dataset")}

    class Params(BaseParams):
        """How many."""

        count: int = param(3, label="Count", ge=1)
        threads: int = param(1, label="Threads")

    unfingerprinted = frozenset({"threads"})

    def run(self, ctx: Context, params: Any, inputs: Mapping[str, InputArtifact]) -> StepResult:
        """Write them."""
        CALLS.append("source")
        rows = (Row(id=f"r{i}", prompt=[{"role": "user", "content": f"q{i}"}]) for i in range(params.count))
        write_rows(ctx.scratch / "out", rows)
        return StepResult({"rows": Output(ctx.scratch / "out")}, {"headline": f"{params.count} rows made"})


class Answer(Step):
    """Answers every row with ``text``; misbehaves as ``fault`` says."""

    label = "Answer"
    group = "Teacher"
    inputs = {"rows": Port("dataset", "rows to answer")}
    outputs = {"rows": Port("dataset")}

    class Params(BaseParams):
        """What to say, and how to fail."""

        text: str = param("yes", label="Text")
        fault: str = param("", label="Fault")
        cap: float = param(1.0, label="Cap")

    def run(self, ctx: Context, params: Any, inputs: Mapping[str, InputArtifact]) -> StepResult:
        """Answer, or fail in the named way."""
        CALLS.append("answer")
        marker = ctx.scratch / "tries"
        tries = int(marker.read_text()) + 1 if marker.exists() else 1
        marker.write_text(str(tries))
        match params.fault:
            case "user":
                raise StepError("The teacher said 401.", action="Check the key.")
            case "once" if tries == 1:
                raise StepError("The teacher is busy.", action="Wait.", retryable=True)
            case "always":
                raise StepError("The teacher is down.", action="Start it.", retryable=True)
            case "bug":
                raise ZeroDivisionError("division by zero")
            case "cap" if params.cap < 5:
                raise WaitForPerson("The cost cap of 1 USD is reached.", action="Raise the cap or stop.")
            case "slow":
                for i in range(600):
                    ctx.progress(i, 600)
                    time.sleep(0.05)
        rows = [
            Row(id=r.id, prompt=r.prompt, completion=assistant(params.text)) for r in read_rows(inputs["rows"].path)
        ]
        write_rows(ctx.scratch / "out", rows)
        return StepResult({"rows": Output(ctx.scratch / "out", {"rows": len(rows)})}, {"rows": len(rows)})


TABLE = {"source": "tests.pipelines.toys:Source", "answer": "tests.pipelines.toys:Answer"}


def chain(**answer_params: Any) -> dict[str, Any]:
    """A spec of a source and an answer."""
    return {
        "schema": 1,
        "nodes": [
            {"id": "make", "step": "source", "params": {}},
            {"id": "say", "step": "answer", "params": answer_params},
        ],
        "edges": [{"from": "make.rows", "to": "say.rows"}],
    }

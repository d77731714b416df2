"""A desk to try a step on: rows in, rows out, in a folder of its own, without a database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.steps.base import InputArtifact, Step, StepResult
from vault.rows import Row, assistant, prompt_id, read_rows, write_rows


@dataclass
class Desk:
    """A ``Context`` that keeps what it was told."""

    scratch: Path
    workspace_id: Any = None
    step_run_id: Any = None
    asks_anew_after: int | None = None
    seed: int = 0
    reports: list[tuple[int, int | None]] = field(default_factory=list)
    beats: int = 0

    def progress(self, done: int, total: int | None = None, *, unit: str = "rows", note: str = "") -> None:
        self.reports.append((done, total))

    def log(self, message: str) -> None: ...

    def metric(self, name: str, value: float, *, at: int) -> None: ...

    def beat(self) -> None:
        self.beats += 1

    def run_child(
        self, module: str, config: Mapping[str, Any], on_event: Callable[[dict[str, Any]], None] | None = None
    ) -> dict[str, Any]:
        raise AssertionError("Curation steps start no child.")


@dataclass(frozen=True)
class Outcome:
    """What a step left: its result, and the rows of each output."""

    result: StepResult
    desk: Desk

    def rows(self, port: str = "rows") -> list[Row]:
        return list(read_rows(self.result.outputs[port].path))

    @property
    def summary(self) -> Mapping[str, Any]:
        return self.result.summary


def try_step(step: Step, rows: Iterable[Row], *, folder: Path, meta: Mapping[str, Any] = {}, **params: Any) -> Outcome:
    """Run a step with one input port ``rows`` on these rows."""
    count = write_rows(folder / "input", rows)
    assert count >= 0
    desk = Desk(folder / "scratch")
    desk.scratch.mkdir()
    given = {"rows": InputArtifact("0" * 64, "dataset", folder / "input", meta)}
    return Outcome(step.run(desk, type(step).Params(**params), given), desk)


def row(text: str, answer: str | None = None, *, reference: str | None = None, system: str = "", id: str = "") -> Row:
    """A row with one user message."""
    prompt: list[Any] = [{"role": "system", "content": system}] if system else []
    prompt.append({"role": "user", "content": text})
    return Row(
        id=id or prompt_id(prompt),
        prompt=prompt,
        completion=None if answer is None else assistant(answer),
        reference=None if reference is None else assistant(reference),
    )

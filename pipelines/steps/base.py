"""What a step is. Everything else about it (palette entry, form, validation, progress, cancel, reuse) is derived from this."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from studio.lib.params import BaseParams

Kind = Literal["dataset", "adapter", "report", "gguf", "answers", "benchmarks"]
Queue = Literal["cpu", "gpu", "io"]


INCOMPLETE = "incomplete"
"""The name in a step's summary under which it says that another try may bring more; see :class:`StepResult`."""


@dataclass(frozen=True)
class Port:
    """One input or output: the kind of artifact it carries, and what it means in a few words."""

    kind: Kind
    help: str = ""
    optional: bool = False


@dataclass(frozen=True)
class InputArtifact:
    """A published, immutable artifact: ``path`` is its folder (read only), ``meta`` what its step said of it."""

    sha: str
    kind: Kind
    path: Path
    meta: Mapping[str, Any]


@dataclass(frozen=True)
class Output:
    """A folder in the scratch area that is ready to be published, and what to remember of it."""

    path: Path
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StepResult:
    """Output port → folder, and the numbers the run page shows (``rows_in``, ``rows_kept``, ``dropped``, ``cost_usd``…).

    A summary that is true under ``INCOMPLETE`` says that the outputs lack something for a passing reason (a provider's
    trouble, a cost cap): the success stands, but a later run does the step again instead of reusing it.
    """

    outputs: Mapping[str, Output]
    summary: Mapping[str, Any] = field(default_factory=dict)


class Context(Protocol):
    """What a running step may ask of the Studio. Implemented by ``pipelines.running.context.StepContext``."""

    @property
    def scratch(self) -> Path:
        """A private folder that survives retries of this step, for checkpoints and half-made outputs."""

    @property
    def workspace_id(self) -> Any: ...

    @property
    def seed(self) -> int: ...

    def progress(self, done: int, total: int | None = None, *, unit: str = "rows", note: str = "") -> None:
        """Say how far this is. Also the heartbeat: raises ``Cancelled`` or ``LeaseLost``."""

    def log(self, message: str) -> None:
        """Add a line to the step's log (never a secret)."""

    def metric(self, name: str, value: float, *, at: int) -> None:
        """Record a point of a live curve."""

    @property
    def step_run_id(self) -> Any: ...

    @property
    def asks_anew_after(self) -> int | None:
        """The last teacher call that is not to be used, for somebody wants the teacher asked anew; None: all may be."""

    def beat(self) -> None:
        """The heartbeat alone, for long work without a count."""

    def run_child(
        self, module: str, config: Mapping[str, Any], on_event: Callable[[dict[str, Any]], None] | None = None
    ) -> dict[str, Any]:
        """Run ``python -m module`` in its own process group and return its ``result`` event; progress, metric and log
        events are handled already. See ``pipelines.running.child``."""


class Step:
    """Base class of all steps. Subclasses set the class variables, declare ``Params`` and implement :meth:`run`."""

    label: ClassVar[str]
    group: ClassVar[str]
    """Palette heading: Data, Teacher, Curation, Training, Evaluation, Export."""
    version: ClassVar[int] = 1
    """Raise it when the same params and inputs would now give other outputs: results are then not reused."""
    queue: ClassVar[Queue] = "cpu"
    max_attempts: ClassVar[int] = 3
    inputs: ClassVar[Mapping[str, Port]] = {}
    outputs: ClassVar[Mapping[str, Port]] = {}

    unfingerprinted: ClassVar[frozenset[str]] = frozenset()
    """Params that change how the work is done but not what comes out (threads, concurrency, time-outs, cost caps)."""

    asks: ClassVar[tuple[str, ...]] = ()
    """Params a person may change when the step waits for a decision."""
    help: ClassVar[str] = ""
    """One or two sentences above the step's form: what it does, and why one would want it."""

    class Params(BaseParams):
        """A step without parameters."""

    @classmethod
    def upgrade_params(cls, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Params as specs of earlier versions of this step wrote them, with the names and values of this one.

        Called whenever a spec is read, so it leaves params of the present version as they are. A renamed parameter: take the
        old name's value where the new name is not given. What is unknown stays, to be reported.
        """
        return params

    def resolve(self, params: Any, *, workspace_id: Any) -> dict[str, Any]:
        """Facts from outside the params that decide the output (dataset version hash, model revision, recorded file).

        They are part of the fingerprint and are stored with the step run. Called when the step starts.
        """
        return {}

    def expect(self, params: Any, *, rows: int) -> Mapping[str, int]:
        """Output port → about how many of ``rows`` incoming rows it will hold, for the ports where that can be told before."""
        return {}

    def count_rows(self, rows: Mapping[str, int | None]) -> int | None:
        """How many rows the step works on, of those its input ports bring (None: that can't be told before): those of the first
        port that brings a dataset, or of the first at all."""
        datasets = [port for port, it in self.inputs.items() if it.kind == "dataset"]
        told = (rows.get(port) for port in (*datasets, *self.inputs))
        return next((count for count in told if count is not None), None)

    def effort(self, params: Any, *, rows: int) -> float:
        """How much work so many rows make under these params, in any unit: an earlier run's time is scaled by it."""
        return float(rows)

    def count_questions(self, params: Any, *, rows: int) -> int:
        """About how many questions to a paid model so many incoming rows make; for the estimate of what they will cost."""
        return rows * int(getattr(params, "samples", 1) or 1)

    def advise(self, params: Any, *, rows: Mapping[str, int | None], workspace_id: Any) -> list[str]:
        """What is worth knowing before a run, in whole sentences. ``rows``: input port → about how many rows it will bring,
        None where that can't be told. Called often, with params that are valid: looks at the database at most."""
        return []

    def run(self, ctx: Context, params: Any, inputs: Mapping[str, InputArtifact]) -> StepResult:
        """Do the work. Raises ``StepError`` for what the user can mend, ``WaitForPerson`` to hand over to a person."""
        raise NotImplementedError

    def decide_url(self, step_run: Any) -> str:
        """Address of the page on which a person decides while this step waits; blank: on the step's own page."""
        return ""

    def record(self, step_run: Any, result: StepResult) -> None:
        """Write the step's own rows (scores, say) in the transaction that marks it succeeded."""

    def put_aside(self, step_run: Any) -> None:
        """Keep the step's own rows (scores, say) beside those to come: it is set back to be done again. Same transaction."""

"""Hold a run until the team has signed its report."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.urls import reverse

from pipelines.models import StepRun
from pipelines.steps import base
from pipelines.steps.base import Context, InputArtifact, Output, Port, StepResult
from studio.lib.errors import StepError, WaitForPerson

PASSED = {
    "report": Port("report", "The report that was signed"),
    "student": Port("adapter", "The trained student, as it came in", optional=True),
    "rows": Port("dataset", "Rows, as they came in", optional=True),
    "gguf": Port("gguf", "Model files, as they came in", optional=True),
}


class ReviewGate(base.Step):
    """Waits until the report is signed off, without holding a worker, and passes on what it guards.

    Whatever is wired behind it (an export, say) runs only once the team has approved. A rejection ends the run with its
    reason. Requested changes keep it waiting.
    """

    label = "Review gate"
    group = "Review"
    help = (
        "Holds the run until the team has approved the report by the workspace's rules. Wire through it what must not go on "
        "unsigned: the student on its way to the export, for example."
    )
    inputs = {
        "report": Port("report", "The report to sign"),
        "student": Port("adapter", "The trained student, passed on", optional=True),
        "rows": Port("dataset", "Rows, passed on", optional=True),
        "gguf": Port("gguf", "Model files, passed on", optional=True),
    }
    outputs = PASSED

    def resolve(self, params: Any, *, workspace_id: Any) -> dict[str, Any]:
        """A name of its own for each try: a gate is never opened by an earlier run's signature that may be void since."""
        return {"asked": uuid.uuid4().hex}

    def decide_url(self, step_run: Any) -> str:
        """The sign-off that it waits for."""
        from evaluation.signoff.waiting import card_of

        card = card_of(step_run)
        return reverse("sign_off", args=[step_run.run.workspace.slug, card.pk]) if card else ""

    def run(self, ctx: Context, params: Any, inputs: Mapping[str, InputArtifact]) -> StepResult:
        from evaluation.models import SignOffState
        from evaluation.signoff import reading, records, settling
        from evaluation.signoff.waiting import card_of

        gate = StepRun.objects.select_related("run__workspace").get(pk=ctx.step_run_id)
        check_wiring(gate, inputs)
        card = card_of(gate)
        if card is None:
            raise StepError(
                "The report that came in was not made by an Evaluate step, so there is nothing to sign.",
                action="Wire an Evaluate step's report into this gate.",
            )
        found = reading.newest(card)
        if found is not None:
            settling.settle(found)
        if found is not None and found.state == SignOffState.REJECTED:
            said = found.decisions.filter(current=True, verdict="reject").order_by("-number").first()
            who, why = (said.name, said.reason) if said else ("The team", "")
            raise StepError(
                f"{who} rejected the report: {why}",
                action="Change what was found wrong and start a new run; or ask for a new sign-off and retry this step.",
            )
        if found is None or found.state != SignOffState.APPROVED:
            found = records.ask(card, by=None)
        if found.state != SignOffState.APPROVED:
            raise WaitForPerson(
                f"The report of run {card.step_run.run.number} waits for the team's sign-off.",
                action="It goes on by itself once the report is approved.",
            )
        names = [d.name for d in found.decisions.filter(current=True, verdict="approve")]
        ctx.log(f"Signed off by {', '.join(names)} (sign-off {found.number}, {found.digest[:12]}).")
        alone = " alone" if found.alone else ""
        return StepResult(
            {port: Output(artifact.path, artifact.meta) for port, artifact in inputs.items()},
            {
                "headline": f"Signed off by {', '.join(names)}{alone}.",
                "sign_off": found.number,
                "signed": found.digest,
            },
        )


def check_wiring(gate: StepRun, inputs: Mapping[str, InputArtifact]) -> None:
    """Raise ``StepError`` when a later step waits for something that does not come into this gate."""
    for later in gate.run.steps.all():
        for source in later.wiring.values():
            if source["node"] == gate.node and source["port"] not in inputs:
                raise StepError(
                    f"“{later.node}” takes “{source['port']}” from this gate, but nothing is wired into it here.",
                    action=f"Wire something into the gate's input “{source['port']}”, and start a new run.",
                )

"""Keep held-back rows, and whatever comes from them, out of training."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from pydantic import field_validator

from pipelines.models import StepRun
from pipelines.steps import base, sieve
from pipelines.steps.base import Context, InputArtifact, Port, StepResult
from pipelines.steps.dataset import find_version
from pipelines.steps.leakage import KINDS, HeldBack, Leak, Source, find_leaks, tie_families
from pipelines.steps.sieve import Verdict
from studio.lib.errors import StepError
from studio.lib.params import BaseParams, param
from vault import store
from vault.models import Artifact, ArtifactKind, DatasetVersion
from vault.rows import count_rows, read_rows

EXAMPLES = 3
"""Examples of each kind in the step's summary."""


class LeakageGuard(base.Step):
    """Compares the training rows with the validation rows, the test rows and every version marked as held out.

    A row may not be trained on when its prompt is the same, the same but for case, spaces and signs, or nearly the same; when
    it was made from a held-back row, or both were made from one row; or when both belong to one conversation.
    """

    label = "Leakage guard"
    group = "Curation"
    help = (
        "A student that has seen the test questions looks better than it is. This keeps held-back rows, copies of them and "
        "rows made from them out of training. Put it after the split."
    )
    inputs = {
        "train": Port("dataset", "Rows to train on"),
        "validation": Port("dataset", "Rows that steer the training", optional=True),
        "test": Port("dataset", "Rows held out for the evaluation", optional=True),
    }
    outputs = {
        "train": Port("dataset", "Rows that may be trained on"),
        "rejects": Port("dataset", "Rows that were dropped, each with its reason"),
    }

    class Params(BaseParams):
        action: Literal["drop", "stop"] = param(
            "drop", label="When rows overlap", help="Drop them from training, or stop the run and say which they are."
        )
        held_out: Literal["all that are marked", "only those named", "none"] = param(
            "all that are marked",
            label="Versions marked as held out",
            help="Versions are marked on the page “Versions” of their dataset.",
        )
        versions: list[str] = param(
            list,
            label="Only these versions",
            help="One a line: a dataset's short name, and its version (“complaints 3”); without a number, its latest.",
        )
        threshold: float = param(
            0.8, label="Nearly the same from", help="Share of the text that two prompts have in common.", ge=0.3, le=1
        )
        group_field: str = param(
            "conversation",
            label="Group",
            help="Rows that share this field of their meta are not trained on when one of them is held back. Empty: none.",
            max_length=80,
        )

        @field_validator("versions")
        @classmethod
        def readable(cls, versions: list[str]) -> list[str]:
            for line in versions:
                if not 1 <= len(line.split()) <= 2:
                    raise ValueError(f"“{line}” is not a dataset's short name with or without a version number")
                if len(line.split()) == 2:
                    _number(line.split()[1])
            return versions

    def resolve(self, params: Params, *, workspace_id: Any) -> dict[str, Any]:
        """The held-out versions that count now, with the hashes of their rows."""
        return {
            "held_out": [
                {"dataset": v.dataset.slug, "version": v.number, "artifact": v.artifact.sha256}
                for v in held_out_versions(params, workspace_id=workspace_id)
            ]
        }

    def run(self, ctx: Context, params: Params, inputs: Mapping[str, InputArtifact]) -> StepResult:
        train = inputs["train"]
        sources = wired_sources(ctx, inputs) + marked_sources(ctx, inputs)
        if not sources:
            raise StepError(
                "There is nothing to guard against: no validation or test rows are wired in, and no version of a dataset is "
                "marked as held out.",
                action="Wire the test rows to this step, or mark a version as held out on its dataset's page “Versions”.",
            )
        held = HeldBack(
            tie_families([train.path, *(source.folder for source in sources)]), group_field=params.group_field
        )
        for source in sources:
            held.add(source)
        leaks = find_leaks(
            lambda: sieve.beating(ctx, read_rows(train.path)),
            held,
            sources,
            threshold=params.threshold,
            beat=lambda done, total, note: ctx.progress(done, total, note=note),
            scratch=ctx.scratch,
        )
        found = report(leaks, held, train=train)
        for line in lines(found):
            ctx.log(line)
        if leaks and params.action == "stop":
            raise overlap(found, leaks=leaks, total=count_rows(train.path))
        return write(ctx, train, leaks, held, found)


def held_out_versions(params: LeakageGuard.Params, *, workspace_id: Any) -> list[DatasetVersion]:
    """The versions to guard, by dataset and number. Raises ``StepError`` for a named one that does not exist."""
    if params.held_out == "none":
        return []
    if params.held_out == "only those named":
        if not params.versions:
            raise StepError(
                "Only named versions are to be guarded, but none is named.",
                action="Name one, or choose all versions that are marked as held out.",
            )
        named = [(line.split()[0], _number(line.split()[1]) if " " in line else None) for line in params.versions]
        return [find_version(slug, number, workspace_id=workspace_id) for slug, number in named]
    marked = DatasetVersion.objects.filter(dataset__workspace_id=workspace_id, held_out=True)
    return list(marked.select_related("dataset", "artifact").order_by("dataset__slug", "number"))


def _number(text: str) -> int:
    digits = text.removeprefix("v")
    if not digits.isdecimal() or int(digits) < 1:
        raise ValueError(f"“{text}” is not a version number")
    return int(digits)


def wired_sources(ctx: Context, inputs: Mapping[str, InputArtifact]) -> list[Source]:
    """The validation and test rows, as far as they are wired in."""
    ports = [port for port in ("validation", "test") if port in inputs]
    return [source_of(ctx, inputs[port].path, name=f"the {port} rows") for port in ports]


def marked_sources(ctx: Context, inputs: Mapping[str, InputArtifact]) -> list[Source]:
    """The held-out versions that were settled when the step started, but for those that are wired in anyway."""
    facts = StepRun.objects.values_list("facts", flat=True).get(pk=ctx.step_run_id)
    known = {item.sha for port, item in inputs.items() if port != "train"}
    sources = []
    for version in facts["held_out"]:
        if version["artifact"] in known:
            continue
        known.add(version["artifact"])
        artifact = Artifact.objects.get(
            workspace_id=ctx.workspace_id, kind=ArtifactKind.DATASET, sha256=version["artifact"]
        )
        name = f"“{version['dataset']}” version {version['version']} (held out)"
        sources.append(source_of(ctx, store.path(artifact), name=name))
    return sources


def source_of(ctx: Context, folder: Path, *, name: str) -> Source:
    """A dataset folder as something to guard."""
    return Source(name, folder, lambda: sieve.beating(ctx, read_rows(folder)))


def report(leaks: Mapping[int, Leak], held: HeldBack, *, train: InputArtifact) -> list[dict[str, Any]]:
    """For each kind that was found: how many rows, by source, and the first few with their prompts."""
    by_kind: dict[str, list[int]] = defaultdict(list)
    for position in sorted(leaks):
        by_kind[leaks[position].kind].append(position)
    wanted = {position for positions in by_kind.values() for position in positions[:EXAMPLES]}
    rows = enumerate(read_rows(train.path))
    shown = {n: row for n, row in islice(rows, max(wanted, default=-1) + 1) if n in wanted}
    return [
        {
            "kind": kind,
            "rows": len(by_kind[kind]),
            "sources": dict(Counter(held.source_of(leaks[p]) for p in by_kind[kind]).most_common()),
            "examples": [
                {"row": p + 1, "id": shown[p].id, "prompt": shown[p].user_text[:200], "reason": held.reason(leaks[p])}
                for p in by_kind[kind][:EXAMPLES]
            ],
        }
        for kind in KINDS
        if kind in by_kind
    ]


def lines(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The report as lines of a log."""
    for kind in found:
        where = ", ".join(f"{count:,} with {source}" for source, count in kind["sources"].items())
        yield f"{kind['rows']:,} × {kind['kind']}: {where}."
        for example in kind["examples"]:
            yield f"  row {example['row']:,} “{example['prompt']}”: {example['reason']}"


def overlap(found: Sequence[Mapping[str, Any]], *, leaks: Mapping[int, Leak], total: int) -> StepError:
    """The error that stops the run, with counts and an example."""
    counts = ", ".join(f"{kind['rows']:,} {kind['kind']}" for kind in found)
    example = found[0]["examples"][0]
    return StepError(
        f"{len(leaks):,} of {total:,} training rows overlap with rows that are held back ({counts}). For example row "
        f"{example['row']:,}, “{example['prompt'][:80]}”: {example['reason']}",
        action="The step's log shows more. Let this step drop them, or keep near-duplicates together when you split.",
    )


def write(
    ctx: Context, train: InputArtifact, leaks: Mapping[int, Leak], held: HeldBack, found: Sequence[Mapping[str, Any]]
) -> StepResult:
    """The rows that may be trained on and those that may not."""

    def verdicts() -> Iterator[Verdict]:
        for position, row in enumerate(sieve.rows_of(ctx, train, note="writing")):
            leak = leaks.get(position)
            yield Verdict(row) if leak is None else Verdict(row, leak.kind, held.reason(leak))

    result, _ = sieve.sift(
        ctx,
        verdicts(),
        by="leakage_guard",
        meta=sieve.passed_on(train),
        action="All training rows are held back: train on another dataset, or take the mark off the held-out version.",
    )
    outputs = {"train": result.outputs["rows"], "rejects": result.outputs["rejects"]}
    against = f" Compared with {len(held):,} rows of {' and '.join(held.sources)}."
    summary = {**result.summary, "found": list(found), "headline": result.summary["headline"] + against}
    return StepResult(outputs, summary)

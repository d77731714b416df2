"""What is signed: the hashes of data, spec, weights, figures and report of one evaluation, and how they differ later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from evaluation.models import Scorecard
from pipelines.models import StepRun
from studio.lib.canonical import file_sha256, fingerprint
from vault import store
from vault.models import Artifact, ArtifactKind

HASHED_EVERY_TIME = 4 << 20
"""Files up to this many bytes are read in full at every look; of larger ones the size is compared (see ``deep``)."""


def freeze(card: Scorecard) -> dict[str, Any]:
    """Everything a signature covers, as it is now::

    {"report": sha, "figures": digest, "spec": {"digest", "content"}, "data": {sha: "port of step"},
     "weights": {"adapter": sha, "gguf": {sha: name}}, "blind": {number: digest},
         "steps": {node: {"fingerprint", "outputs": {port: sha}}}}
    """
    version = card.step_run.run.version
    steps = line_of(card.step_run)
    made = {node: {o.port: o.artifact for o in step.outputs.all()} for node, step in steps.items()}
    return {
        "report": card.report.sha256,
        "figures": fingerprint(_figures(card)),
        "spec": {"digest": version.digest, "content": fingerprint(version.spec)},
        "data": {
            artifact.sha256: f"{port} of {node}"
            for node, outputs in made.items()
            for port, artifact in outputs.items()
            if artifact.kind == ArtifactKind.DATASET
        },
        "weights": {
            "adapter": card.student_sha,
            "gguf": {model.sha256: str(model.meta.get("name") or "GGUF") for model in exported(card)},
        },
        "blind": {
            str(review.number): fingerprint(review.outcome)
            for review in card.blind_reviews.filter(closed_at__isnull=False)
        },
        "steps": {
            node: {
                "fingerprint": steps[node].fingerprint,
                "outputs": {port: artifact.sha256 for port, artifact in outputs.items()},
            }
            for node, outputs in made.items()
        },
    }


def line_of(step: StepRun) -> dict[str, StepRun]:
    """The step and all that its inputs come from, by node."""
    steps = {s.node: s for s in step.run.steps.prefetch_related("outputs__artifact")}
    found: dict[str, StepRun] = {}
    waiting = [step.node]
    while waiting:
        node = waiting.pop()
        if node not in found and node in steps:
            found[node] = steps[node]
            waiting += [source["node"] for source in steps[node].wiring.values()]
    return dict(sorted(found.items(), key=lambda pair: pair[1].position))


def exported(card: Scorecard) -> list[Artifact]:
    """The GGUF models made from the evaluated student, in any run, oldest first."""
    found = Artifact.objects.filter(
        workspace_id=card.workspace_id,
        kind=ArtifactKind.GGUF,
        step_outputs__step_run__run__steps__outputs__artifact__sha256=card.student_sha,
    )
    return list(found.distinct().order_by("created_at")) if card.student_sha else []


def _figures(card: Scorecard) -> dict[str, Any]:
    scores = card.scores.order_by("id").values_list("candidate", "kind", "metric", "value", "low", "high", "n")
    return {
        "report": card.report.sha256,
        "held_out": card.held_out_sha,
        "student": card.student_sha,
        "rows": card.rows,
        "verdict": [card.tone, card.verdict, card.retained],
        "scores": [list(score) for score in scores],
    }


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """How what is there now differs from what was signed, in words. A model file made later is no change."""
    found = []
    if before["report"] != now["report"]:
        found.append("The report was made again.")
    if before["figures"] != now["figures"]:
        found.append("The figures kept of the report changed.")
    if before["spec"] != now["spec"]:
        found.append("The pipeline's spec changed.")
    for node, step in before["steps"].items():
        later = now["steps"].get(node)
        if later is None:
            found.append(f"The step “{node}” is no longer part of the run.")
        elif later != step:
            found.append(f"The step “{node}” was done again and made something else.")
    found += [f"The step “{node}” was put before the report." for node in now["steps"] if node not in before["steps"]]
    if before["weights"]["adapter"] != now["weights"]["adapter"]:
        found.append("The student's weights are others.")
    for number, digest in before.get("blind", {}).items():
        if now["blind"].get(number) != digest:
            found.append(f"The result of blind review {number} changed.")
    for sha, name in before["weights"]["gguf"].items():
        if sha not in now["weights"]["gguf"]:
            found.append(f"The model file “{name}” ({sha[:8]}) is gone.")
    return found


def hashes(frozen: Mapping[str, Any]) -> dict[str, str]:
    """Every artifact that was signed: hash → what it is."""
    found = {frozen["report"]: "the report"}
    for node, step in frozen["steps"].items():
        for port, sha in step["outputs"].items():
            found.setdefault(sha, f"{port} of the step “{node}”")
    if frozen["weights"]["adapter"]:
        found.setdefault(frozen["weights"]["adapter"], "the student's weights")
    for sha, name in frozen["weights"]["gguf"].items():
        found.setdefault(sha, f"the model file “{name}”")
    return found


def damage(frozen: Mapping[str, Any], *, deep: bool = False) -> list[str]:
    """What of the signed artifacts on disk is gone or not what was published. ``deep`` reads every byte of every file."""
    found = []
    for sha, what in hashes(frozen).items():
        problem = _problem(sha, deep=deep)
        if problem:
            found.append(f"{what[0].upper()}{what[1:]} ({sha[:8]}) {problem}.")
    return found


def _problem(sha: str, *, deep: bool) -> str:
    folder = store.folder_of(sha)
    try:
        manifest = json.loads((folder / store.MANIFEST).read_text(encoding="utf-8"))
        files = manifest["files"]
        if fingerprint({"kind": manifest["kind"], "files": files}) != sha:
            return "has another manifest than the one that was published"
        for name, told in files.items():
            path = folder / name
            if path.stat().st_size != told["size"]:
                return f"has changed on disk: the size of {name} is another"
            if (deep or told["size"] <= HASHED_EVERY_TIME) and file_sha256(path) != told["sha256"]:
                return f"has changed on disk: {name} holds other bytes"
    except (OSError, ValueError, KeyError, TypeError):
        return "is gone from the data folder or can't be read"
    return ""

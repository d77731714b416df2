"""Putting the held-out rows to the candidates that answer on this machine, each in a child process, resumable."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from evaluation.candidates.examples import choose_examples, question_key
from evaluation.candidates.predictions import Candidate, CandidateKind, Prediction, read_predictions, teacher_of
from evaluation.gguf import quantisation_of, read_export
from pipelines.steps.base import Context, InputArtifact
from pipelines.steps.student import prepare_base, prompt_view_of, read_training
from studio.lib.errors import StepError
from studio.registries import METRICS
from vault.rows import Row, read_rows, write_jsonl

PREDICT = "pipelines.recipes.predict"
PREDICT_GGUF = "pipelines.exporters.gguf_predict"
MERGE = "pipelines.exporters.merged"
Mode = Literal["generate", "labels", "both"]
"""Whether the models write, only score the label set, or do both."""


@dataclass(frozen=True)
class Setting:
    """The closed label set (None for free text), the labels seen in training (None when unknown), how the models are to
    answer, and what the reader must be told of it."""

    labels: list[str] | None
    seen: frozenset[str] | None
    mode: Mode
    notes: list[str]


@dataclass(frozen=True)
class Session:
    """What every candidate of one evaluation shares. ``params`` are those of the evaluate step, ``training`` is what the
    train step wrote of the student."""

    ctx: Context
    params: Any
    inputs: Mapping[str, InputArtifact]
    training: Mapping[str, Any]
    setting: Setting

    @property
    def student(self) -> InputArtifact:
        """The student's adapter."""
        return self.inputs["student"]


class Local(NamedTuple):
    """A candidate that answers on this machine.

    ``training``: what was written of the training whose base model it needs (None for a GGUF file, which needs none).
    ``view``: its own view of the rows' prompts. Exactly one of these says what answers: ``adapter`` on the base model, the file
    ``gguf``, or the base model alone. ``merged``: the adapter is written into the base model's weights first, and what was written
    answers. ``form_of``: the candidate whose weights these are in another form.
    """

    name: str
    label: str
    kind: CandidateKind
    rows: list[Row]
    training: Mapping[str, Any] | None = None
    examples: Sequence[Mapping[str, Any]] = ()
    view: Mapping[str, Any] | None = None
    adapter: Path | None = None
    gguf: Path | None = None
    merged: bool = False
    form_of: str = ""

    @property
    def may_fail_alone(self) -> bool:
        """Whether it may answer no row at all without ending the evaluation: everybody but the one that is judged."""
        return self.name != "student"


def ask_candidates(session: Session, rows: list[Row], *, fewer: list[Row]) -> list[Candidate]:
    """Every chosen candidate with its answers, in the fixed order teacher, base, student, merged, earlier student, GGUF files.

    ``fewer``: rows for the base. The student stands before the earlier one: the verdict is about the first of its kind.
    """
    found = [teacher_of(rows)] if "teacher" in session.params.candidates else []
    folders: dict[tuple[str, str], Path] = {}
    for candidate in local_candidates(session, rows, fewer=fewer):
        folder = None
        if candidate.training is not None:
            told = candidate.training["base_model"]
            key = (str(told["ref"]), str(told["revision"]))
            if key not in folders:
                folders[key] = Path(prepare_base(session.ctx, candidate.training)["path"])
            folder = folders[key]
        found.append(ask(session, candidate, folder=folder))
    return found


def local_candidates(session: Session, rows: list[Row], *, fewer: list[Row]) -> list[Local]:
    """The chosen local candidates with the rows and examples each gets."""
    params, inputs, training = session.params, session.inputs, session.training
    view = prompt_view_of(session.student, training)
    found = []
    if "base" in params.candidates:
        found.append(Local("base", "Prompted base model", "base", fewer, training))
    if "base_few_shot" in params.candidates:
        examples = worked_examples(session)
        label = f"Base model with {len(examples)} {'example' if len(examples) == 1 else 'examples'}"
        found.append(Local("base_few_shot", label, "base", fewer, training, examples))
    if "student" in params.candidates:
        found.append(Local("student", "Student", "student", rows, training, view=view, adapter=session.student.path))
    if "merged" in params.candidates:
        found.append(merged_student(session, rows, view=view))
    if "earlier" in inputs:
        found.append(earlier_student(session, rows))
    if "gguf" in inputs:
        found += file_candidates(session, rows, view=view)
    return found


def worked_examples(session: Session) -> list[dict[str, Any]]:
    """Examples from the training rows for the prompted base model; never a question that is held out, asked here or not."""
    params, inputs = session.params, session.inputs
    if "train" not in inputs:
        raise StepError(
            "The candidate base_few_shot needs training rows to take its examples from.",
            action="Wire the split's train output into 'train', or take base_few_shot off the candidates.",
        )
    held_out = {question_key(row) for row in read_rows(inputs["rows"].path)}
    train = read_rows(inputs["train"].path)
    return choose_examples(train, count=params.examples, seed=params.seed, held_out=held_out)


def merged_student(session: Session, rows: list[Row], *, view: Mapping[str, Any]) -> Local:
    """The student's weights with the adapter written into them. Raises ``StepError`` without the adapter to hold them against."""
    if "student" not in session.params.candidates:
        raise StepError(
            "The merged weights are compared with the student's adapter, which is not among the candidates.",
            action="Add student to the candidates, or take merged off them.",
        )
    return Local(
        "merged",
        "Student, merged",
        "student",
        rows,
        session.training,
        view=view,
        adapter=session.student.path,
        merged=True,
        form_of="student",
    )


def earlier_student(session: Session, rows: list[Row]) -> Local:
    """The student wired into 'earlier', on its own base model and with its own view of the prompts.

    Raises ``StepError`` when the student itself is not asked: the verdict would then be about the earlier one.
    """
    if "student" not in session.params.candidates:
        raise StepError(
            "An earlier student is compared with the student, which is not among the candidates.",
            action="Add student to the candidates, or remove the wire into 'earlier'.",
        )
    adapter = session.inputs["earlier"]
    training = read_training(adapter)
    view = prompt_view_of(adapter, training)
    return Local("earlier_student", "Earlier student", "student", rows, training, view=view, adapter=adapter.path)


def file_candidates(session: Session, rows: list[Row], *, view: Mapping[str, Any]) -> list[Local]:
    """One candidate for each file of a GGUF export, largest first as the export lists them.

    Raises ``StepError`` when the files were made of another student, for its view of the prompts is not known here.
    """
    export = session.inputs["gguf"]
    record = read_export(export.path)
    made_of = str((record.get("card") or {}).get("Adapter (SHA-256)") or "")
    views = {session.student.sha: view}
    if "earlier" in session.inputs:
        earlier = session.inputs["earlier"]
        views.setdefault(earlier.sha, prompt_view_of(earlier, read_training(earlier)))
    if made_of and made_of not in views:
        raise StepError(
            f"The GGUF files were made of another student ({made_of[:12]}) than the one evaluated "
            f"({session.student.sha[:12]}).",
            action="Wire the export of this student into 'gguf', or the student they were made of into 'earlier'.",
        )
    files = [file for file in record.get("files") or [] if is_file_of(export.path, str(file.get("name") or ""))]
    if not files:
        raise StepError(
            "The export that is wired in holds no GGUF file.",
            action="Wire the output of an export step into 'gguf'.",
        )
    taken: set[str] = set()
    found = []
    for file in files:
        quantisation = str(file.get("type") or "") or quantisation_of(str(file["name"])) or "file"
        name = free_name(f"gguf_{re.sub(r'[^a-z0-9]+', '_', quantisation.lower())[:40]}", taken)
        taken.add(name)
        path, sha = export.path / str(file["name"]), made_of or session.student.sha
        form_of = "student" if sha == session.student.sha else "earlier_student"
        found.append(
            Local(name, f"GGUF {quantisation}", "quantised", rows, view=views[sha], gguf=path, form_of=form_of)
        )
    return found


def is_file_of(folder: Path, name: str) -> bool:
    """Whether ``name`` is a GGUF file that lies in ``folder`` itself."""
    return name.endswith(".gguf") and Path(name).name == name and (folder / name).is_file()


def free_name(wanted: str, taken: Collection[str]) -> str:
    """``wanted``, with a number when it is taken."""
    number, name = 1, wanted
    while name in taken:
        number += 1
        name = f"{wanted}_{number}"
    return name


def ask(session: Session, candidate: Local, *, folder: Path | None) -> Candidate:
    """Put the rows to a local model. Answers of an earlier attempt are kept and not asked again. ``folder``: its base model."""
    ctx, params = session.ctx, session.params
    rows_file, out = ctx.scratch / f"{candidate.name}.rows.jsonl", ctx.scratch / f"{candidate.name}.jsonl"
    write_jsonl(rows_file, candidate.rows)
    before = len(read_predictions(out))
    ctx.log(f"{candidate.label}: {len(candidate.rows) - before:,} of {len(candidate.rows):,} rows to ask.")
    ctx.progress(before, len(candidate.rows), note=candidate.label)
    pace_file = ctx.scratch / f"{candidate.name}.pace.json"
    if candidate.merged and folder is not None:
        folder = merge_into(session, candidate, base=folder)
        candidate = candidate._replace(adapter=None)
    size = size_of(candidate, folder=folder)
    if before < len(candidate.rows):
        config = config_of(session, candidate, folder=folder, rows=rows_file, out=out)
        try:
            told = ctx.run_child(PREDICT if candidate.gguf is None else PREDICT_GGUF, config)
            keep_pace(pace_file, told)
        except StepError as problem:
            # A candidate that can read none of the prompts has failed, the evaluation of the student has not.
            if not candidate.may_fail_alone or problem.code != "no_rows":
                raise
            return refused(candidate, reason=str(problem), size=size)
    pace = read_pace(pace_file)
    seconds = pace.seconds_per_row
    return Candidate(
        name=candidate.name,
        label=candidate.label if pace.examples is None else fitted_label(candidate, used=pace.examples),
        kind=candidate.kind,
        answers=read_predictions(out),
        asked=frozenset(row.id for row in candidate.rows),
        usd_per_row=price_of(seconds, params.machine_cost_per_hour),
        cost_basis=f"{1 / seconds:.2g} rows a second on a machine at ${params.machine_cost_per_hour:g} an hour"
        if seconds and params.machine_cost_per_hour is not None
        else "",
        rows_per_second=1 / seconds if seconds else None,
        size_bytes=size,
        peak_bytes=pace.peak_bytes,
        energy=pace.energy,
        form_of=candidate.form_of,
    )


def merge_into(session: Session, candidate: Local, *, base: Path) -> Path:
    """The folder with the base model and the candidate's adapter as one; kept for a later attempt of this step."""
    out = session.ctx.scratch / f"{candidate.name}.model"
    session.ctx.run_child(MERGE, {"base_model": str(base), "adapter": str(candidate.adapter), "out": str(out)})
    return out


def config_of(session: Session, candidate: Local, *, folder: Path | None, rows: Path, out: Path) -> dict[str, Any]:
    """The config of the child that answers for a candidate."""
    params, setting = session.params, session.setting
    model: dict[str, Any] = {"base_model": str(folder), "adapter": candidate.adapter and str(candidate.adapter)}
    return {
        **(model if candidate.gguf is None else {"gguf": str(candidate.gguf)}),
        "rows": str(rows),
        "out": str(out),
        "labels": setting.labels if setting.mode != "generate" else None,
        "mode": setting.mode,
        "max_new_tokens": params.max_new_tokens,
        "prompt_view": None if candidate.view is None else dict(candidate.view),
        "examples": list(candidate.examples),
        "batch_tokens": params.batch_tokens,
        "latency_rows": params.latency_rows,
        "score_targets": any(METRICS[name].needs_likelihood for name in params.metrics),
        "threads": params.threads,
    }


def size_of(candidate: Local, *, folder: Path | None) -> int | None:
    """Bytes on disk of what answers: the file, or the base model's weights with the adapter's; None when not to be seen."""
    if candidate.gguf is not None:
        return candidate.gguf.stat().st_size
    weights = [] if folder is None else list(folder.glob("*.safetensors"))
    if not weights:
        return None
    own = [] if candidate.adapter is None else list(candidate.adapter.glob("*.safetensors"))
    return sum(file.stat().st_size for file in (*weights, *own))


def fitted_label(candidate: Local, *, used: int) -> str:
    """The name of a candidate with worked examples, saying when not all of them had room."""
    if used >= len(candidate.examples):
        return candidate.label
    return f"Base model with {used} {'example' if used == 1 else 'examples'} ({len(candidate.examples)} asked for)"


def refused(candidate: Local, *, reason: str, size: int | None) -> Candidate:
    """A candidate that could answer no row at all."""
    answers = {row.id: Prediction(row.id, error=reason) for row in candidate.rows}
    return Candidate(
        candidate.name,
        candidate.label,
        candidate.kind,
        answers,
        asked=frozenset(answers),
        size_bytes=size,
        form_of=candidate.form_of,
    )


class Pace(NamedTuple):
    """What the child processes told of one candidate over all attempts; None where nothing was measured.

    ``seconds_per_row`` when many are asked at once, ``peak_bytes`` the most memory a process held, ``examples`` how many worked
    examples had room, ``energy`` as a :class:`Candidate` has it.
    """

    seconds_per_row: float | None = None
    peak_bytes: int | None = None
    examples: int | None = None
    energy: Mapping[str, Any] | None = None


def keep_pace(path: Path, told: Mapping[str, Any]) -> None:
    """Add one attempt's rows, seconds, joules and memory to those of the attempts before it."""
    total: dict[str, Any] = {"rows": 0, "seconds": 0.0}
    if path.exists():
        total = json.loads(path.read_text(encoding="utf-8"))
    total["rows"] += int(told.get("answered_now") or 0)
    total["seconds"] += float(told.get("seconds") or 0) if told.get("answered_now") else 0.0
    total["peak_bytes"] = max(int(told.get("peak_bytes") or 0), int(total.get("peak_bytes") or 0))
    if told.get("energy") is not None and told.get("answered_now"):
        total["energy"] = add_energy(total.get("energy"), told["energy"], rows=int(told["answered_now"]))
    if told.get("examples") is not None:
        total["examples"] = int(told["examples"])
    path.write_text(json.dumps(total), encoding="utf-8")


def read_pace(path: Path) -> Pace:
    """What :func:`keep_pace` has kept."""
    if not path.exists():
        return Pace()
    total = json.loads(path.read_text(encoding="utf-8"))
    pace = float(total["seconds"]) / total["rows"] if total["rows"] and total["seconds"] else None
    energy = total.get("energy")
    if energy is not None:
        joules = energy["joules"] / energy["rows"] if energy["joules"] is not None and energy["rows"] else None
        energy = {"joules": joules, "counted": energy["counted"], "why": energy["why"]}
    return Pace(pace, total.get("peak_bytes") or None, total.get("examples"), energy)


def add_energy(before: Mapping[str, Any] | None, now: Mapping[str, Any], *, rows: int) -> dict[str, Any]:
    """Joules and rows over the attempts that counted the same things; those of an attempt that counted others, or nothing, begin anew
    or are left out."""
    if before is None or before["joules"] is None:
        return {**now, "rows": rows}
    if now["joules"] is None or now["counted"] != before["counted"]:
        return dict(before)
    return {**before, "joules": before["joules"] + now["joules"], "rows": before["rows"] + rows}


def price_of(seconds_per_row: float | None, per_hour: float | None) -> float | None:
    """US dollars an answer costs, or None when the machine's price or speed is unknown."""
    return None if seconds_per_row is None or per_hour is None else seconds_per_row * per_hour / 3600

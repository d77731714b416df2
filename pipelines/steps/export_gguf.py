"""Merge the student, write GGUF files, and put the held-out rows to each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import field_validator, model_validator

from pipelines.exporters import parity
from pipelines.exporters.gguf import GgufExporter, write_record
from pipelines.recipes.chat import apply_view
from pipelines.steps import base
from pipelines.steps.base import Context, InputArtifact, Output, Port, StepResult
from pipelines.steps.student import prepare_base, prompt_view_of, read_training
from studio.lib.params import param
from vault.rows import Row, read_rows, write_jsonl

READING_TOKENS = 64
"""Reading a prompt takes about as long as writing so many tokens."""
MAKING_TOKENS = 3_000
"""Merging, converting and opening a file take about as long as writing so many tokens."""


class ExportGguf(base.Step):
    """Makes GGUF files of the student for llama.cpp, Ollama and LM Studio, and proves each one: it answers the held-out rows
    through llama.cpp, and its answers are compared with the adapter's, row by row.
    """

    label = "Export to GGUF"
    group = "Export"
    queue = "cpu"
    help = (
        "One file a size, with its own tokenizer and chat template, a model card and an Ollama Modelfile. With held-out rows "
        "wired in, every file is replayed over them and must give the adapter's answers."
    )
    inputs = {
        "student": Port("adapter", "The trained student"),
        "rows": Port("dataset", "Held-out rows to replay through each file", optional=True),
    }
    outputs = {"gguf": Port("gguf", "GGUF files, model card, Modelfile")}
    unfingerprinted = frozenset({"threads", "batch_tokens"})

    class Params(GgufExporter.Params):
        name: str = param(
            "",
            label="Name",
            help="Of the files. Empty: the base model's, with “-student”.",
            max_length=80,
        )
        replay_rows: int = param(
            0, label="Rows to replay", help="The first so many held-out rows. 0: all.", unit="rows", ge=0
        )
        minimum_agreement: float = param(
            0.99,
            label="Least agreement",
            help="Share of rows on which the most exact file must give the adapter's very answer. Below it, the export is "
            "kept and marked as failed.",
            ge=0,
            le=1,
        )
        max_new_tokens: int = param(
            64, label="Longest answer", help="Of the replay.", unit="tokens", ge=1, le=8192, advanced=True
        )
        batch_tokens: int = param(
            4096,
            label="Tokens at once",
            help="Of the replay. Lower it when memory is short.",
            unit="tokens",
            ge=64,
            advanced=True,
        )
        threads: int | None = param(None, label="CPU threads", help="Empty: all.", ge=1, le=256, advanced=True)

        @field_validator("name")
        @classmethod
        def _usable_in_a_file_name(cls, value: str) -> str:
            if not all(c.isascii() and (c.isalnum() or c in "-_.") for c in value) or value.startswith("."):
                raise ValueError("Use letters, digits, hyphens, dots and underscores only")
            return value

        @model_validator(mode="after")
        def _something_to_make(self) -> Self:
            if not self.quantisations:
                raise ValueError("Choose at least one size")
            return self

    def effort(self, params: Params, *, rows: int) -> float:
        """Merging and converting, then every row through the adapter and through each file."""
        replayed = min(rows, params.replay_rows) if params.replay_rows else rows
        answers = replayed * (1 + len(params.quantisations)) * (READING_TOKENS + params.max_new_tokens)
        return MAKING_TOKENS * (1 + len(params.quantisations)) + answers

    def run(self, ctx: Context, params: Params, inputs: Mapping[str, InputArtifact]) -> StepResult:
        student, held_out = inputs["student"], inputs.get("rows")
        training = read_training(student)
        rows = [] if held_out is None else unique_rows(held_out.path, count=params.replay_rows)
        view = prompt_view_of(student, training)
        model = prepare_base(ctx, training)
        out = ctx.scratch / "gguf"
        config = {
            "base_model": {key: model[key] for key in ("path", "ref", "revision")},
            "adapter": str(student.path),
            "out": str(out),
            "work": str(ctx.scratch / "work"),
            "name": params.name or default_name(model["ref"]),
            "quantisations": params.quantisations,
            "system": common_system_prompt(rows, view),
            "card": card_facts(training, inputs, rows),
            "threads": params.threads,
            "calibration": None,
        }
        if rows:
            write_jsonl(ctx.scratch / "replay.rows.jsonl", rows)
            config["calibration"] = {"rows": str(ctx.scratch / "replay.rows.jsonl"), "prompt_view": view}
        told = ctx.run_child("pipelines.exporters.gguf", config)
        record = {key: told[key] for key in ("name", "base_model", "system", "card", "balanced", "files")}
        if rows:
            replay(ctx, params, record, rows, adapter=student.path, base=Path(model["path"]), view=view)
        record["parity"] = verdict(record["files"], minimum=params.minimum_agreement)
        record["minimum_agreement"] = params.minimum_agreement
        write_record(record, out)
        summary = summary_of(record)
        return StepResult({"gguf": Output(out, {**summary, "name": record["name"]})}, summary)


def unique_rows(folder: Path, *, count: int) -> list[Row]:
    """The first ``count`` rows (all for 0), each id once."""
    rows: dict[str, Row] = {}
    for row in read_rows(folder):
        rows.setdefault(row.id, row)
        if count and len(rows) == count:
            break
    return list(rows.values())


def default_name(ref: str) -> str:
    """``smollm2-135m-instruct-student`` of ``embedded:smollm2-135m-instruct``."""
    last = ref.partition(":")[2].partition("@")[0].rstrip("/").rpartition("/")[2].removesuffix(".gguf")
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in last).strip(".-").lower()
    return f"{kept or 'model'}-student"


def common_system_prompt(rows: Sequence[Row], view: Mapping[str, Any] | None) -> str | None:
    """The system prompt that the student saw with every row, when there is exactly one; otherwise None."""
    if view and view.get("mode") == "replace":
        return str(view.get("text") or "") or None
    found = {
        "\n".join(str(m.get("content") or "") for m in apply_view(row.prompt, view) if m.get("role") == "system")
        for row in rows
    }
    return found.pop() or None if len(found) == 1 else None


def card_facts(training: Mapping[str, Any], inputs: Mapping[str, InputArtifact], rows: Sequence[Row]) -> dict[str, Any]:
    """What the model card says of where the student comes from."""
    teachers = {str(row.meta.get("model") or row.meta.get("teacher") or "") for row in rows} - {""}
    numbers = training.get("params") or {}
    return {
        "Teacher": ", ".join(sorted(teachers)[:5]),
        "Method": f"{numbers.get('method', 'lora')}, rank {numbers.get('rank')}, {numbers.get('epochs')} epochs, learning "
        f"rate {numbers.get('learning_rate')}, {numbers.get('rows_per_step')} rows a step, seed {numbers.get('seed')}",
        "Training rows": training.get("rows"),
        "Training loss": None if training.get("loss") is None else round(float(training["loss"]), 4),
        "Adapter (SHA-256)": inputs["student"].sha,
        "Held-out rows (SHA-256)": inputs["rows"].sha if "rows" in inputs else None,
    }


def replay(
    ctx: Context,
    params: Any,
    record: Mapping[str, Any],
    rows: Sequence[Row],
    *,
    adapter: Path,
    base: Path,
    view: Mapping[str, Any] | None,
) -> None:
    """Put the rows to the adapter and to every file, and write the comparison into the files' entries of ``record``.

    Answers of an earlier attempt of this step are kept.
    """
    questions = ctx.scratch / "replay.rows.jsonl"
    common = {
        "rows": str(questions),
        "labels": None,
        "mode": "generate",
        "max_new_tokens": params.max_new_tokens,
        "prompt_view": view,
        "examples": [],
        "batch_tokens": params.batch_tokens,
        "threads": params.threads,
    }
    ours = ctx.scratch / "adapter.jsonl"
    ctx.log(f"Replaying {len(rows):,} held-out rows through the adapter and {len(record['files'])} files.")
    # In fp32, as the files were made: bf16 products would blur the comparison more than eight-bit weights do.
    chosen = {"base_model": str(base), "adapter": str(adapter), "out": str(ours), "precision": "float32"}
    pairs = [(row.id, row.user_text) for row in rows]
    if not answered(ours, rows):
        ctx.run_child("pipelines.recipes.predict", {**common, **chosen, "latency_rows": 0})
    expected = parity.read_answers(ours)
    for file in record["files"]:
        theirs = ctx.scratch / f"{file['name']}.{file['sha256'][:16]}.jsonl"
        chosen = {"gguf": str(ctx.scratch / "gguf" / file["name"]), "out": str(theirs)}
        if not answered(theirs, rows):
            ctx.run_child("pipelines.exporters.gguf_predict", {**common, **chosen, "latency_rows": 0})
        file["parity"] = parity.compare(expected, parity.read_answers(theirs), pairs)
        ctx.log(
            f"{file['name']}: the adapter's answer on {file['parity']['same']:,} of {file['parity']['rows']:,} rows."
        )


def answered(path: Path, rows: Sequence[Row]) -> bool:
    """Whether a predictions file of an earlier attempt already holds every row."""
    try:
        return path.is_file() and {row.id for row in rows} <= parity.read_answers(path).keys()
    except ValueError:  # its last line was cut short by a kill
        return False


def verdict(files: Sequence[Mapping[str, Any]], *, minimum: float) -> str:
    """``passed`` or ``failed`` by the most exact file (the first), ``not checked`` when nothing was replayed."""
    checked = files[0].get("parity") or {}
    if not checked.get("rows"):
        return "not checked"
    return "passed" if checked["share"] >= minimum else "failed"


def summary_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers the run page shows."""
    files = [
        {
            "name": f["name"],
            "type": f["type"],
            "size": f["size"],
            "notes": f["notes"],
            **({key: f["parity"][key] for key in ("same", "rows", "share")} if f.get("parity") else {}),
        }
        for f in record["files"]
    ]
    said = [f"{f['type']} {f['size'] / 1e6:,.0f} MB" + _same(f) for f in files]
    failed = (
        f" Parity FAILED: less than {record['minimum_agreement']:.1%} of the rows agree."
        if record["parity"] == "failed"
        else ""
    )
    replayed = {"rows": files[0]["rows"]} if files and files[0].get("rows") else {}
    return {"headline": "; ".join(said) + "." + failed, "parity": record["parity"], "files": files, **replayed}


def _same(file: Mapping[str, Any]) -> str:
    return f", the adapter's answer on {file['same']:,} of {file['rows']:,} rows" if file.get("rows") else ""

"""GGUF files of a student: ``python -m pipelines.exporters.gguf CONFIG.json``.

CONFIG: ``{"base_model": {"path", "ref", "revision"}, "adapter": folder | null, "out": folder, "work": folder, "name": str,
"quantisations": [...], "system": str | null, "card": {...}, "threads": n | null, "calibration": {"rows": jsonl,
"prompt_view"} | null}``. Merge, convert, quantise, reopen, write
the texts. Each file appears complete or not at all, so a second run goes on after the last finished phase.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pipelines.recipes.events import Events, RecipeError, run_main
from studio.lib.canonical import file_sha256
from studio.lib.params import BaseParams, param

EXPORT_FILE = "export.json"
Quantisation = Literal["F16", "Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q4_K_M", "Q4_K_S", "Q4_0", "Q3_K_M", "Q2_K"]


class GgufExporter:
    """GGUF files for llama.cpp, Ollama and LM Studio, with a model card and a Modelfile.

    Adapter and base are added in fp32; the files hold their own tokenizer and chat template.
    """

    label = "GGUF"
    description = "Files for llama.cpp, Ollama and LM Studio, in the sizes you choose."

    class Params(BaseParams):
        quantisations: list[Quantisation] = param(
            lambda: ["Q8_0", "Q4_K_M"],
            label="Sizes",
            help="Q8_0 answers nearly always as the trained model does; Q4_K_M is about half its size and differs more. "
            "F16 is unquantised.",
        )

    def export(self, config: Mapping[str, Any], events: Events) -> dict[str, Any]:
        """Make every file of the config and return ``export.json``'s content. Raises :class:`RecipeError`."""
        from pipelines.exporters import convert

        out, work = Path(config["out"]), Path(config["work"])
        wanted = [q for q in convert.FTYPES if q in set(config["quantisations"])]
        if not wanted:
            raise RecipeError("No quantisation was chosen.", action="Choose at least one, Q8_0 say.", code="bad_config")
        convert.converter_path()
        same_work(config)
        base = Path(config["base_model"]["path"])
        check_space(base, out, wanted)
        files = {q: out / f"{config['name']}-{q}.gguf" for q in wanted}
        if not all(file.is_file() for file in files.values()):
            master = make_master(config, base, work, events)
            for number, quantisation in enumerate(wanted):
                events.progress(2 + number, 3 + len(wanted), unit="phases", note=f"Quantising to {quantisation}")
                make_file(
                    master, files[quantisation], quantisation=quantisation, work=work, threads=config.get("threads")
                )
        events.progress(2 + len(wanted), 3 + len(wanted), unit="phases", note="Opening the files again")
        told = [self.verify(files[q], base=base, quantisation=q, notes=read_notes(work, q)) for q in wanted]
        record = {
            "name": config["name"],
            "base_model": {key: config["base_model"].get(key) for key in ("ref", "revision")},
            "system": config.get("system"),
            "card": dict(config.get("card") or {}),
            "balanced": json.loads((work / "balanced").read_text("utf-8")),
            "files": told,
        }
        write_texts(record, out, base=base)
        for master in work.glob("master-*.gguf"):
            master.unlink()
        return record

    def verify(self, file: Path, *, base: Path, quantisation: str, notes: list[str]) -> dict[str, Any]:
        """Open a finished file in llama.cpp and compare what it says of itself with the base model's tokenizer.

        Returns the file's entry in ``export.json``. Raises :class:`RecipeError`.
        """
        from pipelines.exporters.llama import Model
        from pipelines.recipes.train import load_chat

        tokenizer = load_chat(base).tokenizer
        model = Model(file, gpu=False)
        try:
            if (model.chat_template or "").strip() != tokenizer.chat_template.strip():
                raise RecipeError(
                    f"The chat template inside {file.name} is not the base model's.",
                    action="Report this with the name of the base model; the adapter itself is not affected.",
                    code="bad_gguf",
                )
            architecture = model.metadata("general.architecture")
            return {
                "name": file.name,
                "type": quantisation,
                "size": file.stat().st_size,
                "sha256": file_sha256(file),
                "architecture": architecture,
                "context": model.context,
                "vocabulary": model.size,
                "notes": notes,
                "parity": None,
            }
        finally:
            model.close()


def same_work(config: Mapping[str, Any]) -> None:
    """Empty ``work`` and ``out`` unless what is there was made from this base, adapter and name."""
    out, work = Path(config["out"]), Path(config["work"])
    parts = [config["base_model"].get("revision"), config["name"], adapter_hash(config.get("adapter"))]
    mark = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    note = work / "identity"
    if not (note.is_file() and note.read_text("utf-8") == mark):
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(out, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    note.write_text(mark, encoding="utf-8")


def adapter_hash(adapter: str | None) -> str | None:
    """SHA-256 of an adapter's weights."""
    if adapter is None:
        return None
    file = Path(adapter) / "adapter_model.safetensors"
    if not file.is_file():
        raise RecipeError(
            "The adapter has no weights.", action="Wire the output of a train step into the export.", code="bad_adapter"
        )
    return file_sha256(file)


def check_space(base: Path, out: Path, wanted: list[str]) -> None:
    """Raise :class:`RecipeError` when the disk has no room for the merged model, the master file and the results."""
    from pipelines.exporters.convert import BITS

    weights = sum(f.stat().st_size for f in base.glob("*.safetensors"))
    need = int(weights * (2.1 + sum(BITS.get(q, 4) / 16 for q in wanted)))
    have = sum(f.stat().st_size for f in out.glob("*.gguf"))
    free = shutil.disk_usage(out).free
    if free < need - have:
        raise RecipeError(
            f"The export needs about {need / 1e9:.1f} GB and {free / 1e9:.1f} GB are free.",
            action="Free some space on the disk of the data folder, or choose fewer sizes, then retry.",
            code="disk_full",
        )


def make_master(config: Mapping[str, Any], base: Path, work: Path, events: Events) -> Path:
    """The unquantised GGUF file of base plus adapter; made once."""
    from pipelines.exporters import convert
    from pipelines.exporters.merge import merge

    for ready in work.glob("master-*.gguf"):
        return ready
    phases = 3 + len(config["quantisations"])
    merged = work / "merged"
    events.progress(0, phases, unit="phases", note="Adding the adapter to the weights")
    if not (merged.is_dir() and (work / "balanced").is_file()):
        adapter = Path(config["adapter"]) if config.get("adapter") else None
        told = merge(base, adapter, merged, rows=calibration_rows(config.get("calibration"), base))
        (work / "balanced").write_text(json.dumps(told.balanced), encoding="utf-8")
    saved = json.loads((merged / "config.json").read_text("utf-8"))
    kind = "bf16" if (saved.get("dtype") or saved.get("torch_dtype")) == "bfloat16" else "f16"
    events.progress(1, phases, unit="phases", note="Converting to GGUF")
    master = work / f"master-{kind}.gguf"
    convert.convert(merged, master, kind=kind, name=config["name"])
    shutil.rmtree(merged)
    return master


def calibration_rows(calibration: Mapping[str, Any] | None, base: Path) -> list[list[int]]:
    """Token ids of the first prompts of the calibration rows, as the student sees them; their answers are not looked at."""
    if not calibration:
        return []
    from pipelines.exporters.balance import ROWS
    from pipelines.recipes.answer_tasks import read_rows
    from pipelines.recipes.chat import apply_view
    from pipelines.recipes.train import load_chat

    rows = read_rows(Path(calibration["rows"]))[:ROWS]
    return load_chat(base).encode_prompts([apply_view(row["prompt"], calibration.get("prompt_view")) for row in rows])


def make_file(master: Path, file: Path, *, quantisation: str, work: Path, threads: int | None) -> None:
    """One result file, made once; what llama.cpp said of it is kept in ``work``."""
    from pipelines.exporters import convert

    if file.is_file():
        return
    if quantisation == "F16" and master.stem.endswith("-f16"):
        partial = file.with_name(file.name + ".partial")
        shutil.copyfile(master, partial)
        partial.rename(file)
        return
    notes = convert.quantise(master, work / file.name, ftype=quantisation, threads=threads)
    (work / f"notes-{quantisation}.json").write_text(json.dumps(notes), encoding="utf-8")
    os.replace(work / file.name, file)


def read_notes(work: Path, quantisation: str) -> list[str]:
    """What llama.cpp said while making a file."""
    path = work / f"notes-{quantisation}.json"
    return list(json.loads(path.read_text("utf-8"))) if path.is_file() else []


def write_texts(record: Mapping[str, Any], out: Path, *, base: Path) -> None:
    """Modelfile, model card and, last, ``export.json``."""
    from jinja2 import TemplateError

    from pipelines.exporters import card
    from pipelines.recipes.train import load_chat

    chat = load_chat(base)

    def render(messages: list[card.Message], generate: bool) -> str:
        try:
            return chat.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=generate)
        except TemplateError as problem:
            raise ValueError(str(problem)) from problem

    turns = card.take_apart(render, bos=chat.tokenizer.bos_token or "")
    adds_bos = bool(getattr(chat.tokenizer, "add_bos_token", False))
    text = card.modelfile(
        record["files"][0]["name"],
        template=None if turns is None else card.ollama_template(turns, adds_bos=adds_bos),
        system=record.get("system"),
        stops=[chat.tokenizer.convert_ids_to_tokens(chat.end_id)],
    )
    (out / "Modelfile").write_text(text, encoding="utf-8")
    write_record(record, out)


def write_record(record: Mapping[str, Any], out: Path) -> None:
    """The model card and ``export.json``, which is replaced whole."""
    from pipelines.exporters.card import model_card

    (out / "README.md").write_text(model_card(record), encoding="utf-8")
    partial = out / (EXPORT_FILE + ".partial")
    partial.write_text(json.dumps(record, indent=1, ensure_ascii=False), encoding="utf-8")
    partial.rename(out / EXPORT_FILE)


def main(config: dict[str, Any], events: Events) -> dict[str, Any]:
    """The child: make the files; returns ``export.json``'s content."""
    return GgufExporter().export(config, events)


if __name__ == "__main__":
    run_main(main)

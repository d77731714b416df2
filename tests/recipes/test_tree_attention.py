"""Packed equals padded: loss, gradients and log-probabilities, for the attention kinds that models have."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    GPT2Config,
    MambaConfig,
    MistralConfig,
    PreTrainedConfig,
    Qwen3Config,
)

from pipelines.recipes import lora, prefix_tree
from pipelines.recipes.batches import pack
from pipelines.recipes.edge_loss import Edges, edge_logprobs, edge_loss, head_of
from pipelines.recipes.prefix_tree import Sequence, build
from pipelines.recipes.tree_attention import hidden_states, tree_attention, why_not
from tests.recipes import tiny

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")

SMALL: dict[str, Any] = {
    "vocab_size": 320,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "initializer_range": 0.2,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}


def make(config: PreTrainedConfig) -> Any:
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32)


def rows() -> list[Sequence]:
    """A long shared beginning, several answers to one prompt, one row apart, one row twice."""
    generator = torch.Generator().manual_seed(1)

    def some(n: int) -> list[int]:
        return torch.randint(3, 320, (n,), generator=generator).tolist()

    system, question = some(20), some(6)
    same = [*system, *question]
    found = [Sequence(same + some(n), first=len(same)) for n in (1, 4, 4)]
    found += [Sequence(system + some(7), first=23), Sequence(some(30), first=9, weight=0.5), found[1]]
    return found


def loss_of(model: Any, sequences: list[Sequence], *, share: bool, budget: int = 10_000) -> torch.Tensor:
    total = torch.zeros(())
    weight = 0.0
    for packed in pack(sequences, budget=budget, share=share):
        if packed.tree is not None:
            with tree_attention(model):
                hidden = hidden_states(model, packed.tree)
        else:
            out = model.base_model(input_ids=packed.padded.ids, attention_mask=packed.padded.mask, use_cache=False)
            hidden = out.last_hidden_state.flatten(0, 1)
        total = total + edge_loss(hidden, packed.edges, head_of(model), frozen=False)
        weight += float(packed.edges.weights.sum())
    return total / weight


def reference_loss(model: Any, sequences: list[Sequence]) -> torch.Tensor:
    """The textbook loss, one row at a time, through the model's own head."""
    total, weight = torch.zeros(()), 0.0
    for s in sequences:
        ids = torch.tensor([list(s.ids)])
        logits = model(input_ids=ids, use_cache=False).logits[0, s.first - 1 : -1]
        total = total + s.weight * torch.nn.functional.cross_entropy(logits, ids[0, s.first :], reduction="sum")
        weight += s.weight * (len(s.ids) - s.first)
    return total / weight


CONFIGS = {
    "grouped queries": lambda: tiny.make_model().config,
    "sliding window": lambda: MistralConfig(**SMALL, sliding_window=5),
    "sliding and full layers": lambda: Gemma3TextConfig(
        **SMALL, sliding_window=5, layer_types=["sliding_attention", "full_attention"]
    ),
    "normalised queries": lambda: Qwen3Config(**SMALL),
    "learnt positions": lambda: GPT2Config(
        vocab_size=320, n_embd=64, n_layer=2, n_head=4, bos_token_id=1, eos_token_id=2
    ),
}


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("block", [8, 256])
def test_packed_and_padded_have_the_same_loss_and_gradients(
    kind: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefix_tree, "BLOCK", block)
    model = make(CONFIGS[kind]()).eval()
    gradients = []
    losses = [reference_loss(model, rows()), loss_of(model, rows(), share=False), loss_of(model, rows(), share=True)]
    for loss in losses:
        model.zero_grad()
        loss.backward()
        gradients.append({n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None})
    assert losses[0].item() == pytest.approx(losses[1].item(), abs=1e-5)
    assert losses[0].item() == pytest.approx(losses[2].item(), abs=1e-5)
    for name, expected in gradients[0].items():
        torch.testing.assert_close(
            gradients[2][name], expected, atol=2e-5, rtol=2e-4, msg=lambda m, n=name: f"{n}: {m}"
        )


def test_several_small_passes_give_the_gradient_of_one_large_pass() -> None:
    model = make(CONFIGS["grouped queries"]()).eval()
    whole, parts = loss_of(model, rows(), share=True), loss_of(model, rows(), share=True, budget=34)
    assert len(pack(rows(), budget=34, share=True)) > 1
    assert whole.item() == pytest.approx(parts.item(), abs=1e-5)


def test_a_frozen_head_gives_the_same_loss_and_gradient_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.recipes.edge_loss.CHUNK", 3)
    model = make(CONFIGS["grouped queries"]()).eval().requires_grad_(False)
    tree = build(rows())
    edges = Edges(tree.parents, tree.children, tree.weights)
    with tree_attention(model):
        hidden = hidden_states(model, tree)
    a, b = hidden.clone().requires_grad_(True), hidden.clone().requires_grad_(True)
    frozen, plain = (edge_loss(x, edges, head_of(model), frozen=f) for x, f in ((a, True), (b, False)))
    (frozen / 7).backward()
    (plain / 7).backward()
    torch.testing.assert_close(frozen, plain)
    torch.testing.assert_close(a.grad, b.grad)


def test_labels_are_scored_in_one_forward_as_they_are_alone() -> None:
    model = make(CONFIGS["grouped queries"]()).eval()
    prompts, labels = [[5, 6, 7, 8], [5, 6, 9]], [[11, 2], [11, 12, 2], [13, 2]]
    pairs = [Sequence(p + x, first=len(p)) for p in prompts for x in labels]
    tree = build(pairs)
    with torch.no_grad(), tree_attention(model):
        found = edge_logprobs(
            hidden_states(model, tree), Edges(tree.parents, tree.children, tree.weights), head_of(model)
        )
    for pair, span in zip(pairs, tree.spans, strict=True):
        alone = -reference_loss(model, [pair]) * (len(pair.ids) - pair.first)
        assert found[span].sum().item() == pytest.approx(alone.item(), abs=1e-4)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (Gemma2Config(**SMALL), "softcap"),
        (MambaConfig(vocab_size=320, hidden_size=32, num_hidden_layers=1), "linear_attention"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_model_that_cannot_share_says_why(config: PreTrainedConfig, reason: str) -> None:
    assert reason in (why_not(make(config)) or "")


def test_a_model_that_carries_a_state_from_token_to_token_is_found_out() -> None:
    model = make(CONFIGS["grouped queries"]())
    assert why_not(model) is None
    assert model.config._attn_implementation == "sdpa"
    mlp = model.model.layers[0].mlp
    forward = mlp.forward
    mlp.forward = lambda x: forward(x) + 0.1 * x.cumsum(dim=1)
    assert "differ" in (why_not(model) or "")


def test_the_fused_adapter_layers_give_pefts_results() -> None:
    sequences = rows()
    results = []
    for fused in (False, True):
        model = lora.attach(make(CONFIGS["grouped queries"]()), rank=4, alpha=8, dropout=0.0, seed=3)
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(len(name)))
        if fused:
            assert lora.accelerate_layers(model) == 14
        loss = loss_of(model.get_base_model(), sequences, share=True)
        loss.backward()
        results.append((loss.detach(), {n: p.grad for n, p in model.named_parameters() if p.grad is not None}))
    torch.testing.assert_close(results[0][0], results[1][0])
    assert len(results[0][1]) == 28
    for name, gradient in results[0][1].items():
        torch.testing.assert_close(results[1][1][name], gradient, atol=1e-5, rtol=1e-4)


def test_layers_with_dropout_keep_pefts_forward() -> None:
    model = lora.attach(make(CONFIGS["grouped queries"]()), rank=4, alpha=8, dropout=0.1, seed=3)
    assert lora.accelerate_layers(model) == 0

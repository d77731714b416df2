"""Evening out channels: the same model, kinder to 8-bit arithmetic, and put back where it would not be the same."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pipelines.exporters.balance import balance
from tests.recipes import tiny

ROWS = [[1, 5, 9, 30, 42, 77, 12], [1, 8, 100, 101, 102], [3, 2, 1]]


def outlying(model: Any) -> Any:
    """A model with channels far larger than the others, as trained models have."""
    with torch.no_grad():
        for layer in model.model.layers:
            layer.input_layernorm.weight[3] = 40.0
            layer.mlp.up_proj.weight[5] *= 50
    return model.eval()


def rounded_to_8_bits(model: Any) -> torch.Tensor:
    """Logits when every linear layer's input is rounded to 8 bits in blocks of 32, as llama.cpp does."""

    def round_input(module: Any, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        blocks = inputs[0].reshape(*inputs[0].shape[:-1], -1, 32)
        step = blocks.abs().amax(-1, keepdim=True).clamp_min(1e-9) / 127
        return (((blocks / step).round() * step).reshape(inputs[0].shape),)

    linears = [m for layer in model.model.layers for m in layer.modules() if isinstance(m, torch.nn.Linear)]
    hooks = [module.register_forward_pre_hook(round_input) for module in linears]
    with torch.no_grad():
        logits = torch.cat([model(input_ids=torch.tensor([row])).logits[0] for row in ROWS])
    for hook in hooks:
        hook.remove()
    return logits


def exact(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return torch.cat([model(input_ids=torch.tensor([row])).logits[0] for row in ROWS])


def test_the_model_computes_the_same_and_rounding_hurts_it_less() -> None:
    model = outlying(tiny.make_model())
    before = exact(model)
    hurt = float((rounded_to_8_bits(model) - before).norm())
    assert balance(model, ROWS)
    torch.testing.assert_close(exact(model), before, atol=1e-3, rtol=1e-3)
    assert float((rounded_to_8_bits(model) - before).norm()) < 0.7 * hurt


def test_a_model_that_would_change_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    model = outlying(tiny.make_model())
    for layer in model.model.layers:  # a norm that adds one to its weight, as Gemma's does
        norm = layer.input_layernorm
        monkeypatch.setattr(norm, "forward", lambda x, norm=norm: x * (1 + norm.weight))
    before = exact(model)
    assert not balance(model, ROWS)
    torch.testing.assert_close(exact(model), before, atol=1e-3, rtol=1e-3)


def test_without_rows_or_with_unusual_layers_nothing_is_done() -> None:
    model = outlying(tiny.make_model())
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    assert not balance(model, [])
    del model.model.layers[1].mlp.gate_proj
    assert not balance(model, ROWS)
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())

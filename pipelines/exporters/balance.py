"""Evening out the channels that 8-bit arithmetic would treat unevenly, without changing what the model computes.

llama.cpp multiplies quantised weights with inputs that it rounds to 8 bits in blocks of 32 on the way. A channel much larger than its
neighbours leaves them few steps. So each input channel is divided by a factor, and the weights that read it are multiplied
by the same; the division goes into the norm or the matrix that writes the channel. The product is the same number, the ranges
are not (SmoothQuant, Xiao et al. 2023, arXiv:2211.10438, with strength 0.5). Files get no larger.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

STRENGTH = 0.5
ROWS = 64
"""Most rows used to see how large channels get."""
LONGEST = 512
ALLOWED = 1e-4
"""Most relative change of the logits that fp32 rounding explains."""
PARTS = {
    "input_layernorm",
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "post_attention_layernorm",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
}
Change = tuple[torch.Tensor, torch.Tensor]
"""A parameter, and the factor it is multiplied by (broadcast)."""


@torch.no_grad()
def balance(model: Any, rows: Sequence[Sequence[int]]) -> bool:
    """Even out ``model`` (fp32, merged) by the inputs that token ``rows`` cause. Returns whether it was done.

    Only for models whose layers have the usual parts (Llama, Qwen, Mistral, SmolLM…). Whether it may be done is not looked up
    but tried: when the logits of a row change, everything is put back.
    """
    rows = [list(row[-LONGEST:]) for row in rows[:ROWS] if row]
    layers = getattr(model.base_model, "layers", None)
    if not rows or layers is None or not all(_has_parts(layer) for layer in layers):
        return False
    probe = torch.tensor([rows[0]])
    before = model(input_ids=probe).logits
    largest = _largest_inputs(layers, lambda: [model(input_ids=torch.tensor([row])) for row in rows])
    changes = [change for layer in layers for change in _changes(layer, largest, model.config)]
    for parameter, factor in changes:
        parameter.mul_(factor)
    after = model(input_ids=probe).logits
    if float((after - before).abs().max()) <= ALLOWED * float(before.abs().max()):
        return True
    for parameter, factor in changes:
        parameter.div_(factor)
    return False


def _has_parts(layer: Any) -> bool:
    found = {name for name, _ in layer.named_modules()}
    return found >= PARTS


def _largest_inputs(layers: Any, run: Callable[[], Any]) -> dict[Any, torch.Tensor]:
    """The largest absolute value of every input channel of the layers' linear modules, over ``run``."""
    largest: dict[Any, torch.Tensor] = {}

    def see(module: Any, inputs: tuple[Any, ...]) -> None:
        top = inputs[0].reshape(-1, inputs[0].shape[-1]).abs().amax(0)
        largest[module] = torch.maximum(largest[module], top) if module in largest else top

    modules = [m for layer in layers for m in layer.modules() if isinstance(m, torch.nn.Linear)]
    hooks = [module.register_forward_pre_hook(see) for module in modules]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    return largest


def _factor(inputs: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """What to divide each channel by, from the largest input and the largest weight of each; their geometric mean is 1."""
    factor = inputs.clamp_min(1e-5) ** STRENGTH / weights.clamp_min(1e-5) ** (1 - STRENGTH)
    return factor / factor.log().mean().exp()


def _changes(layer: Any, largest: dict[Any, torch.Tensor], config: Any) -> list[Change]:
    attention, mlp = layer.self_attn, layer.mlp
    changes: list[Change] = []
    readers = (attention.q_proj, attention.k_proj, attention.v_proj)
    for norm, linears in (
        (layer.input_layernorm, readers),
        (layer.post_attention_layernorm, (mlp.gate_proj, mlp.up_proj)),
    ):
        weights = torch.stack([linear.weight.abs().amax(0) for linear in linears]).amax(0)
        factor = _factor(largest[linears[0]], weights)
        changes += [(norm.weight, 1 / factor), *((linear.weight, factor) for linear in linears)]
    factor = _factor(largest[mlp.down_proj], mlp.down_proj.weight.abs().amax(0))
    changes += _written_by(mlp.up_proj, 1 / factor)
    changes.append((mlp.down_proj.weight, factor))
    # Query heads that share a key-value head share its channels.
    group = config.num_attention_heads // config.num_key_value_heads
    width = attention.o_proj.in_features // config.num_attention_heads
    inputs = largest[attention.o_proj].view(-1, group, width).amax(1).flatten()
    weights = attention.o_proj.weight.abs().amax(0).view(-1, group, width).amax(1).flatten()
    factor = _factor(inputs, weights)
    changes += _written_by(attention.v_proj, 1 / factor)
    changes.append((attention.o_proj.weight, factor.view(-1, 1, width).expand(-1, group, width).flatten()))
    return changes


def _written_by(linear: Any, factor: torch.Tensor) -> list[Change]:
    changes = [(linear.weight, factor[:, None])]
    return changes if linear.bias is None else [*changes, (linear.bias, factor)]

"""LoRA on a frozen base: attach an fp32 adapter with PEFT, and compute its layers without needless copies.

PEFT's layer turns its input, which is bf16, into fp32 for the adapter, multiplies, scales, adds and casts back: on a CPU
those passes over memory cost more than the products. Here a layer is one autograd function that computes
``x Wᵀ + scale · (x Aᵀ) Bᵀ`` in the base's precision, adds in place and keeps only ``x`` and ``x Aᵀ``. Parameters,
gradients and optimiser state stay in fp32, as in mixed-precision training.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from torch.autograd.function import once_differentiable

TARGETS = "all-linear"


class _FrozenLinearLora(torch.autograd.Function):
    """``x`` [t, in], frozen ``weight`` [out, in], ``a`` [r, in], ``b`` [out, r] → [t, out]."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: Any, a: torch.Tensor, b: torch.Tensor, s: float
    ) -> Any:
        low = x @ a.to(x.dtype).t()
        out = torch.nn.functional.linear(x, weight, bias)
        ctx.save_for_backward(x, weight, a, b, low)
        ctx.scale = s
        return out.addmm_(low, (b * s).to(x.dtype).t())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        x, weight, a, b, low = ctx.saved_tensors
        grad_low, grad_a, grad_b = _adapter_gradients(x, a, b, low, grad, ctx.scale)
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = (grad @ weight).addmm_(grad_low, a.to(x.dtype))
        return grad_x, None, None, grad_a, grad_b, None


class _AddLora(torch.autograd.Function):
    """Adds the adapter's part to ``base`` [t, out], for base layers that compute in their own way (4-bit)."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, base: torch.Tensor, a: torch.Tensor, b: torch.Tensor, s: float) -> Any:
        low = x @ a.to(x.dtype).t()
        ctx.save_for_backward(x, a, b, low)
        ctx.scale = s
        return torch.addmm(base, low, (b * s).to(x.dtype).t())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        x, a, b, low = ctx.saved_tensors
        grad_low, grad_a, grad_b = _adapter_gradients(x, a, b, low, grad, ctx.scale)
        grad_x = grad_low @ a.to(x.dtype) if ctx.needs_input_grad[0] else None
        return grad_x, grad, grad_a, grad_b, None


def _adapter_gradients(
    x: torch.Tensor, a: torch.Tensor, b: torch.Tensor, low: torch.Tensor, grad: torch.Tensor, scale: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    grad_low = grad @ (b * scale).to(x.dtype)
    grad_a = (grad_low.t() @ x).to(a.dtype)
    grad_b = (grad.t() @ low).to(b.dtype).mul_(scale)
    return grad_low, grad_a, grad_b


def _forward(self: Any, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    """Replaces ``forward`` of one PEFT layer."""
    if self.disable_adapters or self.merged or args or kwargs:
        return type(self).forward(self, x, *args, **kwargs)
    name = self.active_adapters[0]
    a, b, scale = self.lora_A[name].weight, self.lora_B[name].weight, self.scaling[name]
    base = self.get_base_layer()
    flat = x.reshape(-1, x.shape[-1])
    if type(base) is torch.nn.Linear and base.weight.dtype == x.dtype:
        out = _FrozenLinearLora.apply(flat, base.weight, base.bias, a, b, scale)
    else:
        out = _AddLora.apply(flat, base(x).reshape(flat.shape[0], -1), a, b, scale)
    return out.view(*x.shape[:-1], -1)


def attach(model: Any, *, rank: int, alpha: float, dropout: float, seed: int) -> Any:
    """``model`` with a fresh fp32 adapter on every linear layer but the head. Its own weights are frozen."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=TARGETS, task_type="CAUSAL_LM")
    wrapped = get_peft_model(model, config)
    for parameter in wrapped.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return wrapped


def accelerate_layers(model: Any) -> int:
    """Make every plain LoRA layer of a PEFT model use the fused function; returns how many.

    Layers with dropout, DoRA or other variants, a bias in the adapter, or several adapters keep PEFT's own forward.
    """
    from peft.tuners.lora.layer import Linear, LoraLayer

    kinds = (Linear, *_four_bit())
    layers: list[Any] = [
        m for m in model.modules() if isinstance(m, LoraLayer) and isinstance(m, kinds) and _is_plain(m)
    ]
    for layer in layers:
        layer.forward = MethodType(_forward, layer)
    return len(layers)


def _is_plain(layer: Any) -> bool:
    if len(layer.active_adapters) != 1 or getattr(layer, "fan_in_fan_out", False):
        return False
    name = layer.active_adapters[0]
    if name not in layer.lora_A or layer.lora_variant.get(name) is not None or layer.lora_bias.get(name):
        return False
    base = layer.get_base_layer()
    frozen = not any(p.requires_grad for p in base.parameters())
    return frozen and getattr(layer.lora_dropout[name], "p", 0.0) == 0.0


def _four_bit() -> tuple[type, ...]:
    try:
        from peft.tuners.lora.bnb import Linear4bit
    except ImportError:
        return ()
    return (Linear4bit,)

"""The output head, the loss and log-probabilities, only at the positions that have a supervised edge.

The head is applied in pieces of :data:`CHUNK` positions. When it is frozen, as in LoRA, the loss's gradient with respect
to the hidden states is computed in the forward pass, piece by piece, so the logits of a whole batch never exist at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch.autograd.function import once_differentiable

CHUNK = 512

Head = Callable[[torch.Tensor], torch.Tensor]


class Edges(NamedTuple):
    """Position in ``hidden`` → token to predict, with its weight. Three tensors of one length."""

    parents: torch.Tensor
    children: torch.Tensor
    weights: torch.Tensor


def head_of(model: torch.nn.Module) -> Head:
    """Hidden states → logits, for a causal language model: its output layer and what the config says happens after."""
    config = model.config.get_text_config()
    head = model.get_output_embeddings()
    cap = getattr(config, "final_logit_softcapping", None)
    times = getattr(config, "logit_scale", None)
    divide = getattr(config, "logits_scaling", None)
    if not (cap or times or divide):
        return head

    def apply(hidden: torch.Tensor) -> torch.Tensor:
        logits = head(hidden)
        logits = logits * times if times else logits
        logits = logits / divide if divide else logits
        return torch.tanh(logits / cap) * cap if cap else logits

    return apply


def _pieces(parents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """``(unique positions, index of each edge's position among them)``."""
    return torch.unique(parents, return_inverse=True)


class _FrozenHeadLoss(torch.autograd.Function):
    """Sum over edges of weight × cross-entropy, for a head whose weights need no gradient."""

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, edges: Edges, head: Head) -> torch.Tensor:
        positions, where = _pieces(edges.parents)
        selected = hidden.detach()[positions]
        gradient = torch.empty_like(selected)
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        for start in range(0, len(positions), CHUNK):
            mine = torch.nonzero((where >= start) & (where < start + CHUNK)).flatten()
            local, child, weight = where[mine] - start, edges.children[mine], edges.weights[mine]
            with torch.enable_grad():
                piece = selected[start : start + CHUNK].requires_grad_(True)
                raw = head(piece)
            logits = raw.detach().float()
            lse = torch.logsumexp(logits, dim=-1)
            total += ((lse[local] - logits[local, child]) * weight).sum()
            mass = torch.zeros(len(logits), device=logits.device).index_add_(0, local, weight)
            probabilities = logits.sub_(lse[:, None]).exp_().mul_(mass[:, None])
            probabilities.index_put_((local, child), -weight, accumulate=True)
            (gradient[start : start + CHUNK],) = torch.autograd.grad(raw, piece, probabilities.to(raw.dtype))
        ctx.save_for_backward(positions, gradient)
        ctx.shape = hidden.shape
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        positions, gradient = ctx.saved_tensors
        out = gradient.new_zeros(ctx.shape)
        out[positions] = gradient * grad.to(gradient.dtype)
        return out, None, None


def edge_loss(hidden: torch.Tensor, edges: Edges, head: Head, *, frozen: bool) -> torch.Tensor:
    """Sum over edges of weight × cross-entropy in fp32 (divide by the weights' sum for the mean).

    ``hidden`` [n, width]; ``frozen`` says that the head's own weights are not trained.
    """
    if frozen and hidden.requires_grad:
        return _FrozenHeadLoss.apply(hidden, edges, head)
    return -(edge_logprobs(hidden, edges, head) * edges.weights).sum()


def edge_logprobs(hidden: torch.Tensor, edges: Edges, head: Head) -> torch.Tensor:
    """Log-probability [e] in fp32 of each edge's token at its position."""
    positions, where = _pieces(edges.parents)
    out = torch.zeros(len(edges.parents), dtype=torch.float32, device=hidden.device)
    for start in range(0, len(positions), CHUNK):
        mine = torch.nonzero((where >= start) & (where < start + CHUNK)).flatten()
        logits = head(hidden[positions[start : start + CHUNK]]).float()
        local = where[mine] - start
        found = logits[local, edges.children[mine]] - torch.logsumexp(logits, dim=-1)[local]
        out = out.index_add(0, mine, found)
    return out

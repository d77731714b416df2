"""Attention over a prefix tree, and how a Transformers model is made to use it.

The function is registered with Transformers under :data:`NAME`; the tree travels through the model's keyword arguments.
Each block of queries is two matrix products per key-value head: the query heads that share one are stacked, so nothing is
repeated for grouped-query attention, and only keys that some query of the block can see are read. On the CPU this is three
times as fast as scaled-dot-product attention under a dense tree mask.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.autograd.function import once_differentiable
from transformers import AttentionInterface

from pipelines.recipes.prefix_tree import Block, Sequence, Tree, build

NAME = "prefix_tree"
PLAIN_LAYERS = {"full_attention", "sliding_attention"}


class TreeAttention(torch.autograd.Function):
    """``q`` [H, n, D], ``k`` and ``v`` [K, n, D] with H a multiple of K → output [n, H, D].

    Probabilities are computed again in the backward pass instead of being kept: memory stays linear in ``n``.
    """

    @staticmethod
    def forward(ctx: Any, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, blocks: list[Block], scale: float) -> Any:
        kv, heads, dim = k.shape[0], q.shape[0], q.shape[-1]
        grouped = (q * scale).view(kv, heads // kv, -1, dim)
        out = v.new_empty(q.shape[1], heads, v.shape[-1])
        view = out.view(-1, kv, heads // kv, v.shape[-1])
        for block in blocks:
            qb = grouped[:, :, block.start : block.stop].reshape(kv, -1, dim)
            p = _probabilities(qb, _take(k, block), block.mask)
            ob = torch.bmm(p, _take(v, block)).view(kv, heads // kv, block.stop - block.start, -1)
            view[block.start : block.stop] = ob.permute(2, 0, 1, 3)
        ctx.save_for_backward(grouped, k, v)
        ctx.blocks, ctx.scale = blocks, scale
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        grouped, k, v = ctx.saved_tensors
        kv, group, n, dim = grouped.shape
        dq = torch.empty_like(grouped)
        dk = torch.zeros(k.shape, dtype=torch.float32, device=k.device)
        dv = torch.zeros(v.shape, dtype=torch.float32, device=k.device)
        grads = grad.view(n, kv, group, -1)
        for block in ctx.blocks:
            rows = block.stop - block.start
            qb = grouped[:, :, block.start : block.stop].reshape(kv, -1, dim)
            kb, vb = _take(k, block), _take(v, block)
            p = _probabilities(qb, kb, block.mask)
            gb = grads[block.start : block.stop].permute(1, 2, 0, 3).reshape(kv, group * rows, -1)
            _add(dv, block, torch.bmm(p.transpose(1, 2), gb))
            dp = torch.bmm(gb, vb.transpose(1, 2))
            ds = torch._softmax_backward_data(dp, p, -1, p.dtype)
            dq[:, :, block.start : block.stop] = torch.bmm(ds, kb).view(kv, group, rows, dim)
            _add(dk, block, torch.bmm(ds.transpose(1, 2), qb))
        return dq.view(kv * group, n, dim).mul_(ctx.scale), dk.to(k.dtype), dv.to(v.dtype), None, None


def _probabilities(q: torch.Tensor, k: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Softmax of masked scores: ``q`` [K, G * rows, D] (scaled), ``k`` [K, keys, D] → [K, G * rows, keys]."""
    scores = torch.bmm(q, k.transpose(1, 2))
    scores.view(k.shape[0], -1, *mask.shape).add_(mask)
    return torch.softmax(scores, dim=-1)


def _take(x: torch.Tensor, block: Block) -> torch.Tensor:
    return x[:, block.span[0] : block.span[1]] if block.span else x.index_select(1, block.keys)


def _add(total: torch.Tensor, block: Block, part: torch.Tensor) -> None:
    if block.span:
        total[:, block.span[0] : block.span[1]] += part
    else:
        total.index_add_(1, block.keys, part.to(total.dtype))


def attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float | None = None,
    sliding_window: int | None = None,
    tree: Tree | None = None,
    **extra: Any,
) -> tuple[torch.Tensor, None]:
    """The function Transformers calls: ``query`` [1, H, n, D], ``key`` and ``value`` [1, K, n, D] → [1, n, H, D]."""
    if tree is None:
        raise ValueError("The model did not hand the prefix tree on to its attention layers")
    for name in ("softcap", "s_aux", "position_bias"):
        if extra.get(name) is not None:
            raise ValueError(f"Attention with {name} cannot be packed")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    blocks = tree.blocks(sliding_window, query.dtype)
    out = TreeAttention.apply(query[0], key[0], value[0], blocks, scale)
    return out.unsqueeze(0), None


AttentionInterface.register(NAME, attention)


@contextmanager
def tree_attention(model: torch.nn.Module) -> Iterator[None]:
    """Inside, ``model`` (a Transformers model, not its PEFT wrapper) expects a tree. Its own attention is put back after."""
    before = model.config._attn_implementation
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def hidden_states(model: torch.nn.Module, tree: Tree) -> torch.Tensor:
    """Last hidden states [n, width] of a packed batch. ``model`` is a causal language model inside ``tree_attention``."""
    backbone = model.base_model
    out = backbone(input_ids=tree.ids[None], position_ids=tree.depth[None], tree=tree, use_cache=False)
    return out.last_hidden_state[0]


def why_not(model: torch.nn.Module) -> str | None:
    """Why this model cannot share prefixes, in words for the user; None when it can. Runs the model on a few tokens.

    Models that carry a state from token to token cannot; of the others, each is tried: three short sequences are computed
    packed and alone, and must agree.
    """
    config = model.config.get_text_config()
    layers = set(getattr(config, "layer_types", None) or ["full_attention"])
    if layers - PLAIN_LAYERS:
        return f"it has layers of the kind {', '.join(sorted(layers - PLAIN_LAYERS))}"
    if not getattr(model, "_supports_attention_backend", False):
        return "its attention cannot be replaced"
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, config.vocab_size, (3, 13), generator=generator)
    ids[1:, :5] = ids[0, :5]
    ids[2, :8] = ids[1, :8]
    try:
        error = _disagreement(model, ids)
    except (ValueError, TypeError, AttributeError, RuntimeError) as problem:
        return f"packing a sample failed ({str(problem).splitlines()[0][:200]})"
    allowed = 1e-3 if model.dtype == torch.float32 else 6e-2
    return None if error < allowed else f"packed and padded outputs differ by {error:.1%} on a sample"


@torch.no_grad()
def _disagreement(model: torch.nn.Module, ids: torch.Tensor) -> float:
    training = model.training
    model.eval()
    device = next(model.parameters()).device
    tree = build([Sequence(row.tolist(), first=1) for row in ids]).to(device)
    try:
        with tree_attention(model):
            packed = hidden_states(model, tree)
        alone = model.base_model(input_ids=ids.to(device), use_cache=False).last_hidden_state[:, :-1]
    finally:
        model.train(training)
    worst = 0.0
    for row, span in enumerate(tree.spans):
        apart = alone[row].float()
        together = packed[tree.parents[span.to(device)]].float()
        worst = max(worst, float((together - apart).norm() / apart.norm().clamp_min(1e-6)))
    return worst

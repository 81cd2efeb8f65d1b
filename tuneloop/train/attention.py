"""Attention for packed conversations: each one sees itself alone, because nothing else is ever multiplied with it.

No mask over the whole step exists: the work is the sum of the squares of the lengths, not the square of the sum. On a
CPU the backward pass of PyTorch's fused kernel is slower than plain matrix products, so that half is written out here.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as functional

NAME = "tuneloop_packed"
WRITTEN_OUT = 1024  # tokens; above it, the n x n probabilities of the written-out half would take more than they save


def register() -> None:
    """Make the attention known to transformers under ``NAME``."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, packed_attention)


def supports(config: Any) -> bool:
    """Whether a model's attention is plain: full or sliding, without caps, sinks or a recurrent state."""
    text = config.get_text_config()
    kinds = set(getattr(text, "layer_types", None) or ["full_attention"])
    capped = getattr(text, "attn_logit_softcapping", None) or getattr(text, "attention_sink", None)
    recurrent = any(
        hasattr(text, name) for name in ("state_size", "ssm_cfg", "mamba_d_state", "linear_conv_kernel_dim")
    )
    return kinds <= {"full_attention", "sliding_attention"} and not capped and not recurrent


def packed_attention(
    module: torch.nn.Module, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attention_mask: Any = None,
    scaling: float | None = None, dropout: float = 0.0, packed_lengths: list[int] | None = None,
    sliding_window: int | None = None, **kwargs: Any,
) -> tuple[torch.Tensor, None]:  # fmt: skip
    """``query``: (1, heads, tokens, width); ``key``, ``value``: perhaps fewer heads. Returns (1, tokens, heads, width).

    ``packed_lengths``: tokens of each conversation, in order; their sum is ``tokens``.
    """
    lengths = packed_lengths or [query.shape[2]]
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    if sum(lengths) != query.shape[2] or query.shape[0] != 1 or dropout:
        raise ValueError("packed attention takes one row, the lengths of its parts, and no dropout")
    if kwargs.get("softcap") or kwargs.get("s_aux") is not None:
        raise ValueError("packed attention has no soft cap and no sinks")
    if sliding_window and max(lengths) > sliding_window:
        parts = [windowed(q, k, v, scale, sliding_window) for q, k, v in split(lengths, query, key, value)]
        out = torch.cat(parts, dim=2)
    elif query.device.type == "cpu" and torch.is_grad_enabled():
        out = Packed.apply(query, key, value, lengths, scale)
    else:
        out = torch.cat([causal(q, k, v, scale) for q, k, v in split(lengths, query, key, value)], dim=2)
    return out.transpose(1, 2).contiguous(), None


def split(lengths: list[int], *tensors: torch.Tensor) -> Any:
    return zip(*(tensor.split(lengths, dim=2) for tensor in tensors), strict=True)


def causal(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float) -> torch.Tensor:
    return functional.scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale, enable_gqa=True)


def windowed(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float, window: int) -> torch.Tensor:
    n = query.shape[2]
    seen = torch.ones(n, n, dtype=torch.bool, device=query.device).tril().triu(1 - window)
    return functional.scaled_dot_product_attention(query, key, value, attn_mask=seen, scale=scale, enable_gqa=True)


class Packed(torch.autograd.Function):
    """Causal attention over each part; the backward pass recomputes the probabilities of one part at a time."""

    @staticmethod
    def forward(ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, lengths: list[int],
                scale: float) -> torch.Tensor:  # fmt: skip
        out = torch.cat([causal(q, k, v, scale) for q, k, v in split(lengths, query, key, value)], dim=2)
        ctx.save_for_backward(query, key, value, out)
        ctx.lengths, ctx.scale = lengths, scale
        return out

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        query, key, value, out = ctx.saved_tensors
        parts = []
        for q, k, v, o, g in split(ctx.lengths, query, key, value, out, grads[0]):
            gradient = written_out if q.shape[2] <= WRITTEN_OUT else fused
            parts.append(gradient(q, k, v, o, g, ctx.scale))
        return *(torch.cat(tensors, dim=2) for tensors in zip(*parts, strict=True)), None, None


def fused(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, out: torch.Tensor, grad: torch.Tensor, scale: float
) -> tuple[torch.Tensor, ...]:
    """Gradients by PyTorch's own kernel: slower on a CPU, in constant memory."""
    inputs = [tensor.detach().requires_grad_() for tensor in (query, key, value)]
    with torch.enable_grad():
        again = causal(inputs[0], inputs[1], inputs[2], scale)
    return torch.autograd.grad(again, inputs, grad)


def written_out(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, out: torch.Tensor, grad: torch.Tensor, scale: float
) -> tuple[torch.Tensor, ...]:
    """Gradients of one part. Query heads that share a key head are stacked, so that one product serves them all."""
    _, heads, n, width = query.shape
    groups = key.shape[1]
    shape = (groups, heads // groups * n, width)
    q, o, g = (tensor.reshape(shape) for tensor in (query, out, grad))
    k, v = key[0], value[0]
    future = torch.full((n, n), float("-inf"), dtype=q.dtype).triu_(1).repeat(heads // groups, 1)
    weights = torch.baddbmm(future.expand(groups, -1, -1), q, k.transpose(1, 2), alpha=scale)
    weights = weights.softmax(-1, dtype=torch.float32).to(q.dtype)
    grad_v = torch.bmm(weights.transpose(1, 2), g)
    row = (g.float() * o.float()).sum(-1, keepdim=True).to(q.dtype)
    grad_scores = torch.bmm(g, v.transpose(1, 2)).sub_(row).mul_(weights).mul_(scale)
    grad_q = torch.bmm(grad_scores, k).view(query.shape)
    return grad_q, torch.bmm(grad_scores.transpose(1, 2), q)[None], grad_v[None]

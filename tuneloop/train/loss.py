"""Cross-entropy over the learned tokens only, without ever holding all their logits.

The output layer is frozen, so the gradient of a chunk's loss with respect to its hidden states is known as soon as its
logits are; logits live for one chunk. With vocabularies of 49,000 to 152,000 this is most of the memory of a step.
"""

from __future__ import annotations

from typing import Any

import torch

CHUNK_BYTES = 64 * 2**20  # float32 logits of one chunk
# settings of models whose logits are more than hidden states times weights
SCALES = ("final_logit_softcapping", "logit_scale", "logits_scaling", "lm_head_multiplier", "output_multiplier")


class ChunkedCrossEntropy(torch.autograd.Function):
    """Sum over rows of ``-log softmax(hidden @ weight.T)[target]``, each times what its target weighs."""

    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, chunk: int,
        weighs: torch.Tensor | None = None,
    ) -> torch.Tensor:  # fmt: skip
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        grad = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        for start in range(0, len(hidden), chunk):
            part, wanted = hidden[start : start + chunk], targets[start : start + chunk, None]
            logits = (part @ weight.t()).float()
            log_sum = logits.logsumexp(1, keepdim=True)
            losses = log_sum - logits.gather(1, wanted)
            of = None if weighs is None else weighs[start : start + chunk, None]
            total += (losses if of is None else losses * of).sum()
            if grad is not None:
                logits.sub_(log_sum).exp_()
                logits.scatter_add_(1, wanted, torch.full_like(wanted, -1, dtype=logits.dtype))
                if of is not None:
                    logits *= of
                grad[start : start + chunk] = logits.to(weight.dtype) @ weight
        ctx.save_for_backward(*(() if grad is None else (grad,)))
        return total

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        (grad,) = ctx.saved_tensors
        return grad * grads[0].to(grad.dtype), None, None, None, None


def summed_loss(
    hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, weighs: torch.Tensor | None = None
) -> torch.Tensor:
    """The summed cross-entropy of ``hidden`` (tokens, width) against ``targets`` (tokens), in float32.

    ``weighs`` (tokens): what each target counts for; ``None``: each counts for 1.
    """
    chunk = max(1, CHUNK_BYTES // (4 * weight.shape[0]))
    return ChunkedCrossEntropy.apply(hidden, weight, targets, chunk, weighs)


def has_plain_head(model: Any) -> bool:
    """Whether a model's logits are exactly its last hidden states times frozen weights."""
    config, head = model.config.get_text_config(), model.get_output_embeddings()
    scaled = any(getattr(config, name, None) not in (None, 1, 1.0) for name in SCALES)
    return type(head) is torch.nn.Linear and head.bias is None and not head.weight.requires_grad and not scaled


def model_loss(model: Any, base: Any, inputs: dict[str, Any]) -> torch.Tensor:
    """The mean loss of one step. ``base`` is the bare model under the adapter.

    ``inputs``: ``input_ids`` and ``position_ids`` (rows, tokens), ``attention_mask`` or ``packed_lengths``, ``places``
    (indices into the flattened rows of the tokens that predict a learned one), ``targets`` (what they predict) and
    ``weights`` (what each of those counts for, or ``None``: the mean is then a plain one).
    """
    inputs = dict(inputs)
    places, targets, weighs = inputs.pop("places"), inputs.pop("targets"), inputs.pop("weights", None)
    total = len(targets) if weighs is None else weighs.sum()
    if has_plain_head(base):
        hidden = base.get_decoder()(**inputs, use_cache=False).last_hidden_state
        hidden = hidden.flatten(0, 1)[places]
        return summed_loss(hidden, base.get_output_embeddings().weight, targets, weighs) / total
    logits = model(**inputs, use_cache=False).logits.flatten(0, 1)[places]
    if weighs is None:
        return torch.nn.functional.cross_entropy(logits.float(), targets)
    return (torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none") * weighs).sum() / total


def weight_of(inputs: dict[str, Any]) -> float:
    """What the learned tokens of a step weigh together."""
    weighs = inputs.get("weights")
    return len(inputs["targets"]) if weighs is None else float(weighs.sum())

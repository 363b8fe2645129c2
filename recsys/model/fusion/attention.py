"""Cross-attention: the article as a whole asks each of its parts, in several heads."""

import torch
from torch import Tensor, nn

from recsys.model.fusion.shared import Fusion, FusionConfig, softmax_over

HEADS = 4


class AttentionFusion(Fusion):
    """Pools the parts by multi-head attention, each head its own stretch of the embedding.

    A learned query as in Lee et al., Set Transformer, 2019 (pooling by multi-head attention), to which the mean of
    the parts is added, so that what one part gets depends on the others. The parts are the values: each has been
    projected already.
    """

    def __init__(self, config: FusionConfig) -> None:
        super().__init__(config, config.dim)
        if config.dim % HEADS:
            raise ValueError(f"the embedding's dimension {config.dim} must be a multiple of {HEADS}")
        self.kind = nn.Parameter(torch.zeros(len(self.names), config.dim))  # which modality a part is of
        self.key = nn.Linear(config.dim, config.dim, bias=False)  # a bias would move all logits alike
        self.query = nn.Linear(config.dim, config.dim)  # its bias is the learned query

    def fuse(self, parts: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Weights are the attention that each part gets, averaged over the heads."""
        width = self.config.dim // HEADS
        mean = parts.sum(dim=1) / present.sum(dim=1, keepdim=True).clamp(min=1)
        query = self.query(mean).unflatten(1, (HEADS, width))
        keys, values = (vectors.unflatten(2, (HEADS, width)) for vectors in (self.key(parts + self.kind), parts))
        logits = torch.einsum("nhd,nmhd->nhm", query, keys) / width**0.5
        attention = softmax_over(logits, present[:, None, :].expand(logits.shape))  # (n, heads, modalities + 1)
        fused = torch.einsum("nhm,nmhd->nhd", attention, values).flatten(1)
        return fused, attention.mean(dim=1)

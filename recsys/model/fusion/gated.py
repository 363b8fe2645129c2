"""Gated fusion: a sum of the parts, with weights that a gate chooses for each article. The default."""

import torch
from torch import Tensor, nn

from recsys.model.fusion.shared import Fusion, FusionConfig, softmax_over


class GatedFusion(Fusion):
    """Sums the parts with weights that a small network chooses after looking at all of them.

    The weights are a softmax over the modalities that an article has (Arevalo et al., Gated Multimodal Units, 2017,
    with a softmax in place of the sigmoids).
    """

    def __init__(self, config: FusionConfig) -> None:
        super().__init__(config, config.dim)
        self.gate = nn.Sequential(
            nn.Linear(len(self.modalities) * config.dim + len(self.names), config.gate),
            nn.ReLU(),
            nn.Linear(config.gate, len(self.names)),
        )

    def fuse(self, parts: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Weights are what each part is multiplied by. Of the id the gate reads only whether it is there."""
        content, flags = parts[:, :-1].flatten(1), present.to(parts.dtype)
        weights = softmax_over(self.gate(torch.cat([content, flags], dim=1)), present)
        return (weights[:, :, None] * parts).sum(dim=1), weights

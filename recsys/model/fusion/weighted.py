"""Weighted sum: one learned weight for each modality, the same for all articles."""

import torch
from torch import Tensor, nn

from recsys.model.fusion.shared import Fusion, FusionConfig, softmax_over


class WeightedFusion(Fusion):
    """Sums the parts with global weights: a softmax over the modalities that an article has."""

    def __init__(self, config: FusionConfig) -> None:
        super().__init__(config, config.dim)
        self.logits = nn.Parameter(torch.zeros(len(self.names)))

    def fuse(self, parts: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Weights are what each part is multiplied by."""
        weights = softmax_over(self.logits.expand(present.shape), present)
        return (weights[:, :, None] * parts).sum(dim=1), weights

"""Late fusion: a block of the embedding for each modality, so that a score is a sum of per-modality scores."""

import torch
from torch import Tensor, nn

from recsys.model.fusion.shared import SMALLEST, Fusion, FusionConfig, softmax_over

REST = 0.1  # the constant beside a part; trained id embeddings are up to 0.2 long, and beside a 1 would not count


class LateFusion(Fusion):
    """The parts side by side, each brought to length 1 and scaled by the root of its global weight.

    Nothing of one modality enters the block of another but which of them are there. The user tower keeps the blocks
    apart as well (``BlockwiseUserTower``), so user · item = the sum over modalities of user block · item block.
    A constant joins each part before its length is taken, so that an id embedding that learnt nothing yet keeps a
    direction, and a gradient. Places that are left over stay zero.
    """

    def __init__(self, config: FusionConfig) -> None:
        blocks = len(config.dims) + 1
        if config.dim // blocks < 2:
            raise ValueError(f"{blocks} modalities do not fit into an embedding of {config.dim}: make it larger")
        super().__init__(config, config.dim // blocks - 1)
        self.blocks = blocks
        self.logits = nn.Parameter(torch.zeros(blocks))

    def fuse(self, parts: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Weights are the share of each block in the embedding's squared length: of the cosine of equal articles."""
        weights = softmax_over(self.logits.expand(present.shape), present)
        directions = nn.functional.normalize(nn.functional.pad(parts, (0, 1), value=REST), dim=2)
        lengths = weights.clamp(min=SMALLEST).sqrt() * present  # clamped: a root has no gradient at 0
        fused = (lengths[:, :, None] * directions).flatten(1)  # (n, blocks * block)
        return nn.functional.pad(fused, (0, self.config.dim - fused.shape[1])), weights

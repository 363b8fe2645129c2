"""Concatenation and MLP: the parts side by side through a perceptron, which may mix them in any way."""

import torch
from torch import Tensor, nn

from recsys.model.fusion.shared import Fusion, FusionConfig, shares

WIDTH = 2  # hidden units for each dimension of the embedding


class MlpFusion(Fusion):
    """One hidden layer over the concatenated parts; a learned vector stands for what is missing, and a flag says so."""

    others: Tensor  # (modalities + 1, modalities + 1) row i: all parts but i

    def __init__(self, config: FusionConfig) -> None:
        super().__init__(config, config.dim)
        self.register_buffer("others", ~torch.eye(len(self.names), dtype=torch.bool), persistent=False)
        self.missing = nn.Parameter(torch.zeros(len(self.names), config.dim))
        self.layers = nn.Sequential(
            nn.Linear(len(self.names) * (config.dim + 1), WIDTH * config.dim),
            nn.ReLU(),
            nn.Linear(WIDTH * config.dim, config.dim),
        )

    def fuse(self, parts: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Weights by occlusion: how far the embedding moves when a part is taken for missing, as a share.

        While training, nobody asks for more than which are above 0, so what is present counts the same.
        """
        fused = self._mixed(parts, present)
        if self.training:
            return fused, shares(torch.zeros_like(parts[:, :, 0]), present)
        with torch.no_grad():
            moved = [(fused - self._mixed(parts, present & other)).norm(dim=1) for other in self.others]
        return fused, shares(torch.stack(moved, dim=1), present)

    def _mixed(self, parts: Tensor, present: Tensor) -> Tensor:
        filled = torch.where(present[:, :, None], parts, self.missing).flatten(1)
        mixed: Tensor = self.layers(torch.cat([filled, present.to(parts.dtype)], dim=1))
        return mixed * present.any(1, keepdim=True)

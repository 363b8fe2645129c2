"""The two towers as one module: item side, user side, and how the learned and the content score add up."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from recsys.model.fusion import FUSIONS, Fusion, FusionConfig
from recsys.model.user_tower import BlockwiseUserTower, Recency, UserTower, UserTowerConfig, interpolated

PROFILE_FADE = 0.1  # logits by which a click counts less than the next newer one, at the start
SHORTEST = 0.1  # below it a direction means nothing yet: an id that begins at zero would get a gradient without end
NARROWER = 0.8  # the scores of articles without clicks: the highest of many guesses are partly luck
CLICK_KNOTS = 6  # log4 of 1 + clicks: 0, 3, 15, 63, 255, 1023


@dataclass(frozen=True)
class TowerConfig:
    """Everything that decides the shape of the towers besides the modalities and the number of ids."""

    fusion: str = "gated"  # a name in recsys.model.fusion.FUSIONS
    dim: int = 64
    gate: int = 32
    hidden: int = 64
    history: int = 50
    modality_dropout: float = 0.15
    id_dropout: float = 0.2
    temperature: float = 0.15  # of the learned score, at the start
    content: float = 3.0  # weight of the content score, at the start
    faith: float = 3.0  # in the content score of an article without clicks, see ClickBlend


class ClickBlend(nn.Module):
    """Scale of the learned score, weight of the content score and offset, by the clicks known of an article.

    Curves over log clicks. Training also shows articles as if no click of theirs were known, so that the values at 0
    are learnt against articles that are known well. But what reads content has met those articles in other steps, and
    is less right about one that it never met: outside training the content score counts ``faith`` times as much at
    0 clicks, and both scores together ``NARROWER``. Nor are articles that nobody clicked as popular as those:
    ``newcomers`` moves them, see ``recsys.training.newcomers``.
    """

    newcomers: Tensor  # ()

    def __init__(self, content: float, faith: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(CLICK_KNOTS))  # logarithms, as are the next
        self.content = nn.Parameter(torch.full((CLICK_KNOTS,), content).log())
        self.offset = nn.Parameter(torch.zeros(CLICK_KNOTS))
        self.faith = faith
        self.register_buffer("newcomers", torch.zeros(()))

    def forward(self, clicks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Learned scale, content weight and offset (n,) each of articles with so many clicks (n,)."""
        knot = torch.log2(clicks.float() + 1) / 2
        scale, content, offset = (interpolated(curve, knot) for curve in (self.scale, self.content, self.offset))
        if self.training:
            return scale.exp(), content.exp(), offset
        new, narrower = (clicks == 0).float(), math.log(NARROWER)
        content = content + new * (math.log(self.faith) + narrower)
        return (scale + new * narrower).exp(), content.exp(), offset + new * self.newcomers


class TwoTowers(nn.Module):
    """Fusion and user tower, the recency of content profiles, the blend and the softmax's temperature."""

    def __init__(self, dims: dict[str, int], ids: int, config: TowerConfig) -> None:
        super().__init__()
        self.config = config
        self.fusion: Fusion = FUSIONS[config.fusion](
            FusionConfig(dims, ids, config.dim, config.gate, config.modality_dropout, config.id_dropout)
        )
        self.user = _user_tower(UserTowerConfig(config.dim, config.hidden, config.history), self.fusion.blocks)
        self.profile = Recency(config.history, [PROFILE_FADE])
        self.blend = ClickBlend(config.content, config.faith)
        self.log_temperature = nn.Parameter(torch.tensor(config.temperature).log())


def _user_tower(config: UserTowerConfig, blocks: int) -> UserTower | BlockwiseUserTower:
    return UserTower(config) if blocks == 1 else BlockwiseUserTower(config, blocks)


def unit(vectors: Tensor) -> Tensor:
    """Vectors of length 1 along the last axis; those below ``SHORTEST`` stay as much shorter, and zeros zeros."""
    return nn.functional.normalize(vectors, dim=-1, eps=SHORTEST)

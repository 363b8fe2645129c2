"""The two trained towers as one loaded thing: item and user vectors of both views, and the blend of their scores."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from recsys.columns import NONE, Bools, Floats, Floats32, Ints
from recsys.domain import Modality
from recsys.model.fusion import FusionConfig, GatedFusion
from recsys.model.user_tower import UserTower, UserTowerConfig
from recsys.pipeline.content import Content, ContentSpace

BLOCK = 8192  # articles or users computed at once


@dataclass(frozen=True)
class TowerConfig:
    """Everything that decides the shape of the towers."""

    dim: int = 64
    history: int = 50
    gate: int = 32
    hidden: int = 64
    modality_dropout: float = 0.15
    id_dropout: float = 0.2


@dataclass(frozen=True)
class Blend:
    """How learned and content scores add up: constants of one snapshot.

    Scores are standardised by their mean and deviation over the training catalogue; the content score counts
    ``new`` for an article without clicks and falls towards ``old`` as ``known`` clicks of it come in.
    """

    learned_mean: float = 0.0
    learned_scale: float = 1.0
    content_mean: float = 0.0
    content_scale: float = 1.0
    new: float = 1.0
    old: float = 0.1
    known: float = 10.0

    def content_weight(self, clicks: Ints) -> Floats:
        """Weight of the content score for articles with so many training clicks (n,)."""
        return self.old + (self.new - self.old) / (1 + clicks / self.known)


@dataclass
class Towers:
    """Fusion, user tower and content space, with the articles that have an id embedding."""

    fusion: GatedFusion
    user_tower: UserTower
    log_temperature: Tensor  # () of the softmax that trained them
    content_space: ContentSpace
    id_keys: Ints  # (m,) article key of each row of the id embedding; NONE when this database does not know it
    clicks_known: Ints  # (m,) training clicks of that article
    config: TowerConfig
    blend: Blend

    def _id_rows(self, keys: Ints) -> Ints:
        row_of = np.full(max(int(self.id_keys.max(initial=NONE)), int(keys.max(initial=NONE))) + 2, NONE, np.int64)
        row_of[self.id_keys] = np.arange(len(self.id_keys))  # NONE writes into the last place, which no key reaches
        row_of[-1] = NONE
        return row_of[keys]

    def clicks(self, keys: Ints) -> Ints:
        """Training clicks known of the articles (n,)."""
        rows = self._id_rows(keys)
        return np.where(rows == NONE, 0, self.clicks_known[rows] if len(self.clicks_known) else 0)

    def rekeyed(self, id_keys: Ints) -> "Towers":
        """The same towers for a database in which the id rows belong to these article keys (m,)."""
        return replace(self, id_keys=id_keys)

    def item_vectors(self, content: Content, keys: Ints) -> tuple[Floats32, Floats32]:
        """Learned unit vectors (n, dim) and fusion weights (n, modalities + 1), in the order of ``fusion.names``.

        An article of which nothing is known has zeros in both.
        """
        vectors = np.zeros((len(keys), self.config.dim), np.float32)
        weights = np.zeros((len(keys), len(self.fusion.names)), np.float32)
        self.fusion.eval()
        for start in range(0, len(keys), BLOCK):
            part = slice(start, start + BLOCK)
            inputs, mask = fusion_inputs(self.content_space, content, keys[part])
            with torch.inference_mode():
                fused, gate = self.fusion(inputs, mask, torch.from_numpy(self._id_rows(keys[part])))
            vectors[part], weights[part] = unit(fused).numpy(), gate.numpy()
        return vectors, weights

    def content_vectors(self, content: Content, keys: Ints) -> Floats32:
        """Content vectors (n, content_space.dim)."""
        return self.content_space.vectors(content, keys)

    def user_vectors(self, items: Floats32, ages: Floats, mask: Bools) -> Floats32:
        """User vectors (batch, dim), whose inner product with a learned item vector is the learned score.

        Args:
            items: (batch, history, dim) learned vectors of the clicked articles, oldest first.
            ages: (batch, history) seconds from click to request.
            mask: (batch, history) False for padding.
        """
        self.user_tower.eval()
        with torch.inference_mode():
            users = self.user_tower(torch.from_numpy(items), torch.from_numpy(ages).float(), torch.from_numpy(mask))
            return (unit(users) / self.log_temperature.exp()).numpy()  # type: ignore[no-any-return]

    def content_profiles(self, items: Floats32, mask: Bools) -> Floats32:
        """Content profiles (batch, d): mean content vector of the clicked articles (batch, history, d)."""
        total = np.where(mask[..., None], items, 0).sum(axis=1)
        return (total / np.maximum(mask.sum(axis=1), 1)[:, None]).astype(np.float32)


def build(dims: dict[Modality, int], ids: int, config: TowerConfig) -> tuple[GatedFusion, UserTower]:
    """Untrained modules of these shapes, to be fitted or filled from a snapshot."""
    fusion = FusionConfig(dims, ids, config.dim, config.gate, config.modality_dropout, config.id_dropout)
    return GatedFusion(fusion), UserTower(UserTowerConfig(config.dim, config.hidden, config.history))


def fusion_inputs(
    space: ContentSpace, content: Content, keys: Ints
) -> tuple[dict[Modality, Tensor], dict[Modality, Tensor]]:
    """What the fusion sees of articles: their reduced modality vectors, and which of them are there."""
    projected = space.project(content, keys)
    mask = {name: np.abs(v).sum(axis=1) > 0 for name, v in projected.items()}
    tensors = {name: torch.from_numpy(v) for name, v in projected.items()}
    return tensors, {name: torch.from_numpy(m) for name, m in mask.items()}


def unit(vectors: Tensor) -> Tensor:
    """Vectors of length 1 along the last axis; zeros stay zeros."""
    return torch.nn.functional.normalize(vectors, dim=-1)


def blended_scores(learned: Floats32, content: Floats32, clicks: Ints, blend: Blend) -> Floats32:
    """Scores of articles by both views.

    Args:
        learned: (..., n) inner products of user vector and learned vectors.
        content: (..., n) inner products of content profile and content vectors.
        clicks: (..., n) training clicks known of each article.
        blend: the snapshot's constants.
    """
    first = (learned - blend.learned_mean) / blend.learned_scale
    second = (content - blend.content_mean) / blend.content_scale
    return np.asarray(first + blend.content_weight(clicks) * second, dtype=np.float32)

"""The two trained towers as one loaded thing: item and user vectors of both views, and the blend of their scores."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from recsys.columns import NONE, Bools, Floats, Floats32, Ints
from recsys.domain import Modality
from recsys.model import arrays
from recsys.model.two_towers import SHORTEST, TowerConfig, TwoTowers, unit
from recsys.pipeline.content import Content, ContentSpace

BLOCK = 8192  # articles or users computed at once


@dataclass(frozen=True)
class Blend:
    """What the clicks known of articles (n,) make of their two scores; see ``blended_scores``."""

    scale: Floats32  # (n,) of the learned score
    content: Floats32  # (n,) weight of the content score
    offset: Floats32  # (n,)


@dataclass
class Towers:
    """The trained module (in evaluation mode), the content space, and the articles that have an id embedding."""

    model: TwoTowers
    content_space: ContentSpace
    id_keys: Ints  # (m,) article key of each row of the id embedding; NONE when this database does not know it
    clicks_known: Ints  # (m,) training clicks of that article

    def clicks(self, keys: Ints) -> Ints:
        """Training clicks known of the articles (n,)."""
        return np.append(self.clicks_known, 0)[self._id_rows(keys)]

    def rekeyed(self, id_keys: Ints) -> "Towers":
        """The same towers for a database in which the id rows belong to these article keys (m,)."""
        return replace(self, id_keys=id_keys)

    def item_vectors(self, content: Content, keys: Ints) -> tuple[Floats32, Floats32]:
        """Learned unit vectors (n, dim) and fusion weights (n, modalities + 1), in the order of ``modalities``.

        An article of which nothing is known has zeros in both.
        """
        vectors = np.zeros((len(keys), self.model.config.dim), np.float32)
        weights = np.zeros((len(keys), len(self.modalities)), np.float32)
        id_rows = torch.from_numpy(self._id_rows(keys))
        for start in range(0, len(keys), BLOCK):
            part = slice(start, start + BLOCK)
            inputs, mask = fusion_inputs(self.content_space, content, keys[part])
            with torch.inference_mode():
                fused, gate = self.model.fusion(inputs, mask, id_rows[part])
            vectors[part], weights[part] = unit(fused).numpy(), gate.numpy()
        return vectors, weights

    @property
    def config(self) -> TowerConfig:
        """The shape that the module was made with."""
        return self.model.config

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Names of the fusion weights' columns."""
        return self.model.fusion.names

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
        users = arrays.user(self.model.user, items, ages.astype(np.float32), mask)
        lengths = np.maximum(np.linalg.norm(users, axis=1, keepdims=True), np.float32(SHORTEST))  # as ``unit``
        return np.asarray(users / (lengths * np.exp(self.model.log_temperature.detach().numpy())))

    def fused(self, projected: dict[Modality, Floats32], wanted: Bools, keys: Ints) -> tuple[Floats32, Floats32]:
        """``item_vectors`` of articles of which only some modalities count: (s, n, dim) and (s, n, modalities + 1).

        Args:
            projected: (n, reduced) by modality, see ``ContentSpace.project``; zeros where an article lacks it.
            wanted: (s, modalities + 1) subsets of what counts, in the order of ``modalities``.
            keys: (n,)
        """
        inputs = {name: torch.from_numpy(v) for name, v in projected.items()}
        mask = {name: torch.from_numpy(v.any(axis=1)) for name, v in projected.items()}
        some = torch.from_numpy(wanted)[:, None]
        with torch.inference_mode():
            parts, present = self.model.fusion.parts(inputs, mask, torch.from_numpy(self._id_rows(keys)))
            parts, present = parts * some[..., None], present & some  # (s, n, modalities + 1, ...)
            fused, gate = self.model.fusion.fuse(parts.flatten(0, 1), present.flatten(0, 1))
            vectors, weights = unit(fused).numpy(), gate.numpy()
        shape = len(wanted), len(keys)
        return vectors.reshape(*shape, vectors.shape[1]), weights.reshape(*shape, weights.shape[1])

    def user_vectors_of(self, items: Floats32, ages: Floats, kept: Bools) -> Floats32:
        """``user_vectors`` (s, dim) of subsets (s, h) of one history: items (h, dim), ages (h,) in seconds."""
        with torch.inference_mode():
            history = torch.from_numpy(items), torch.from_numpy(ages).float(), torch.from_numpy(kept)
            users = unit(self.model.user.of_subsets(*history))
            return np.asarray(users / self.model.log_temperature.exp())

    def content_profiles(self, items: Floats32, ages: Floats, mask: Bools) -> Floats32:
        """Content profiles (batch, c): recency-weighted means of content vectors (batch, history, c)."""
        weights = arrays.recency(self.model.profile, 0.0, ages.astype(np.float32), mask)
        return np.asarray((weights.swapaxes(1, 2) @ items)[:, 0])

    def blend(self, keys: Ints) -> Blend:
        """How the scores of these articles (n,) add up, by the training clicks known of them."""
        with torch.inference_mode():
            scale, content, offset = self.model.blend(torch.from_numpy(self.clicks(keys)))
        return Blend(scale.numpy(), content.numpy(), offset.numpy())

    def _id_rows(self, keys: Ints) -> Ints:
        return self._row_of[np.minimum(keys, len(self._row_of) - 1)]

    @cached_property
    def _row_of(self) -> Ints:
        """Row of the id embedding by article key; the last place stands for all keys beyond, and for NONE."""
        row_of = np.full(int(self.id_keys.max(initial=NONE)) + 2, NONE, np.int64)
        row_of[self.id_keys] = np.arange(len(self.id_keys))
        row_of[-1] = NONE  # where rows of unknown articles were written
        return row_of


def fusion_inputs(
    space: ContentSpace, content: Content, keys: Ints
) -> tuple[dict[Modality, Tensor], dict[Modality, Tensor]]:
    """What the fusion sees of articles: their reduced modality vectors, and which of them are there."""
    projected = space.project(content, keys)
    mask = {name: np.abs(v).sum(axis=1) > 0 for name, v in projected.items()}
    tensors = {name: torch.from_numpy(v) for name, v in projected.items()}
    return tensors, {name: torch.from_numpy(m) for name, m in mask.items()}


def blended_scores(learned: Floats32, content: Floats32, blend: Blend) -> Floats32:
    """One score of both views.

    Args:
        learned: (..., n) inner products of user vectors and learned vectors.
        content: (..., n) inner products of content profiles and content vectors.
        blend: of these n articles.
    """
    return np.asarray(blend.scale * learned + blend.content * content + blend.offset, dtype=np.float32)

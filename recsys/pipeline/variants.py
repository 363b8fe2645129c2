"""The articles of one answer, scored again as if some clicks or some modalities were not there.

Only what towers and content say changes: counters and the other features of the fold stay as they are. All variants are
computed in one go, since the head is small and calls are what costs time.
"""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import torch

from recsys.columns import NONE, Bools, Floats, Floats32, Ints
from recsys.domain import Modality
from recsys.features.features import VARYING
from recsys.pipeline.affinity import CONTENT, LEARNED
from recsys.pipeline.model import Model
from recsys.pipeline.situation import Request
from recsys.pipeline.towers import Towers, blended_scores


@dataclass(frozen=True)
class Variants:
    """Articles of an answer with their pointwise inputs; utilities come from the head, or the blend of both views."""

    model: Model
    request: Request
    keys: Ints  # (n,)
    rows: Floats32  # (n, width)

    @property
    def towers(self) -> Towers:
        """What makes vectors of articles and of users."""
        return self.model.views.towers

    @cached_property
    def read(self) -> Ints:
        """Keys of the articles (r,) in the history that towers and content see."""
        return np.unique(self.request.history)

    @cached_property
    def content(self) -> Floats32:
        """Content vectors (n, c) of the articles."""
        return self.model.views.content.vectors(self.keys)[0]

    @cached_property
    def content_read(self) -> Floats32:
        """Content vectors (r, c) of those that were read."""
        return self.model.views.content.vectors(self.read)[0]

    @property
    def without_clicks(self) -> Floats32:
        """Utilities (1 + r, n): with the whole history, and without the clicks on each article in it."""
        return self._utilities[: 1 + len(self.read)]

    @property
    def with_modalities(self) -> Floats32:
        """Utilities (s, n) with the ``subsets`` of the modalities, in the order of ``towers.modalities``."""
        return self._utilities[1 + len(self.read) :]

    @property
    def weights(self) -> Floats32:
        """The fusion's weights (s, n, m) of what those subsets leave."""
        return self._fused[1]

    @cached_property
    def _utilities(self) -> Floats32:
        """(1 + r + s, n)."""
        if self.model.heads is None:
            return np.concatenate([self._blended_without_clicks(), self._blended_with_modalities()])
        columns = self.rows[None, :, self._affinities].repeat(1 + len(self.read) + len(self._subsets), axis=0)
        if self._modalities:
            self._take_clicks(columns[: 1 + len(self.read)])
            self._take_modalities(columns[1 + len(self.read) :])
        with torch.inference_mode():
            rows, changed = torch.from_numpy(self.rows), torch.from_numpy(columns)
            return self.model.heads.pointwise.scores_with(rows, changed, VARYING).numpy()

    @property
    def _affinities(self) -> slice:
        """Where they stand in the rows."""
        width = len(LEARNED) + len(CONTENT) * len(self._modalities) if self._modalities else 0
        return slice(VARYING, VARYING + width)

    def _take_clicks(self, columns: Floats32) -> None:
        """Make of the affinities (1 + r, n, columns) what they are without the clicks on each article."""
        columns[:, :, 0] = (self._users @ self._learned.T) * self._kept.any(axis=1, keepdims=True)
        for number, name in enumerate(self._modalities):
            self._compare(name, columns[:, :, len(LEARNED) + len(CONTENT) * number :])

    def _take_modalities(self, columns: Floats32) -> None:
        """Make of the affinities (s, n, columns) what they are with these subsets of the modalities."""
        vectors, here = self._fused[0], np.array([self.request.context.context_article])
        columns[:, :, 0] = vectors @ self._users[0] if len(self.read) else 0.0
        columns[:, :, 1] = vectors @ self.model.views.learned.vectors(here)[0][0]
        columns[:, :, 2] *= vectors.any(axis=2)
        for number, name in enumerate(self._modalities):
            start = len(LEARNED) + len(CONTENT) * number
            there = self._subsets[:, self.towers.modalities.index(name), None, None]
            columns[:, :, start : start + len(CONTENT)] *= there

    def _blended_without_clicks(self) -> Floats32:
        """``without_clicks`` of a model without a head."""
        learned = (self._kept & self._read[0].any(axis=1)).any(axis=1, keepdims=True)
        scores = self._blended(self._users @ self._learned.T, self._profiles @ self.content.T, self.keys)
        return np.where(learned, scores, np.float32(0.0))

    def _blended_with_modalities(self) -> Floats32:
        """``with_modalities`` of one; without its behaviour an article is one that nobody clicked."""
        vectors = self._fused[0]
        if not self._read[0].any():
            return np.zeros(vectors.shape[:2], np.float32)
        profiles = self._profiles[0] * self._places_present()
        scores = [
            self._blended(some @ self._users[0], self.content @ profile, np.where(known, self.keys, NONE))
            for some, profile, known in zip(vectors, profiles, self._subsets[:, -1], strict=True)
        ]
        return np.stack(scores)

    @property
    def _subsets(self) -> Bools:
        return subsets(len(self.towers.modalities))

    @cached_property
    def _fused(self) -> tuple[Floats32, Floats32]:
        """Learned vectors (s, n, dim) and fusion weights (s, n, m) of the articles with those subsets."""
        space = self.towers.content_space
        parts = {
            name: self.content[:, part] / np.float32(space.weight[name] ** 0.5) for name, part in space.parts.items()
        }  # what the fusion sees of the articles, out of the content index, which has the same but for its weights
        return self.towers.fused(parts, self._subsets, self.keys)

    @property
    def _learned(self) -> Floats32:
        return self.model.views.learned.vectors(self.keys)[0]

    @property
    def _modalities(self) -> tuple[Modality, ...]:
        """Those that the head has columns for."""
        return self.towers.content_space.present

    @cached_property
    def _read(self) -> tuple[Floats32, Bools, Floats32]:
        """Learned vectors (h, dim) of the history, which are known (h,), and content vectors (h, c)."""
        views, history = self.model.views, self.request.history
        return *views.learned.vectors(history), views.content.vectors(history)[0]

    @cached_property
    def _kept(self) -> Bools:
        """(1 + r, h) which clicks are left: all of them, and all but those on each article."""
        return np.concatenate(
            [np.ones((1, len(self.request.history)), np.bool_), self.request.history != self.read[:, None]]
        )

    @cached_property
    def _users(self) -> Floats32:
        """(1 + r, dim) the user vectors of those histories."""
        items, known, _ = self._read
        if not len(items):
            return np.zeros((1, self.towers.config.dim), np.float32)
        return self.towers.user_vectors_of(items, self.request.ages, self._kept & known)

    @cached_property
    def _profiles(self) -> Floats32:
        """(1 + r, c) their content profiles."""
        known = self.model.views.content.vectors(self.request.history)[1]
        items: Floats32 = np.tile(self._read[2], (len(self._kept), 1, 1))
        ages: Floats = np.tile(self.request.ages, (len(self._kept), 1))
        return self.towers.content_profiles(items, ages, self._kept & known)

    def _blended(self, learned: Floats32, content: Floats32, keys: Ints) -> Floats32:
        return blended_scores(learned, content, self.towers.blend(keys))

    def _places_present(self) -> Floats32:
        """(s, c) 1 where a place of the content vector belongs to a modality that is present."""
        space = self.towers.content_space
        marks = np.zeros((len(self._subsets), space.dim), np.float32)
        for name, part in space.parts.items():
            marks[:, part] = self._subsets[:, self.towers.modalities.index(name), None]
        return marks

    def _compare(self, modality: Modality, out: Floats32) -> None:
        """What ``affinity`` writes of a modality's mean, best and last (1 + r, n, 3), for each of those histories."""
        space = self.towers.content_space
        part = space.parts[modality]
        read = self._read[2][:, part]
        says = read.any(axis=1)
        there = self._kept[:, says]  # (s, h)
        counts = there.sum(axis=1)
        cosines = np.asarray(self.content[:, part] @ read[says].T, np.float32)  # (n, h)
        cosines /= np.float32(space.weight[modality])
        if says.any():
            last = there.shape[1] - 1 - there[:, ::-1].argmax(axis=1)
            out[:, :, 0] = there.astype(np.float32) @ cosines.T / np.maximum(counts, 1)[:, None]
            out[:, :, 1] = _best(cosines, there)
            out[:, :, 2] = cosines[:, last].T
        out[counts == 0, :, :3] = 0.0


@cache
def subsets(players: int) -> Bools:
    """All of them (2^m, m), the empty one first."""
    every: Bools = (np.arange(2**players)[:, None] >> np.arange(players)) % 2 == 1
    return every


def _best(cosines: Floats32, there: Bools) -> Floats32:
    """The highest of the cosines (n, h) to what is there (s, h): (s, n). Of most subsets it is the highest of all."""
    best: Floats32 = cosines.max(axis=1, keepdims=True).T.repeat(len(there), axis=0)
    subset, article = np.nonzero(~there[:, cosines.argmax(axis=1)])
    best[subset, article] = np.where(there[subset], cosines[article], -np.inf).max(axis=1)
    return best

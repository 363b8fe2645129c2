"""The articles of one answer, scored again as if some clicks or some modalities were not there.

Only what towers and content say changes: counters and the other features of the fold stay as they are. All variants are
computed in one go, since the head is small and calls are what costs time.
"""

from dataclasses import dataclass
from functools import cached_property

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
        """Keys of the articles (r,) in the request's history."""
        return np.unique(self.request.history)

    def without_clicks(self) -> Floats32:
        """Utilities (1 + r, n): with the whole history, and without the clicks on each article in it."""
        kept, users, vectors = self._kept, self._users, self.model.views.learned.vectors(self.keys)[0]
        if self.model.heads is None:
            learned = (kept & self._read[0].any(axis=1)).any(axis=1)
            scores = self._blended(users @ vectors.T, self._profiles @ self._content.T, self.keys)
            return np.where(np.asarray(learned)[:, None], scores, np.float32(0.0))
        columns = self._columns(len(kept))
        if self._modalities:
            columns[:, :, 0] = (users @ vectors.T) * np.asarray(kept.any(axis=1))[:, None]
        for number, name in enumerate(self._modalities):
            self._compare(name, columns[:, :, len(LEARNED) + len(CONTENT) * number :])
        return self._scored(columns)

    def with_modalities(self, present: Bools) -> tuple[Floats32, Floats32]:
        """Utilities (s, n) with these subsets (s, m) of the modalities, in the order of ``towers.modalities``.

        And the fusion's weights (s, n, m) of what is left.
        """
        vectors, weights = self._fused(present)
        if self.model.heads is None:
            return self._blended_with(vectors, present), weights
        columns = self._columns(len(present))
        if self._modalities:
            here = np.array([self.request.context.context_article])
            columns[:, :, 0] = vectors @ self._users[0] if len(self.read) else 0.0
            columns[:, :, 1] = vectors @ self.model.views.learned.vectors(here)[0][0]
            columns[:, :, 2] *= np.abs(vectors).sum(axis=2) > 0
        for number, name in enumerate(self._modalities):
            start = len(LEARNED) + len(CONTENT) * number
            columns[:, :, start : start + len(CONTENT)] *= present[:, self.towers.modalities.index(name), None, None]
        return self._scored(columns), weights

    @property
    def _modalities(self) -> tuple[Modality, ...]:
        """Those that the head has columns for."""
        return self.towers.content_space.present

    @cached_property
    def _content(self) -> Floats32:
        return self.model.views.content.vectors(self.keys)[0]

    @cached_property
    def _parts(self) -> dict[Modality, Floats32]:
        """What the fusion sees of the articles, out of the content index, which has the same but for its weights."""
        space = self.towers.content_space
        return {
            name: self._content[:, part] / np.float32(space.weight[name] ** 0.5) for name, part in space.parts.items()
        }

    @cached_property
    def _read(self) -> tuple[Floats32, Bools, Floats32]:
        """Learned vectors (h, dim) of the history, which are known (h,), and content vectors (h, c)."""
        views, history = self.model.views, self.request.history
        return *views.learned.vectors(history), views.content.vectors(history)[0]

    @cached_property
    def _kept(self) -> Bools:
        """(1 + r, h) which clicks are left: all of them, and all but those on each article."""
        history = self.request.history
        return np.concatenate([np.ones((1, len(history)), np.bool_), history != self.read[:, None]])

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

    def _fused(self, present: Bools) -> tuple[Floats32, Floats32]:
        """Learned vectors (s, n, dim) of the articles with subsets of their modalities, and weights (s, n, m)."""
        subsets, articles = len(present), len(self.keys)
        parts = {name: np.tile(part, (subsets, 1)) for name, part in self._parts.items()}
        shown = np.repeat(present, articles, axis=0)
        vectors, weights = self.towers.fused(parts, shown, np.tile(self.keys, subsets))
        return vectors.reshape(subsets, articles, vectors.shape[1]), weights.reshape(subsets, articles, len(present.T))

    def _blended(self, learned: Floats32, content: Floats32, keys: Ints) -> Floats32:
        return blended_scores(learned, content, self.towers.blend(keys))

    def _blended_with(self, vectors: Floats32, present: Bools) -> Floats32:
        """Utilities (s, n) of a model without a head; without its behaviour an article is one that nobody clicked."""
        if not self._read[0].any():
            return np.zeros(vectors.shape[:2], np.float32)
        profiles = self._profiles[0] * self._places_present(present)
        scores = [
            self._blended(some @ self._users[0], self._content @ profile, np.where(known, self.keys, NONE))
            for some, profile, known in zip(vectors, profiles, present[:, -1], strict=True)
        ]
        return np.stack(scores)

    def _places_present(self, present: Bools) -> Floats32:
        """(s, c) 1 where a place of the content vector belongs to a modality that is present."""
        space = self.towers.content_space
        marks = np.zeros((len(present), space.dim), np.float32)
        for name, part in space.parts.items():
            marks[:, part] = present[:, self.towers.modalities.index(name), None]
        return marks

    def _columns(self, subsets: int) -> Floats32:
        """The affinities (s, n, columns) of the articles as they are, to be changed."""
        width = len(LEARNED) + len(CONTENT) * len(self._modalities) if self._modalities else 0
        return np.tile(self.rows[:, VARYING : VARYING + width], (subsets, 1, 1))

    def _compare(self, modality: Modality, out: Floats32) -> None:
        """What ``affinity`` writes of a modality's mean, best and last (1 + r, n, 3), for each of those histories."""
        space = self.towers.content_space
        part = space.parts[modality]
        read = self._read[2][:, part]
        there = self._kept & (np.abs(read).sum(axis=1) > 0)  # (s, h)
        some = there.any(axis=1)
        out[:, :, :3] = 0.0
        if not some.any():
            return
        cosines = (self._content[:, part] / np.float32(space.weight[modality])) @ read.T  # (n, h)
        last = there.shape[1] - 1 - there[:, ::-1].argmax(axis=1)
        best = np.where(there[:, None, :], cosines, -np.inf).max(axis=2)
        means = there.astype(np.float32) @ cosines.T / np.maximum(there.sum(axis=1), 1)[:, None]
        for column, values in enumerate((means, best, cosines[:, last].T)):
            out[some, :, column] = values[some]

    def _scored(self, columns: Floats32) -> Floats32:
        """Utilities (s, n) of the head for the articles with these affinities (s, n, columns)."""
        assert self.model.heads is not None
        rows = np.tile(self.rows, (len(columns), 1, 1))
        rows[:, :, VARYING : VARYING + columns.shape[2]] = columns
        with torch.inference_mode():
            utility = self.model.heads.pointwise(torch.from_numpy(rows.reshape(-1, rows.shape[2])))
        return np.asarray(utility.numpy().reshape(rows.shape[:2]))

"""The content view of articles: the frozen encoders' own geometry, in few dimensions."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from recsys.columns import Bools, Floats32, Ints
from recsys.domain import Modality, RecsysError

MOST_DIMS = {"title": 96, "summary": 96, "body": 96, "image": 32}
OTHER_DIMS = 32  # of a modality that is not named there
WEIGHTS = {"title": 1.0, "summary": 0.5, "body": 0.5, "image": 0.25}  # half, since they tell the title once more
OTHER_WEIGHT = 0.25


@dataclass(frozen=True)
class Content:
    """Raw modality vectors of articles, one row each: of the whole catalogue, or of some ``keys``."""

    vectors: dict[Modality, Floats32]  # (n, d) by modality
    mask: dict[Modality, Bools]  # (n,) which articles have it
    keys: Ints | None = None  # (n,) rising article key of each row; None: row = article key

    def take(self, keys: Ints) -> "Content":
        """One row for each of these articles, in this order; those without a row have no content."""
        row, inside = self._rows(keys)
        vectors = {name: np.zeros((len(keys), v.shape[1]), np.float32) for name, v in self.vectors.items()}
        mask = {name: np.zeros(len(keys), np.bool_) for name in self.vectors}
        for name in self.vectors:
            vectors[name][inside] = self.vectors[name][row]
            mask[name][inside] = self.mask[name][row]
        return Content(vectors, mask)

    @property
    def rows(self) -> int:
        """How many articles have a row."""
        return min((len(mask) for mask in self.mask.values()), default=0)

    def _rows(self, keys: Ints) -> tuple[Ints, Ints]:
        """Row of each article that has one, and its place in ``keys``."""
        if self.keys is None:
            inside = np.flatnonzero((keys >= 0) & (keys < self.rows))
            return keys[inside], inside
        row = np.searchsorted(self.keys, keys).clip(max=max(len(self.keys) - 1, 0))
        inside = np.flatnonzero(self.keys[row] == keys) if len(self.keys) else row[:0]
        return row[inside], inside


@dataclass(frozen=True)
class ContentSpace:
    """Mean, principal axes and weight of each modality: all that the content view needs to be computed again."""

    mean: dict[Modality, Floats32]  # (d,)
    matrix: dict[Modality, Floats32]  # (d, reduced), orthonormal columns
    weight: dict[Modality, float]  # of this modality's cosine in the whole

    @classmethod
    def fit(cls, content: Content, keys: Ints | None = None) -> "ContentSpace":
        """Centre and reduce each modality by the principal components of the catalogue (or of ``keys``)."""
        taken = content if keys is None else content.take(keys)
        fitted = {name: _principal(name, v[taken.mask[name]]) for name, v in sorted(taken.vectors.items())}
        return cls(
            mean={name: mean for name, (mean, _) in fitted.items()},
            matrix={name: matrix for name, (_, matrix) in fitted.items()},
            weight={name: WEIGHTS.get(name, OTHER_WEIGHT) for name in fitted},
        )

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Names in the order in which the content vector holds them."""
        return tuple(sorted(self.matrix))

    @cached_property
    def present(self) -> tuple[Modality, ...]:
        """Those that some article had when the space was fitted: the others say nothing to a ranking head."""
        return tuple(name for name in self.modalities if self.matrix[name].any())

    @property
    def dims(self) -> dict[Modality, int]:
        """Reduced dimensions by modality."""
        return {name: self.matrix[name].shape[1] for name in self.modalities}

    @property
    def dim(self) -> int:
        """Length of a content vector."""
        return sum(self.dims.values())

    @cached_property
    def parts(self) -> dict[Modality, slice]:
        """Where each modality lies in a content vector."""
        ends = np.cumsum([self.dims[name] for name in self.modalities]).tolist()
        return {name: slice(end - self.dims[name], end) for name, end in zip(self.modalities, ends, strict=True)}

    def only(self, name: Modality, vectors: Floats32) -> Floats32:
        """Content vectors (n, dim) as queries whose inner product is the cosine in this modality alone."""
        queries = np.zeros_like(vectors)
        queries[:, self.parts[name]] = vectors[:, self.parts[name]] / np.float32(self.weight[name])
        return queries

    def project(self, content: Content, keys: Ints) -> dict[Modality, Floats32]:
        """Unit vectors (n, reduced) of the articles by modality, zeros where it is missing.

        Raises:
            RecsysError: when the content comes from encoders of other dimensions than these.
        """
        taken = content.take(keys)
        return {name: self._project(name, taken, len(keys)) for name in self.modalities}

    def vectors(self, content: Content, keys: Ints) -> Floats32:
        """Content vectors (n, dim), whose inner product is the weighted sum of the modalities' cosines."""
        projected = self.project(content, keys)
        parts = [projected[name] * np.float32(np.sqrt(self.weight[name])) for name in self.modalities]
        return np.concatenate([np.zeros((len(keys), 0), np.float32), *parts], axis=1)

    def _project(self, name: Modality, taken: Content, rows: int) -> Floats32:
        mean, matrix = self.mean[name], self.matrix[name]
        nothing = name not in taken.vectors or not taken.mask[name].any()
        if nothing or len(mean) == 1:  # 1: no article had it when the space was fitted
            return np.zeros((rows, matrix.shape[1]), np.float32)
        if taken.vectors[name].shape[1] != len(mean):
            raise RecsysError(
                f"{name} vectors have {taken.vectors[name].shape[1]} dimensions where this model was trained with "
                f"{len(mean)}: use the encoder it was trained with, or train again"
            )
        reduced = (taken.vectors[name] - mean) @ matrix
        length = np.linalg.norm(reduced, axis=1, keepdims=True)
        known = taken.mask[name][:, None] & (length > 0)
        return np.where(known, reduced / np.where(length > 0, length, 1), 0).astype(np.float32)


def changed_encoders(known: Mapping[Modality, str], current: Mapping[Modality, str]) -> list[Modality]:
    """The modalities of a model (``known``: encoder id by modality) whose vectors are not made any more.

    What ``current`` has beyond them is no change: the model does without it.
    """
    return sorted(name for name, encoder in known.items() if current.get(name) != encoder)


def _principal(name: Modality, vectors: Floats32) -> tuple[Floats32, Floats32]:
    """Mean (d,) and the leading principal axes (d, at most MOST_DIMS) of vectors (n, d)."""
    if not len(vectors):  # a modality that no article has: one dimension, in which everything is zero
        return np.zeros(vectors.shape[1], np.float32), np.zeros((vectors.shape[1], 1), np.float32)
    mean = vectors.mean(axis=0, dtype=np.float64)
    centred = vectors.astype(np.float64) - mean
    axes = np.linalg.eigh(centred.T @ centred).eigenvectors  # by rising eigenvalue
    size = min(MOST_DIMS.get(name, OTHER_DIMS), max(len(vectors) - 1, 1), vectors.shape[1])
    leading = axes[:, ::-1][:, :size]
    signs = np.sign(leading[np.abs(leading).argmax(axis=0), np.arange(size)])  # eigenvectors have no sign of their own
    return mean.astype(np.float32), (leading * signs).astype(np.float32)

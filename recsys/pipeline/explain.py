"""Why an article was recommended: what it resembles in the user's history, and what it is made of."""

import numpy as np

from recsys.columns import Floats32, Ints
from recsys.domain import Modality
from recsys.pipeline.model import Views

MOST_REASONS = 2
NEAR = 0.15  # cosine in the content view from which a read article counts as a reason


def reasons(views: Views, key: int, history: Ints) -> list[int]:
    """The read articles nearest in content to this one, nearest first; none where nothing is near."""
    if len(history) == 0:
        return []
    unique = np.unique(history)
    candidate, _ = views.content.vectors(np.array([key], np.int64))
    read, _ = views.content.vectors(unique)
    cosines = _unit(read) @ _unit(candidate)[0]
    best = np.argsort(-cosines, kind="stable")[:MOST_REASONS]
    return [int(unique[i]) for i in best if cosines[i] > NEAR]


def modality_weights(views: Views, weights: Floats32) -> dict[Modality, float]:
    """The fusion's weight of each modality of one article, by name."""
    return {name: round(float(w), 3) for name, w in zip(views.towers.modalities, weights, strict=True)}


def _unit(vectors: Floats32) -> Floats32:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), np.float32)

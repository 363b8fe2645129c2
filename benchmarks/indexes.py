"""Scores of every article for users' histories, as the product's own FAISS indexes give them."""

import numpy as np

from recsys.columns import Bools, Floats32
from recsys.pipeline.histories import Windows
from recsys.pipeline.model import Views
from recsys.pipeline.towers import blended_scores
from recsys.retrieval.index import VectorIndex


def searched(views: Views, window: Windows, size: int, view: str = "blended") -> Floats32:
    """Scores (batch, size) of everything that the indexes return: "learned", "content" or both "blended"."""
    towers, keys = views.towers, np.arange(size)
    learned, known = _gathered(views.learned, window)
    users = towers.user_vectors(learned, window.age, known)
    frozen, there = _gathered(views.content, window)
    profiles = towers.content_profiles(frozen, window.age, there)
    first, second = _all_of(views.learned, users, size), _all_of(views.content, profiles, size)
    if view != "blended":
        return first if view == "learned" else second
    return blended_scores(first, second, towers.blend(keys))


def _gathered(index: VectorIndex, window: Windows) -> tuple[Floats32, Bools]:
    vectors, known = index.vectors(window.article.ravel())
    return vectors.reshape(*window.mask.shape, -1), known.reshape(window.mask.shape)


def _all_of(index: VectorIndex, queries: Floats32, size: int) -> Floats32:
    """The index's scores by article key (batch, size), lowest for what is not in it."""
    scores, keys = index.search(queries, len(index))
    dense = np.full((len(queries), size), scores.min() - 1, np.float32)
    np.put_along_axis(dense, keys, scores, axis=1)
    return dense

"""Peers of the two towers, each as a function that fits on clicks and returns scores for histories."""

import numpy as np
from movielens import Events, Scores, measure, take

from recsys.columns import ClickColumns, Floats, Floats32
from recsys.pipeline.content import Content
from recsys.pipeline.histories import Histories, Windows

DEVELOPMENT = 0.9  # quantile of the training clicks' times: settings are chosen on what comes after it
SHRINKAGES = (0.0, 3.0, 10.0, 30.0, 100.0)
RIDGES = (100.0, 300.0, 1000.0, 3000.0)


def most_popular(train: ClickColumns, size: int) -> Scores:
    """Clicks in training."""
    counts = np.bincount(train.article[train.weight > 0], minlength=size).astype(np.float32)
    return lambda window: np.broadcast_to(counts, (len(window.mask), size)).copy()


def item_knn(train: ClickColumns, size: int, shrinkage: float) -> Scores:
    """Sum of shrunk cosines between the users of two films (Sarwar et al., WWW 2001; Koren, KDD 2008)."""
    together = _together(train, size)
    clicks = np.diag(together)
    cosines = together / (np.sqrt(np.outer(clicks, clicks)) + shrinkage + 1e-9)
    np.fill_diagonal(cosines, 0)
    return _summed(cosines)


def ease(train: ClickColumns, size: int, ridge: float) -> Scores:
    """Steck, Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019."""
    together = _together(train, size)
    inverse = np.linalg.inv(together + ridge * np.eye(size))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return _summed(weights)


def content_knn(content: Content, image_weight: float) -> Scores:
    """Mean cosine with what was clicked, by the frozen encoders' vectors, centred and not reduced."""
    title, image = _centred(content, "title"), _centred(content, "image")
    items = np.concatenate([title, np.sqrt(np.float32(image_weight)) * image], axis=1)

    def scores(window: Windows) -> Floats32:
        return (_weights(window, len(items)) @ items) @ items.T

    return scores


def tuned_shrinkage(test: Events, size: int) -> float:
    """The best shrinkage of item-kNN on the last tenth of the training clicks."""
    return max(SHRINKAGES, key=lambda value: _on_development(lambda train: item_knn(train, size, value), test))


def tuned_ridge(test: Events, size: int) -> float:
    """The best ridge of EASE on the last tenth of the training clicks."""
    return max(RIDGES, key=lambda value: _on_development(lambda train: ease(train, size, value), test))


def _on_development(make, test: Events) -> float:  # type: ignore[no-untyped-def]
    """nDCG@10 of the training clicks behind DEVELOPMENT, from a fit on those before it."""
    clicks = take(test.train, test.train.weight > 0)
    split = np.quantile(clicks.at, DEVELOPMENT)
    histories, later = Histories.of(clicks), clicks.at > split
    start, end = histories.before(clicks.user[later], clicks.at[later])
    rows = np.flatnonzero(later)[end > start]
    start, end = start[end > start], end[end > start]
    inner = Events(
        train=take(clicks, ~later), histories=histories, user=clicks.user[rows], at=clicks.at[rows],
        target=clicks.article[rows], start=start, end=end, candidates=test.candidates,
        seen=[histories.article[a:b] for a, b in zip(start, end, strict=True)],
        negatives=clicks.article[rows][:, None],
    )  # fmt: skip
    return measure(make(inner.train), inner).means["ndcg@10"]


def _together(train: ClickColumns, size: int) -> Floats:
    """How many users clicked both films: (size, size)."""
    kept = train.weight > 0
    matrix = np.zeros((int(train.user.max()) + 1, size), np.float32)
    matrix[train.user[kept], train.article[kept]] = 1
    return (matrix.T @ matrix).astype(np.float64)


def _summed(similarity: Floats) -> Scores:
    table = similarity.astype(np.float32)
    return lambda window: _weights(window, len(table)) @ table


def _weights(window: Windows, size: int) -> Floats32:
    """(batch, size) with a 1 for what is in the history."""
    weights = np.zeros((len(window.mask), size), np.float32)
    rows, columns = np.nonzero(window.mask)
    weights[rows, window.article[rows, columns]] = 1
    return weights


def _centred(content: Content, name: str) -> Floats32:
    vectors, mask = content.vectors[name], content.mask[name]
    centred = np.zeros_like(vectors)
    centred[mask] = vectors[mask] - vectors[mask].mean(axis=0)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    return centred / np.where(lengths > 0, lengths, 1)

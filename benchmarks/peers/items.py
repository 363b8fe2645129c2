"""Peers that weigh articles by the articles of a history: item-kNN, EASE, and nearest in content."""

import numpy as np
from movielens import Scores

from peers.clicked import Clicked
from recsys.columns import ClickColumns, Floats, Floats32
from recsys.pipeline.content import Content
from recsys.pipeline.histories import Windows


def item_knn(train: ClickColumns, size: int, *, shrinkage: float) -> Scores:
    """Sum of shrunk cosines between the users of two articles (Sarwar et al., WWW 2001; Koren, KDD 2008)."""
    clicked = Clicked.of(train, size)
    together = (clicked.matrix.T @ clicked.matrix).toarray()
    lengths = np.sqrt(np.diag(together))
    cosines = together / (np.outer(lengths, lengths) + np.float32(shrinkage))
    np.fill_diagonal(cosines, 0)
    return _summed(clicked, cosines)


def ease(train: ClickColumns, size: int, *, ridge: float) -> Scores:
    """Steck, Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019."""
    clicked = Clicked.of(train, size)
    inverse = _ridge_inverse(clicked.matrix.toarray().astype(np.float64), ridge)
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return _summed(clicked, weights)


def content_knn(content: Content, image_weight: float) -> Scores:
    """Mean cosine with what was clicked, by the frozen encoders' vectors, centred and not reduced."""
    title, image = _centred(content, "title"), _centred(content, "image")
    items = np.concatenate([title, np.sqrt(np.float32(image_weight)) * image], axis=1)
    return lambda window: (_weights(window, len(items)) @ items) @ items.T


def _ridge_inverse(matrix: Floats, ridge: float) -> Floats:
    """Inverse of ``matrix.T @ matrix + ridge`` (columns, columns), by whichever side of the matrix is shorter.

    From the users' side by the identity of Woodbury (1950): few users make it cheap however many articles there are.
    """
    users, articles = matrix.shape
    if articles <= users:
        return np.linalg.inv(matrix.T @ matrix + ridge * np.eye(articles))
    explained = matrix.T @ np.linalg.solve(matrix @ matrix.T + ridge * np.eye(users), matrix)
    np.fill_diagonal(explained, np.diag(explained) - 1)
    return explained / -ridge


def _summed(clicked: Clicked, similarity: Floats) -> Scores:
    table = similarity.astype(np.float32)
    return lambda window: clicked.spread(clicked.histories(window) @ table)


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

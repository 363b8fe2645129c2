"""Matrix factorisation by ``implicit``; users are folded in from their history: they need not be in training."""

import numpy as np
import torch
from implicit.cpu.als import AlternatingLeastSquares
from implicit.cpu.bpr import BayesianPersonalizedRanking
from movielens import Scores
from scipy.sparse import csr_matrix

from peers.clicked import Clicked
from recsys.columns import ClickColumns, Floats32
from recsys.pipeline.histories import Windows


def als(train: ClickColumns, size: int, *, factors: int, alpha: float, regularization: float, seed: int = 0) -> Scores:
    """Hu, Koren and Volinsky, ICDM 2008; a user's vector is the least squares solution for their history."""
    clicked = Clicked.of(train, size)
    model = AlternatingLeastSquares(
        factors=factors, alpha=alpha, regularization=regularization, iterations=15, num_threads=torch.get_num_threads(),
        random_state=seed,
    )  # fmt: skip
    model.fit(clicked.matrix, show_progress=False)

    def scores(window: Windows) -> Floats32:
        users = model.recalculate_user(np.arange(len(window.mask)), clicked.histories(window))
        return clicked.spread(users @ model.item_factors.T)

    return scores


def bpr(
    train: ClickColumns, size: int, *, factors: int, iterations: int, regularization: float, seed: int = 0
) -> Scores:
    """Rendle et al., UAI 2009; a user's vector is the mean of their history's, scaled as it best is in training.

    Its samples never meet an article that nobody clicked: such articles come last.
    """
    clicked = Clicked.of(train, size)
    model = BayesianPersonalizedRanking(
        factors=factors, iterations=iterations, regularization=regularization, learning_rate=0.05, random_state=seed,
        num_threads=1,  # the updates of several race, and no seed gives the same figures again
    )  # fmt: skip
    model.fit(clicked.matrix, show_progress=False)
    items, bias = model.item_factors[:, :-1], model.item_factors[:, -1]  # the library keeps the bias as a last factor
    means, users = _mean(clicked.matrix, items), model.user_factors[:, :-1]
    scale = (means * users).sum() / max((means * means).sum(), 1e-9)  # least squares

    def scores(window: Windows) -> Floats32:
        found = scale * _mean(clicked.histories(window), items) @ items.T + bias
        return clicked.spread(found, others=found.min(axis=1, keepdims=True))

    return scores


def _mean(histories: csr_matrix, items: Floats32) -> Floats32:
    """Mean vector (batch, factors) of what is marked in each row (batch, columns); zeros where nothing is."""
    lengths = np.asarray(histories.sum(axis=1), np.float32).reshape(-1, 1)
    return np.asarray(histories @ items) / np.maximum(lengths, 1)

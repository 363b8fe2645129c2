"""Who clicked what in training, as the matrix that collaborative filters are fitted on."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from recsys.columns import Bools, ClickColumns, Floats32, Ints
from recsys.pipeline.histories import Windows


@dataclass(frozen=True)
class Clicked:
    """Only articles that somebody clicked have a column: the others are all alike to a collaborative filter."""

    matrix: csr_matrix  # (users, columns) 1 where the user clicked
    known: Ints  # (columns,) article keys
    size: int  # highest article key + 1

    @classmethod
    def of(cls, train: ClickColumns, size: int) -> "Clicked":
        """The clicks of positive weight; a second click of the same user on the same article counts nothing."""
        kept = train.weight > 0
        users, rows = np.unique(train.user[kept], return_inverse=True)
        known, columns = np.unique(train.article[kept], return_inverse=True)
        return cls(_ones(rows, columns, (len(users), len(known))), known, size)

    def histories(self, window: Windows) -> csr_matrix:
        """(batch, columns) 1 for what of each history somebody clicked in training."""
        place = np.full(self.size, -1)
        place[self.known] = np.arange(len(self.known))
        columns = np.where(window.mask, place[np.where(window.mask, window.article, 0)], -1)
        rows, places = np.nonzero(columns >= 0)
        return _ones(rows, columns[rows, places], (len(window.mask), len(self.known)))

    def spread(self, scores: Floats32, others: Floats32 | float = 0.0) -> Floats32:
        """Scores (batch, columns) by article key (batch, size); ``others`` (batch, 1) for what nobody clicked."""
        out = np.empty((len(scores), self.size), np.float32)
        out[:] = others
        out[:, self.known] = scores
        return out


def _ones(rows: Ints, columns: Ints, shape: tuple[int, int]) -> csr_matrix:
    matrix = csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def has_clicks(train: ClickColumns, size: int) -> Bools:
    """(size,) which articles somebody clicked in training."""
    return np.bincount(train.article[train.weight > 0], minlength=size) > 0

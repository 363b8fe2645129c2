"""Accuracy, precision, recall and F1: what comes out when a click is predicted wherever P(click) reaches a threshold.

Many readers look for these first, but they judge a yes or no that no list of recommendations needs: the threshold
decides as much as the model does. Training chooses it on its held-out newest lists, never on the window that is judged.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from recsys.domain import RecsysError


@dataclass(frozen=True)
class Classic:
    """Figures over shown articles, each of which counts once; NaN where there is nothing to divide by."""

    threshold: float
    accuracy: float
    precision: float
    recall: float
    f1: float
    accuracy_of_never: float  # of foretelling no click at all, which most articles bear out


def classic(labels: ArrayLike, probabilities: ArrayLike, threshold: float) -> Classic:
    """Judge the forecast ``probabilities >= threshold`` of labels 0 and 1, both (rows,).

    Raises:
        RecsysError: when the two have different lengths.
    """
    clicked, predicted = np.asarray(labels) > 0, np.asarray(probabilities) >= threshold
    if clicked.shape != predicted.shape:
        raise RecsysError(f"{clicked.size} labels need as many probabilities, not {predicted.size}")
    hits, said, there = int((clicked & predicted).sum()), int(predicted.sum()), int(clicked.sum())
    return Classic(
        threshold=threshold,
        accuracy=_share(int((clicked == predicted).sum()), clicked.size),
        precision=_share(hits, said),
        recall=_share(hits, there),
        f1=_share(2 * hits, said + there),
        accuracy_of_never=_share(clicked.size - there, clicked.size),
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")

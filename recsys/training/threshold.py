"""The threshold above which a click is predicted, where a yes or no is wanted of a probability."""

import numpy as np

from recsys.columns import Floats32


def best_f1_threshold(labels: Floats32, probabilities: Floats32) -> float | None:
    """The probability from which on to foretell a click so that F1 of rows (n,) is highest; None without a click.

    Every value that occurs is tried, by sorting once (as in Lipton and others, ECML 2014); of equals the highest wins.
    """
    if not labels.any():
        return None
    order = np.argsort(-probabilities, kind="stable")
    hits, values = np.cumsum(labels[order] > 0), probabilities[order]
    last = np.append(values[1:] != values[:-1], True)  # equal probabilities are predicted together
    said = np.arange(1, len(order) + 1)
    f1 = np.where(last, 2 * hits / (said + hits[-1]), -1.0)
    return float(values[int(f1.argmax())])

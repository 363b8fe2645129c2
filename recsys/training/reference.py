"""What a training keeps of the distributions it saw, for the drift of what is served."""

import numpy as np

from recsys.pipeline import drift
from recsys.pipeline.model import Heads
from recsys.pipeline.scorer import input_names, probabilities_of_lists
from recsys.training.lists import Lists

NEWEST = 2000  # lists


def reference(lists: Lists, modalities: tuple[str, ...], heads: Heads | None) -> drift.Reference:
    """Deciles of the inputs and scores of the newest lists that were shown; {} without a head.

    The sampled articles in them are left out: a process compares what it answered, and that is what was shown.
    """
    if heads is None:
        return {}
    newest = lists.take(np.arange(max(0, len(lists) - NEWEST), len(lists)), lists.shown)
    scores = probabilities_of_lists(heads.listwise, np.split(newest.rows, newest.offsets[1:-1]))
    return drift.reference(input_names(modalities), newest.rows, np.concatenate(scores))

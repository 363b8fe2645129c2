"""The newest answers of a process, for the drift of their distributions against training."""

from collections import deque

import numpy as np

from recsys.columns import Floats32
from recsys.pipeline.drift import drift, reference_of
from recsys.pipeline.model import Model
from recsys.pipeline.recommend import Answer
from recsys.pipeline.scorer import input_names

KEPT = 1000  # answers: about 4 MB
FEWEST_ROWS = 1000  # with fewer the index of an unchanged distribution is noise, about 20 / rows


class Recent:
    """Inputs and scores of the newest answers; noting one costs a microsecond, working them out is for others."""

    def __init__(self) -> None:
        self._answers: deque[tuple[str, Floats32, Floats32]] = deque(maxlen=KEPT)

    def note(self, version: str, answer: Answer) -> None:
        """Keep the rows of an answer that a model version gave."""
        self._answers.append((version, answer.rows, answer.scores))

    def drift(self, model: Model | None) -> dict[str, float]:
        """The population stability index by input of what this model answered; {} while too little is known."""
        kept = reference_of(model)
        if model is None or kept is None:
            return {}
        own = [(rows, scores) for version, rows, scores in self._answers.copy() if version == model.version]
        if sum(len(scores) for _, scores in own) < FEWEST_ROWS:
            return {}
        names = input_names(model.views.towers.content_space.present)
        rows, scores = (np.concatenate(part) for part in zip(*own, strict=True))
        return drift(kept, names, rows, scores)

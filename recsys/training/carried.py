"""What towers carry over into the next ones: weights by article, and examples that keep them from forgetting."""

from dataclasses import dataclass

import numpy as np
import torch

from recsys.columns import NONE, Floats, Ints
from recsys.domain import Timestamp
from recsys.model.two_towers import TwoTowers
from recsys.pipeline.towers import Towers


@dataclass(frozen=True)
class TowerStart:
    """Towers to go on from, and up to when they know the clicks."""

    towers: Towers
    until: Timestamp


def carried_over(towers: Towers, keys: Ints) -> TwoTowers:
    """A module with the same weights for the articles ``keys`` (m,); those without an id embedding start at zero."""
    module = TwoTowers(towers.content_space.dims, len(keys), towers.config)
    state = dict(towers.model.state_dict())
    ids = state["fusion.ids.weight"]
    row_of = {key: row for row, key in enumerate(towers.id_keys.tolist()) if key != NONE}
    nobody = len(ids) - 1  # the last row stands for "none known" and is zero
    rows = [row_of.get(key, nobody) for key in keys.tolist()]
    module.load_state_dict({**state, "fusion.ids.weight": ids[torch.tensor([*rows, nobody])]})
    return module


def with_rehearsal(examples: Ints, known_at: Floats, since: Timestamp, generator: np.random.Generator) -> Ints:
    """The examples (clicks ``known_at``) from a time on, and as many older ones by chance, lest they be forgotten."""
    newer = known_at[examples] >= since
    old = generator.permutation(examples[~newer])[: int(newer.sum())]
    return np.concatenate([examples[newer], old])

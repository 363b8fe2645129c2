"""Fits fusion and user tower on the clicks of a log: each click is predicted from what its user clicked before."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from recsys.columns import NONE, ClickColumns, EventLog, Floats, Ints
from recsys.domain import RecsysError, Timestamp
from recsys.pipeline.content import Content, ContentSpace
from recsys.pipeline.histories import Histories, Windows
from recsys.pipeline.towers import Blend, TowerConfig, Towers, build, fusion_inputs, unit
from recsys.training.losses import log_inclusion, sampled_softmax


@dataclass(frozen=True)
class FitConfig:
    """How towers are fitted. With the defaults movielens-posters takes about 10 s on one thread."""

    towers: TowerConfig = field(default_factory=TowerConfig)
    epochs: int = 12
    max_steps: int = 1500  # bounds the time on large logs
    batch: int = 512
    rate: float = 3e-3
    weight_decay: float = 0.01
    uniform: int = 256  # more articles drawn uniformly into each softmax
    temperature: float = 0.1  # at the start; learned
    log_q: float = 1.0  # how much of the correction is applied

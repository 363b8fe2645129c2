"""The user tower: a history of item embeddings, newest 50, to one user embedding in the same space."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

AGE_KNOTS = 16  # log2 of seconds: from 2 seconds over a day (16.4) to a year (24.9)
AGE_STEP = 2.0


@dataclass(frozen=True)
class UserTowerConfig:
    """Shape of the user tower."""

    dim: int = 64
    hidden: int = 64
    history: int = 50  # newest clicks that count


class UserTower(nn.Module):
    """Additive attention over the history with a learned recency bias.

    Attention as in Wu et al., NRMS, EMNLP 2019 (after Bahdanau et al., 2015). The bias is a table by position from
    the newest click plus a curve over log age, interpolated between knots; both begin flat.
    """

    def __init__(self, config: UserTowerConfig) -> None:
        super().__init__()
        self.config = config
        self.hidden = nn.Linear(config.dim, config.hidden)
        self.query = nn.Linear(config.hidden, 1, bias=False)
        self.by_position = nn.Parameter(torch.zeros(config.history))
        self.by_age = nn.Parameter(torch.zeros(AGE_KNOTS))
        self.out = nn.Linear(config.dim, config.dim)
        nn.init.eye_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, items: Tensor, age: Tensor, mask: Tensor) -> Tensor:
        """User embeddings (batch, dim); without any click, the learned embedding of a reader nothing is known of.

        Args:
            items: (batch, history, dim) item embeddings, oldest first; padding may stand anywhere.
            age: (batch, history) seconds from the click to the request.
            mask: (batch, history) bool, False for padding.
        """
        newer = mask.flip(1).long().cumsum(1).flip(1) - 1  # (batch, history) clicks after this one
        counted = mask & (newer < self.config.history)
        bias = self.by_position[newer.clamp(0, self.config.history - 1)] + self._age_bias(age)
        logits = self.query(torch.tanh(self.hidden(items))).squeeze(-1) + bias
        logits = logits.masked_fill(~counted, -torch.inf).masked_fill(~counted.any(1, keepdim=True), 0.0)
        weights = torch.softmax(logits, dim=1) * counted
        clean = items.masked_fill(~counted[..., None], 0.0)
        user: Tensor = self.out((weights[..., None] * clean).sum(dim=1))
        return user

    def _age_bias(self, age: Tensor) -> Tensor:
        place = (torch.log2(age.clamp(min=0) + 1) / AGE_STEP).clamp(max=AGE_KNOTS - 1.001)
        below = place.floor()
        left, share = below.long(), place - below
        return self.by_age[left] * (1 - share) + self.by_age[left + 1] * share

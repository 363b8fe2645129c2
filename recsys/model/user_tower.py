"""The user side: a history of item vectors, newest 50, to one vector in the same space."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn

AGE_KNOTS = 16  # log4 of seconds: half a minute is 2.5, a day 8.2, a year 12.5
AGE_STEP = 2.0
FADES = (0.5, 0.05)  # logits by which a click starts below the next newer one, by head: what is on now, lasting taste


@dataclass(frozen=True)
class UserTowerConfig:
    """Shape of the user tower."""

    dim: int = 64
    hidden: int = 64
    history: int = 50  # newest clicks that count


class Recency(nn.Module):
    """Attention over a history by how many clicks came after and by how long ago it was, in heads of different memory.

    A table by position from the newest click plus a curve over log age, interpolated between knots; both learned. Each
    head begins with its own fade: the logits by which a click counts less than the next newer one.
    """

    def __init__(self, history: int, fades: Sequence[float]) -> None:
        super().__init__()
        self.history = history
        self.by_position = nn.Parameter(-torch.outer(torch.arange(history), torch.tensor(fades)))
        self.by_age = nn.Parameter(torch.zeros(AGE_KNOTS, len(fades)))

    def forward(self, interest: Tensor | float, age: Tensor, mask: Tensor) -> Tensor:
        """Weights (batch, history, heads) that sum to 1 over the newest clicks; all zeros without any.

        Args:
            interest: (batch, history, heads) what else speaks for each click, in logits.
            age: (batch, history) seconds from the click to the request.
            mask: (batch, history) bool, False for padding.
        """
        newer = mask.flip(1).cumsum(1).flip(1) - 1
        counted = mask & (newer < self.history)
        left_out = counted.any(1, keepdim=True) & ~counted  # all of them, where none counts
        near = _near(torch.log2(age.clamp(min=0) + 1) / AGE_STEP, AGE_KNOTS)
        position = nn.functional.embedding(newer.clamp(0, self.history - 1), self.by_position)
        logits = interest + position + near @ self.by_age
        return torch.softmax(logits.masked_fill(left_out[..., None], -torch.inf), dim=1) * counted[..., None]


class UserTower(nn.Module):
    """Additive attention over the history with a learned recency bias, in two heads of different memory.

    Attention as in Wu et al., NRMS, EMNLP 2019 (after Bahdanau et al., 2015).
    """

    def __init__(self, config: UserTowerConfig) -> None:
        super().__init__()
        self.config = config
        self.hidden = nn.Linear(config.dim, config.hidden)
        self.query = nn.Linear(config.hidden, len(FADES), bias=False)
        self.recency = Recency(config.history, FADES)
        self.out = nn.Linear(len(FADES) * config.dim, config.dim)
        with torch.no_grad():  # begins as the mean of the heads
            self.out.weight.copy_(torch.eye(config.dim).repeat(1, len(FADES)) / len(FADES))
        nn.init.zeros_(self.out.bias)

    def forward(self, items: Tensor, age: Tensor, mask: Tensor) -> Tensor:
        """User embeddings (batch, dim); without any click, the learned embedding of a reader nothing is known of.

        Args:
            items: (batch, history, dim) item embeddings, oldest first; padding may stand anywhere.
            age: (batch, history) seconds from the click to the request.
            mask: (batch, history) bool, False for padding.
        """
        clean = items.masked_fill(~mask[..., None], 0.0)
        weights = self.recency(self._interest(clean), age, mask)
        user: Tensor = self.out((weights.mT @ clean).flatten(1))
        return user

    def from_table(self, table: Tensor, rows: Tensor, age: Tensor, mask: Tensor) -> Tensor:
        """The same from a table of item embeddings (n, dim) and the row of each click (batch, history).

        What attention asks of an item does not depend on the reader, so a training batch asks each item once.
        """
        weights = self.recency(nn.functional.embedding(rows, self._interest(table)), age, mask)
        heads = [weighted_rows(table, rows, head) for head in weights.unbind(-1)]
        user: Tensor = self.out(torch.cat(heads, dim=1))
        return user

    def of_subsets(self, items: Tensor, age: Tensor, kept: Tensor) -> Tensor:
        """The same of subsets (s, history) of one reader's clicks: items (history, dim), age (history,)."""
        weights = self.recency(self._interest(items)[None], age[None], kept)
        user: Tensor = self.out((weights.mT @ items).flatten(1))
        return user

    def _interest(self, items: Tensor) -> Tensor:
        logits: Tensor = self.query(torch.tanh(self.hidden(items)))
        return logits


class BlockwiseUserTower(nn.Module):
    """A user tower for each block of the item embeddings, where a late fusion keeps the modalities apart.

    A block of a user comes from the same block of the items alone, and from those items that have it: its zeros say
    that an item lacks the modality. Places behind the blocks stay zero.
    """

    def __init__(self, config: UserTowerConfig, blocks: int) -> None:
        super().__init__()
        width = config.dim // blocks
        self.parts = [slice(first, first + width) for first in range(0, blocks * width, width)]
        self.left_over = config.dim - blocks * width
        self.towers = nn.ModuleList([UserTower(replace(config, dim=width)) for _ in self.parts])

    def forward(self, items: Tensor, age: Tensor, mask: Tensor) -> Tensor:
        """User embeddings (batch, dim); arguments as of ``UserTower``."""
        return self._joined([
            tower(items[..., part], age, mask & (items[..., part] != 0).any(-1))
            for tower, part in zip(self.towers, self.parts, strict=True)
        ])  # fmt: skip

    def from_table(self, table: Tensor, rows: Tensor, age: Tensor, mask: Tensor) -> Tensor:
        """The same from a table of item embeddings (n, dim) and the row of each click (batch, history)."""
        users = []
        for tower, part in zip(self.towers, self.parts, strict=True):
            block = table[:, part].contiguous()
            users.append(cast(UserTower, tower).from_table(block, rows, age, mask & (block != 0).any(-1)[rows]))
        return self._joined(users)

    def of_subsets(self, items: Tensor, age: Tensor, kept: Tensor) -> Tensor:
        """The same of subsets (s, history) of one reader's clicks: items (history, dim), age (history,)."""
        blocks = [items[:, part] for part in self.parts]
        return self._joined([
            cast(UserTower, tower).of_subsets(block, age, kept & (block != 0).any(-1))
            for tower, block in zip(self.towers, blocks, strict=True)
        ])  # fmt: skip

    def _joined(self, users: list[Tensor]) -> Tensor:
        return nn.functional.pad(torch.cat(users, dim=-1), (0, self.left_over))


def weighted_rows(table: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
    """Sum over a history (batch, history) of weighted rows of a table (n, dim): (batch, dim)."""
    return nn.functional.embedding_bag(rows, table, mode="sum", per_sample_weights=weights.contiguous())


def interpolated(values: Tensor, place: Tensor) -> Tensor:
    """The curve through ``values`` at knots 0, 1, 2, ..., read at ``place`` (any shape), flat beyond the ends."""
    return _near(place, len(values)) @ values  # a product, whose gradient is much faster than a gather's


def _near(place: Tensor, knots: int) -> Tensor:
    """What each of the knots 0, 1, 2, ... counts at ``place`` (any shape): the two around it, by how near they are."""
    within = place.clamp(0, knots - 1)[..., None]
    return torch.relu(1 - (within - torch.arange(knots, device=place.device)).abs())

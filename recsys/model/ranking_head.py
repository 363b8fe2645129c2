"""The two stages of the ranking head: a score for each candidate alone, and click probabilities within a list.

A list's items and one outside option, "clicks on nothing", share one choice by a softmax (the conditional logit model,
McFadden 1974), for logs in which every list has a click as for logs with empty ones. Where lists have several clicks
the odds of these shares are moved to what was clicked (Platt 1999).
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

SHORTEST_RUN = 1e-6  # below it a slope is taken over so much, or it would be rounding alone


class Standardise(nn.Module):
    """Subtract a stored mean and divide by a stored scale, per column; outliers are cut at ``limit`` scales."""

    mean: Tensor
    scale: Tensor

    def __init__(self, width: int, limit: float = 6.0):
        super().__init__()
        self.limit = limit
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))

    @torch.no_grad()
    def fit(self, rows: Tensor) -> None:
        """Store the constants of rows (n, width)."""
        self.mean.copy_(rows.mean(0))
        deviation = rows.std(0, correction=0)
        self.scale.copy_(torch.where(deviation > 1e-6, deviation, torch.ones_like(deviation)))

    def forward(self, rows: Tensor, part: slice = slice(None)) -> Tensor:
        """(n, width) -> (n, width); or only ``part`` of the columns, when the rows have no others."""
        return ((rows - self.mean[part]) / self.scale[part]).clamp(-self.limit, self.limit)


class PointwiseHead(nn.Module):
    """Scores each candidate from its own features; the best go on to the listwise head."""

    def __init__(self, width: int, hidden: int = 64):
        super().__init__()
        self.standardise = Standardise(width)
        self.layers = _perceptron(width, (hidden,), dropout=0.05)

    def forward(self, rows: Tensor) -> Tensor:
        """(n, width) -> (n,) scores, comparable within one request."""
        scores: Tensor = self.layers(self.standardise(rows)).squeeze(-1)
        return scores

    def scores_with(self, rows: Tensor, columns: Tensor, first: int) -> Tensor:
        """Scores (s, n) of rows (n, width) with columns (s, n, k) in place of their own from ``first`` on.

        What stays is read once.
        """
        hidden, part = cast(nn.Linear, self.layers[0]), slice(first, first + columns.shape[2])
        same = self.standardise(rows)
        same[:, part] = 0.0
        changed = self.standardise(columns, part) @ hidden.weight[:, part].T
        scores: Tensor = self.layers[-1](self.layers[1](hidden(same) + changed)).squeeze(-1)
        return scores

    def contributions(self, rows: Tensor) -> Tensor:
        """(n, width) -> (n, width), float64: what each input adds to the score, beside the scores of the mean inputs.

        Integrated gradients from the stored means (Sundararajan and others 2017). On the straight way to a row each
        hidden unit runs straight from its bias to its value, so the integral is the rise of its activation divided by
        its own: exact, without steps.
        """
        hidden, activation, out = cast(nn.Linear, self.layers[0]), self.layers[1], cast(nn.Linear, self.layers[-1])
        inputs = self.standardise(rows).double()
        rise = inputs @ hidden.weight.double().T
        start = hidden.bias.double()
        run = torch.where(rise.abs() < SHORTEST_RUN, SHORTEST_RUN, rise)
        slope = (activation(start + run) - activation(start)) / run
        moved: Tensor = inputs * ((slope * out.weight.double()) @ hidden.weight.double())
        return moved


class ListwiseHead(nn.Module):
    """Scores items beside the others in their list, and the outside option by the list's own features.

    What the first layer makes of an item goes on together with its mean over the list (Zaheer et al., Deep Sets, NIPS
    2017), so an item's score depends on what it stands beside, and on nobody's order.

    Calibration sets the four buffers: temperature and outside shift belong to the choice, ``odds_slope`` and
    ``odds_shift`` make click probabilities of its shares, since several items of a list may be clicked.
    """

    temperature: Tensor
    outside_shift: Tensor
    odds_slope: Tensor
    odds_shift: Tensor

    def __init__(self, width: int, list_width: int, hidden: tuple[int, int] = (128, 64)):
        super().__init__()
        self.standardise = Standardise(width)
        self.alone = nn.Sequential(*_layer(width, hidden[0], dropout=0.1))
        self.layers = _perceptron(2 * hidden[0], hidden[1:], dropout=0.1)
        self.standardise_list = Standardise(list_width)
        self.outside = _perceptron(list_width, (16,), dropout=0.0)
        for name, start in (("temperature", 1.0), ("outside_shift", 0.0), ("odds_slope", 1.0), ("odds_shift", 0.0)):
            self.register_buffer(name, torch.tensor(start))

    def forward(self, rows: Tensor, lists: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of items (n,) and of the outside option (m,).

        Args:
            rows: (n, width) list after list.
            lists: (m, list_width)
            lengths: (m,) rows of each list, none of them 0.
        """
        alone = self.alone(self.standardise(rows))
        beside = _means(alone, lengths).repeat_interleave(lengths, dim=0)
        items = self.layers(torch.cat([alone, beside], dim=1)).squeeze(-1) / self.temperature
        outside = self.outside(self.standardise_list(lists)).squeeze(-1) / self.temperature + self.outside_shift
        return items, outside


def _perceptron(width: int, hidden: Sequence[int], dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for size in hidden:
        layers += _layer(width, size, dropout)
        width = size
    return nn.Sequential(*layers, nn.Linear(width, 1))


def _layer(width: int, size: int, dropout: float) -> list[nn.Module]:
    return [nn.Linear(width, size), nn.SiLU(), nn.Dropout(dropout)]


def _means(rows: Tensor, lengths: Tensor) -> Tensor:
    """Means (m, width) of the rows (n, width) of each list."""
    owner = torch.arange(len(lengths), device=rows.device).repeat_interleave(lengths)
    return rows.new_zeros(len(lengths), rows.shape[1]).index_add(0, owner, rows) / lengths[:, None]

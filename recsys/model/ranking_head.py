"""The two stages of the ranking head: a score for each candidate alone, and click probabilities within a list.

A list's probabilities are a softmax over its items and one outside option, "clicks on nothing" (the conditional logit
model, McFadden 1974), so they are calibrated for logs in which every list has a click as for logs with empty ones.
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
    """Scores items by features that are also normalised within their list, and the outside option by the list's own."""

    temperature: Tensor
    outside_shift: Tensor

    def __init__(self, width: int, list_width: int, hidden: Sequence[int] = (128, 64)):
        super().__init__()
        self.standardise = Standardise(width)
        self.layers = _perceptron(width, hidden, dropout=0.1)
        self.standardise_list = Standardise(list_width)
        self.outside = _perceptron(list_width, (16,), dropout=0.0)
        self.register_buffer("temperature", torch.ones(()))  # both set by calibration
        self.register_buffer("outside_shift", torch.zeros(()))

    def forward(self, rows: Tensor, lists: Tensor) -> tuple[Tensor, Tensor]:
        """Rows (n, width) and lists (m, list_width) -> logits of items (n,) and of the outside option (m,)."""
        items = self.layers(self.standardise(rows)).squeeze(-1) / self.temperature
        outside = self.outside(self.standardise_list(lists)).squeeze(-1) / self.temperature + self.outside_shift
        return items, outside


def _perceptron(width: int, hidden: Sequence[int], dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for size in hidden:
        layers += [nn.Linear(width, size), nn.SiLU(), nn.Dropout(dropout)]
        width = size
    return nn.Sequential(*layers, nn.Linear(width, 1))

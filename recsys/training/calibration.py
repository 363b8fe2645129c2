"""Calibrates the listwise head on lists that it was not trained on: first the choice, then the odds of its shares."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from recsys.model.ranking_head import ListwiseHead
from recsys.pipeline.scorer import SMALLEST, choice_shares, listwise_inputs
from recsys.training.lists import Lists, padded
from recsys.training.losses import choice_loss

BELIEF = 1.0  # lists' worth of evidence that a head needs no calibration, so that a few lists cannot carry it away


@dataclass(frozen=True)
class Calibration:
    """What makes a head's logits click probabilities, see ``ListwiseHead``."""

    temperature: float = 1.0
    outside_shift: float = 0.0
    odds_slope: float = 1.0
    odds_shift: float = 0.0

    def set(self, head: ListwiseHead) -> None:
        """Have the head use it, in place of the one it had."""
        for name, value in vars(self).items():
            getattr(head, name).fill_(value)


def calibrate(head: ListwiseHead, shown: Lists) -> Calibration:
    """The calibration that minimises the loss of these lists, for a head that has none yet.

    Temperature and shift of the outside option first (Guo and others 2017), by the choice; then slope and shift of the
    odds (Platt 1999), by the log loss of each item: lists with several clicks have more of them than one choice.
    """
    head.eval()
    lengths = torch.from_numpy(shown.offsets).diff()
    rows, contexts = listwise_inputs(shown.rows, shown.offsets)
    with torch.no_grad():
        logits, outside = head(torch.from_numpy(rows), torch.from_numpy(contexts), lengths)
    temperature, outside_shift = _choice(logits, outside, shown)
    cooler, shifted = (logits / temperature).numpy(), (outside / temperature + outside_shift).numpy()
    shares = choice_shares(cooler, shifted, shown.offsets)
    return Calibration(temperature, outside_shift, *_odds(torch.from_numpy(shares), shown))


@torch.no_grad()
def take_in(head: ListwiseHead) -> None:
    """Write the choice's calibration into the last weights, so that training goes on from the shares the head gives."""
    for layer in (head.layers[-1], head.outside[-1]):
        for parameter in layer.parameters():
            parameter.div_(head.temperature)
    *_, bias = head.outside.parameters()
    bias.add_(head.outside_shift)
    Calibration(odds_slope=float(head.odds_slope), odds_shift=float(head.odds_shift)).set(head)


def _choice(logits: Tensor, outside: Tensor, shown: Lists) -> tuple[float, float]:
    labels, mask = padded(torch.from_numpy(shown.labels), shown.offsets, 0.0)
    scores, _ = padded(logits, shown.offsets, 0.0)

    def loss(log_temperature: Tensor, shift: Tensor) -> Tensor:
        scale = torch.exp(-log_temperature)
        return choice_loss(scores * scale, mask, labels, outside * scale + shift)

    log_temperature, shift = _minimum(loss, len(shown))
    return float(log_temperature.exp()), float(shift)


def _odds(shares: Tensor, shown: Lists) -> tuple[float, float]:
    odds = torch.logit(shares.double(), eps=SMALLEST)
    labels = torch.from_numpy(shown.labels).double()

    def loss(log_slope: Tensor, shift: Tensor) -> Tensor:
        items = nn.functional.binary_cross_entropy_with_logits(odds * log_slope.exp() + shift, labels, reduction="sum")
        return items / len(shown)

    log_slope, shift = _minimum(loss, len(shown))
    return float(log_slope.exp()), float(shift)


def _minimum(loss: Callable[[Tensor, Tensor], Tensor], lists: int) -> tuple[Tensor, Tensor]:
    """Where a mean loss of lists of two numbers is least, with 0 and 0 being believed beforehand."""
    found = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))
    optimiser = torch.optim.LBFGS(found, max_iter=50, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        believed = loss(*found) + BELIEF / lists * (found[0].square() + found[1].square())
        believed.backward()  # type: ignore[no-untyped-call]
        return believed

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return found[0].detach(), found[1].detach()

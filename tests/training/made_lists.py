"""Made lists of ranking inputs with planted signals, for tests of the heads without a log."""

import numpy as np
import torch

from recsys.columns import Bools, Floats32, Ints
from recsys.features.features import REQUEST
from recsys.pipeline.model import Heads
from recsys.pipeline.scorer import listwise_inputs, widths
from recsys.training.lists import Lists

MODALITIES = ("title",)
WIDTH = widths(MODALITIES)[0]
FRONT_PAGE = WIDTH - len(REQUEST) + REQUEST.index("front_page")  # a column of the list, not of its items
SIGNAL, OTHER = 3, 17  # columns that tests plant something in
NOISE = (3, 9, 17, 40)  # columns of the items that are not constant


def made_lists(lists: int, length: int = 6, sampled: int = 0, seed: int = 0) -> Lists:
    """Noise: lists of ``length`` shown rows, then ``sampled`` others; nothing is clicked."""
    generator = np.random.default_rng(seed)
    whole = length + sampled
    rows = np.zeros((lists * whole, WIDTH), np.float32)
    rows[:, NOISE] = generator.standard_normal((lists * whole, len(NOISE)))
    rows[:, FRONT_PAGE] = np.repeat(generator.random(lists) < 0.5, whole)
    shown = np.tile(np.arange(whole) < length, lists)
    return Lists(np.arange(lists + 1) * whole, rows, np.zeros(lists * whole, np.float32), shown)


def click(lists: Lists, place: Ints) -> None:
    """Click the row at this place (lists,) of each list; none where it is negative."""
    chosen = np.flatnonzero(place >= 0)
    lists.labels[lists.offsets[chosen] + place[chosen]] = 1.0


def clicks_by(lists: Lists, column: int, strength: float, seed: int = 0, outside: float = -np.inf) -> None:
    """Click in each list by softmax choice among the shown rows, or nothing: the outside option's utility."""
    generator = np.random.default_rng(seed)
    for first, last in zip(lists.offsets[:-1], lists.offsets[1:], strict=True):
        utility = np.where(lists.shown[first:last], strength * lists.rows[first:last, column], -np.inf)
        noisy = np.append(utility, outside) + generator.gumbel(size=last - first + 1)
        chosen = int(np.argmax(noisy))
        if chosen < last - first:
            lists.labels[first + chosen] = 1.0


def listwise_scores(heads: Heads, lists: Lists) -> tuple[Floats32, Floats32]:
    """Logits of the items (rows,) and of the outside options (lists,)."""
    items, whole = listwise_inputs(lists.rows, lists.offsets)
    with torch.no_grad():
        lengths = torch.from_numpy(lists.offsets).diff()
        logits, outside = heads.listwise(torch.from_numpy(items), torch.from_numpy(whole), lengths)
    return logits.numpy(), outside.numpy()


def pointwise_scores(heads: Heads, lists: Lists) -> Floats32:
    """Scores (rows,)."""
    with torch.no_grad():
        scores: Floats32 = heads.pointwise(torch.from_numpy(lists.rows)).numpy()
    return scores


def click_chance(logits: Floats32, outside: Floats32, offsets: Ints) -> Floats32:
    """P(any click) of each list (lists,), list by list."""
    chances = []
    for i in range(len(outside)):
        own = np.append(logits[offsets[i] : offsets[i + 1]], outside[i]).astype(np.float64)
        weights = np.exp(own - own.max())
        chances.append(1 - weights[-1] / weights.sum())
    return np.array(chances, np.float32)


def first_places(scores: Floats32, lists: Lists, among: Bools | None = None) -> float:
    """Share of the clicked lists whose best row (of ``among``) is the clicked one."""
    found = []
    for first, last in zip(lists.offsets[:-1], lists.offsets[1:], strict=True):
        own = scores[first:last] if among is None else np.where(among[first:last], scores[first:last], -np.inf)
        if lists.labels[first:last].any():
            found.append(lists.labels[first + int(np.argmax(own))] == 1)
    return float(np.mean(found))

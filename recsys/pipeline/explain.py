"""Why the articles of an answer were recommended: clicks, modalities and inputs, each with what it counts, in logits.

Everything is a difference of pointwise utilities, by which candidates are ordered; editors' rules are no part of it.
"""

from dataclasses import dataclass
from functools import cache
from math import factorial

import numpy as np
import torch

from recsys.columns import Floats, Floats32, Ints
from recsys.domain import Modality
from recsys.features.features import REQUEST
from recsys.pipeline.model import Model
from recsys.pipeline.scorer import input_names
from recsys.pipeline.situation import Request
from recsys.pipeline.variants import Variants, subsets

MOST_REASONS = 2
MOST_INPUTS = 5
LEAST = 5e-5  # logits, half of the last digit that an answer shows
NEAR = 0.15  # cosine in the content view from which a read article counts as a reason


@dataclass(frozen=True)
class Why:
    """What speaks for one article, and against it."""

    nearest: list[int]  # keys of the read articles nearest in content, nearest first
    clicks: list[tuple[int, float]]  # the read articles that count most, and what each adds
    weights: dict[Modality, float]  # of the modalities in the fusion
    shapley: dict[Modality, float]  # what each modality adds
    inputs: list[tuple[str, float, float]]  # of the head: name, value and what it adds, most first; none without a head


def explained(model: Model, request: Request, keys: Ints, rows: Floats32) -> list[Why]:
    """Why each of the articles ``keys`` (n,) with their pointwise inputs (n, width) stands in the answer."""
    variants, names = Variants(model, request, keys, rows), model.views.towers.modalities
    near, clicks = nearest(variants), _largest(click_effects(variants), MOST_REASONS)
    shares, weights = (values.tolist() for values in modality_effects(variants))
    inputs = _largest(input_effects(model, rows)[:, : -len(REQUEST)], MOST_INPUTS)
    inputs_named = input_names(model.views.towers.content_space.present)
    return [
        Why(
            nearest=near[i],
            clicks=[(int(variants.read[j]), logits) for j, logits in clicks[i]],
            weights=dict(zip(names, weights[i], strict=True)),
            shapley=dict(zip(names, shares[i], strict=True)),
            inputs=[(inputs_named[j], float(rows[i, j]), logits) for j, logits in inputs[i]],
        )
        for i in range(len(keys))
    ]


def nearest(variants: Variants) -> list[list[int]]:
    """For each article the read ones nearest in content, nearest first; none where nothing is near."""
    cosines = _unit(variants.content) @ _unit(variants.content_read).T  # (n, r)
    best = np.argsort(-cosines, axis=1, kind="stable")[:, :MOST_REASONS]
    near = np.take_along_axis(cosines, best, axis=1) > NEAR
    return [variants.read[row[there]].tolist() for row, there in zip(best, near, strict=True)]


def click_effects(variants: Variants) -> Floats32:
    """By how much the utilities fall without the clicks on each article that was read (n, r).

    Left out is a click from what towers and content see of the history: the newest HISTORY clicks, which no older one
    then fills up.
    """
    utility = variants.without_clicks
    return np.asarray((utility[0] - utility[1:]).T)


def modality_effects(variants: Variants) -> tuple[Floats, Floats32]:
    """Shapley values and weights in the fusion (n, m) of the modalities, in the order of ``towers.modalities``.

    The values are exact, over all subsets. They add up to the utility less that of the article without any modality,
    and what an article lacks adds nothing (Shapley, A value for n-person games, 1953). A modality that is taken out is
    missing for the fusion and for the content affinities; behaviour is the id embedding, and the clicks known of it
    where both views are blended.
    """
    game = _game(len(variants.towers.modalities))
    return np.asarray(variants.with_modalities.T.astype(np.float64) @ game.T), variants.weights[-1]


def input_effects(model: Model, rows: Floats32) -> Floats:
    """What each input adds to the utility (n, width), beside the mean inputs of the training; zeros without a head.

    Integrated gradients (Sundararajan and others, Axiomatic attribution for deep networks, ICML 2017): they add up to
    the utility less that of the mean inputs.
    """
    if model.heads is None:
        return np.zeros(rows.shape)
    with torch.inference_mode():
        return np.asarray(model.heads.pointwise.contributions(torch.from_numpy(rows)).numpy())


@cache
def _game(players: int) -> Floats:
    """What the value of each subset counts in each player's Shapley value (m, 2^m)."""
    chance = [
        factorial(size) * factorial(players - size - 1) / factorial(players) for size in range(players)
    ]  # that the players before one are these
    sizes = subsets(players).sum(axis=1)
    return np.array([np.where(one, 1.0, -1.0) * np.take(chance, sizes - one) for one in subsets(players).T])


def _largest(effects: Floats | Floats32, most: int) -> list[list[tuple[int, float]]]:
    """For each row of the effects (n, k) the places of those of the largest size, largest first, and what they are.

    What would be shown as 0 is none: a click that changes nothing may differ from it by rounding.
    """
    best = np.argsort(-np.abs(effects), axis=1, kind="stable")[:, :most]
    found = np.take_along_axis(effects, best, axis=1)
    pairs = [zip(*row, strict=True) for row in zip(best.tolist(), found.tolist(), strict=True)]
    return [[(place, effect) for place, effect in row if abs(effect) >= LEAST] for row in pairs]


def _unit(vectors: Floats32) -> Floats32:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), np.float32)

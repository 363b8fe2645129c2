"""Why the articles of an answer were recommended: clicks, modalities and inputs, each with what it counts, in logits.

Everything is a difference of pointwise utilities, by which candidates are ordered; editors' rules are no part of it.
"""

from dataclasses import dataclass
from functools import cache
from math import factorial

import numpy as np
import torch

from recsys.columns import Bools, Floats, Floats32, Ints
from recsys.domain import Modality
from recsys.features.features import REQUEST
from recsys.pipeline.model import Model, Views
from recsys.pipeline.scorer import input_names
from recsys.pipeline.situation import Request
from recsys.pipeline.variants import Variants

MOST_REASONS = 2
MOST_INPUTS = 5
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
    near, clicks = nearest(model.views, keys, request.history), click_effects(variants)
    shares, weights = modality_effects(variants)
    inputs, inputs_named = input_effects(model, rows), input_names(model.views.towers.content_space.present)
    return [
        Why(
            nearest=near[i],
            clicks=[(int(variants.read[j]), float(clicks[i, j])) for j in _largest(clicks[i], MOST_REASONS)],
            weights=dict(zip(names, weights[i].tolist(), strict=True)),
            shapley=dict(zip(names, shares[i].tolist(), strict=True)),
            inputs=[
                (inputs_named[j], float(rows[i, j]), float(inputs[i, j]))
                for j in _largest(inputs[i, : -len(REQUEST)], MOST_INPUTS)
            ],
        )
        for i in range(len(keys))
    ]


def nearest(views: Views, keys: Ints, history: Ints) -> list[list[int]]:
    """For each article the read ones nearest in content, nearest first; none where nothing is near."""
    unique = np.unique(history)
    cosines = _unit(views.content.vectors(keys)[0]) @ _unit(views.content.vectors(unique)[0]).T
    best = np.argsort(-cosines, axis=1, kind="stable")[:, :MOST_REASONS]
    return [[int(unique[i]) for i in row if cosines[n, i] > NEAR] for n, row in enumerate(best)]


def click_effects(variants: Variants) -> Floats32:
    """By how much the utilities fall without the clicks on each article that was read (n, r).

    Left out is a click from what towers and content see of the history: the newest HISTORY clicks, which no older one
    then fills up.
    """
    utility = variants.without_clicks()
    return np.asarray((utility[0] - utility[1:]).T)


def modality_effects(variants: Variants) -> tuple[Floats, Floats32]:
    """Shapley values and weights in the fusion (n, m) of the modalities, in the order of ``towers.modalities``.

    The values are exact, over all subsets. They add up to the utility less that of the article without any modality,
    and what an article lacks adds nothing (Shapley, A value for n-person games, 1953). A modality that is taken out is
    missing for the fusion and for the content affinities; behaviour is the id embedding, and the clicks known of it
    where both views are blended.
    """
    subsets, weights = _game(len(variants.towers.modalities))
    utility, shares = variants.with_modalities(subsets)
    return np.asarray(utility.T.astype(np.float64) @ weights.T), shares[-1]


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
def _game(players: int) -> tuple[Bools, Floats]:
    """All subsets (2^m, m), and what the value of each counts in each player's Shapley value (m, 2^m)."""
    subsets = (np.arange(2**players)[:, None] >> np.arange(players)) % 2 == 1
    chance = [
        factorial(size) * factorial(players - size - 1) / factorial(players) for size in range(players)
    ]  # that the players before one are these
    sizes = subsets.sum(axis=1)
    weights = [np.where(with_one, 1.0, -1.0) * np.take(chance, sizes - with_one) for with_one in subsets.T]
    return subsets, np.array(weights)


def _largest(effects: Floats | Floats32, most: int) -> list[int]:
    """Places of the effects (k,) of the largest size, largest first; those of size 0 are none."""
    best = np.argsort(-np.abs(effects), kind="stable")[:most]
    return [int(i) for i in best if effects[i] != 0]


def _unit(vectors: Floats32) -> Floats32:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), np.float32)

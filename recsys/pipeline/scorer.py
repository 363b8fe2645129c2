"""From candidates to click probabilities: the inputs of the ranking head, and its two stages."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsys.columns import Floats32, Ints
from recsys.features.features import FEATURES, REQUEST, VARYING, WIDTH, compute_features
from recsys.features.within import RELATIVE, within_list
from recsys.model import arrays
from recsys.model.ranking_head import ListwiseHead, PointwiseHead
from recsys.pipeline import affinity
from recsys.pipeline.model import Views
from recsys.pipeline.situation import Reader, Request

SMALLEST = 1e-7  # share, and the same from 1 on, whose odds are still looked at


@dataclass(frozen=True)
class Scored:
    """Candidates with their inputs and utilities, each in the candidates' own order."""

    order: Ints  # (n,) places of the candidates, best first
    rows: Floats32  # (n, width) pointwise inputs
    utility: Floats32  # (n,) higher is better


def input_names(modalities: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the pointwise inputs; the columns of the request come last."""
    return FEATURES[:VARYING] + affinity.names(modalities) + REQUEST


def assemble(features: Floats32, affinities: Floats32) -> Floats32:
    """Pointwise inputs (n, width) of features (n, WIDTH) and affinities (n, columns)."""
    return np.concatenate([features[:, :VARYING], affinities, features[:, VARYING:]], axis=1)


def listwise_inputs(rows: Floats32, offsets: Ints) -> tuple[Floats32, Floats32]:
    """Inputs of the listwise head for lists of pointwise inputs.

    Returns rows with their features relative to their list and its length (n, ...), and one row per list (lists, ...).
    """
    varying = rows.shape[1] - len(REQUEST)
    lengths = np.diff(offsets)
    log_length = np.log1p(lengths).astype(np.float32)
    relative = within_list(rows, offsets, varying)
    items = np.concatenate([rows, relative, np.repeat(log_length, lengths)[:, None]], axis=1)
    lists = np.concatenate([rows[offsets[:-1], varying:], log_length[:, None]], axis=1)
    return items, lists


def widths(modalities: tuple[str, ...]) -> tuple[int, int, int]:
    """Columns of the pointwise inputs, the listwise items and the listwise lists."""
    width = len(input_names(modalities))
    varying = width - len(REQUEST)
    return width, width + RELATIVE * varying + 1, len(REQUEST) + 1


def inputs(
    views: Views,
    modalities: tuple[str, ...],
    reader: Reader,
    request: Request,
    keys: Ints,
    user: Floats32 | None = None,
) -> Floats32:
    """Pointwise inputs of candidate keys (n,) for one request (n, width); ``user`` (dim,) as far as it is known."""
    world = reader.world
    features = np.zeros((len(keys), WIDTH), np.float32)
    compute_features(
        world.state,
        world.attributes,
        request.view,
        request.user,
        request.context,
        request.at,
        keys,
        reader.scratch,
        features,
    )
    if user is None:
        user = affinity.user_vectors(views, request.history[None], request.ages[None])[0]
    context = request.context.context_article
    return assemble(features, affinity.affinities(views, modalities, keys, user, request.history, context))


def score_many(head: PointwiseHead, rows: Sequence[Floats32]) -> list[Scored]:
    """Rank the candidates of each request by their own pointwise inputs (n, width)."""
    if len(rows) == 1:
        return [scored(rows[0], arrays.pointwise(head, rows[0]))]
    parts = np.split(arrays.pointwise(head, np.concatenate(rows)), np.cumsum([len(part) for part in rows])[:-1])
    return [scored(part, utility) for part, utility in zip(rows, parts, strict=True)]


def scored(rows: Floats32, utility: Floats32) -> Scored:
    """Candidates in the order of their utilities (n,); of equals the first comes first."""
    return Scored(np.argsort(-utility, kind="stable"), rows, utility)


def probabilities_of_lists(head: ListwiseHead, lists: Sequence[Floats32]) -> list[Floats32]:
    """P(click | shown in this list) of the items of each list, from their pointwise inputs; an empty list has none."""
    filled = [rows for rows in lists if len(rows)]
    if not filled:
        return [np.zeros(0, np.float32) for _ in lists]
    offsets = np.cumsum([0, *(len(rows) for rows in filled)])
    chances = iter(np.split(judged_lists(head, np.concatenate(filled), offsets)[1], offsets[1:-1]))
    return [next(chances) if len(rows) else np.zeros(0, np.float32) for rows in lists]


def judged_lists(head: ListwiseHead, rows: Floats32, offsets: Ints) -> tuple[Floats32, Floats32]:
    """Logits and P(click | shown in this list) of pointwise inputs (n, width), list after list, none of them empty."""
    items, lists = listwise_inputs(rows, offsets)
    logits, outside = arrays.listwise(head, items, lists, np.diff(offsets))
    return logits, click_probabilities(head, choice_shares(logits, outside, offsets))


def choice_shares(logits: Floats32, outside: Floats32, offsets: Ints) -> Floats32:
    """What items (n,) with these logits take of one choice in their list, clicking on nothing (lists,) beside them."""
    lengths = np.diff(offsets)
    highest = np.maximum(np.maximum.reduceat(logits, offsets[:-1]), outside)
    weights = np.exp(logits - np.repeat(highest, lengths))
    total = np.add.reduceat(weights, offsets[:-1]) + np.exp(outside - highest)
    return np.asarray(weights / np.repeat(total, lengths), np.float32)


def click_probabilities(head: ListwiseHead, shares: Floats32) -> Floats32:
    """P(click) of items with these shares (n,) of one choice: the shares themselves where a list has one click."""
    slope, shift = float(head.odds_slope), float(head.odds_shift)
    if (slope, shift) == (1.0, 0.0):
        return shares
    inside = np.clip(shares.astype(np.float64), SMALLEST, 1 - SMALLEST)
    odds = np.log(inside / (1 - inside))
    return np.asarray(1 / (1 + np.exp(-slope * odds - shift)), np.float32)

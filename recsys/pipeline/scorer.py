"""From candidates to click probabilities: the inputs of the ranking head, and its two stages."""

from dataclasses import dataclass

import numpy as np
import torch

from recsys.columns import Floats32, Ints
from recsys.features.features import FEATURES, REQUEST, VARYING, WIDTH, compute_features
from recsys.features.within import RELATIVE, within_list
from recsys.model.ranking_head import ListwiseHead, PointwiseHead
from recsys.pipeline import affinity
from recsys.pipeline.model import Views
from recsys.pipeline.situation import Reader, Request


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


def inputs(views: Views, modalities: tuple[str, ...], reader: Reader, request: Request, keys: Ints) -> Floats32:
    """Pointwise inputs of candidate keys (n,) for one request (n, width)."""
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
    user = affinity.user_vectors(views, request.history[None], request.ages[None])[0]
    context = request.context.context_article
    return assemble(features, affinity.affinities(views, modalities, keys, user, request.history, context))


def score(head: PointwiseHead, rows: Floats32) -> Scored:
    """Rank candidates by their own pointwise inputs (n, width)."""
    with torch.inference_mode():
        utility = head(torch.from_numpy(rows)).numpy()
    return Scored(np.argsort(-utility, kind="stable"), rows, utility)


def list_logits(head: ListwiseHead, rows: Floats32) -> tuple[Floats32, float]:
    """Logits of the items of one list (n,), and of clicking on nothing."""
    items, lists = listwise_inputs(np.ascontiguousarray(rows), np.array([0, len(rows)]))
    with torch.inference_mode():
        logits, outside = head(torch.from_numpy(items), torch.from_numpy(lists))
    return logits.numpy(), float(outside[0])


def list_probabilities(head: ListwiseHead, rows: Floats32) -> Floats32:
    """P(click | shown in this list) of the items of one list, from their pointwise inputs (n, width)."""
    logits, outside = list_logits(head, rows)
    highest = max(float(logits.max(initial=-np.inf)), outside)
    weights = np.exp(logits - highest)
    return np.asarray(weights / (weights.sum() + np.exp(outside - highest)), np.float32)

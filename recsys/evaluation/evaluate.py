"""Replays a window of the log point-in-time and scores a model on it, by lists as shown or from all live articles."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from recsys.columns import Catalogue, EventLog, Floats, Floats32, Ints
from recsys.domain import RecsysError, Timestamp
from recsys.evaluation import metrics
from recsys.evaluation.bootstrap import bootstrap_mean
from recsys.evaluation.classic import classic
from recsys.evaluation.slices import sliced, slices
from recsys.features.examples import Examples
from recsys.features.features import Attributes
from recsys.features.replay import Replay
from recsys.model import arrays
from recsys.pipeline import affinity
from recsys.pipeline.model import Model
from recsys.pipeline.recommend import ListOptions
from recsys.pipeline.scorer import assemble, judged_lists
from recsys.progress import Progress

RANKING = ("auc", "mrr", "ndcg@5", "ndcg@10")
FIRST_STAGE = "ndcg@10_of_the_first_stage"  # which orders answers, from many more candidates than a logged list has
BLOCK = 2048  # lists scored at once


@dataclass(frozen=True)
class Window:
    """A log that reaches back before the window, so that its lists are scored with everything known at their time.

    It may go on behind the window as well: what is known there of its lists is what was clicked in them, and nothing
    that they are scored by.
    """

    log: EventLog
    catalogue: Catalogue
    attributes: Attributes
    users: int  # more than the largest user key
    since: Timestamp
    until: Timestamp
    live_hours: float
    options: ListOptions  # of the lists that would be served


@dataclass(frozen=True)
class Judged:
    """Per-list figures of one model, to be compared with another's on the same window."""

    figures: dict[str, Floats]  # by metric (lists,), NaN where undefined
    users: Ints  # (lists,)
    summary: dict[str, Any]


def evaluate_shown(model: Model, window: Window, *, seed: int = 0, progress: Progress | None = None) -> Judged:
    """Rank each logged list (protocol A): ranking, calibration, slices and classic figures, with intervals over users.

    Raises:
        RecsysError: when the window holds no list, or the model has no ranking head.
    """
    examples = replayed(window)
    if len(examples) == 0:
        raise RecsysError("There is no impression in this window: choose another --since and --until.")
    rows = inputs(model, examples, progress)
    logits, probabilities = _listwise(model, rows, examples.offsets)
    figures = metrics.list_metrics(examples.offsets, examples.labels, logits, seed=seed)
    first = metrics.list_metrics(examples.offsets, examples.labels, _pointwise(model, rows), seed=seed)
    summary = _summary(model, window, examples, figures, probabilities, seed)
    return Judged(figures | {FIRST_STAGE: first["ndcg@10"]}, examples.user, summary)


def replayed(window: Window) -> Examples:
    """The lists of a window with their features as of their own time."""
    replay = Replay(window.attributes, window.users, live_hours=window.live_hours)
    return replay.run(window.log, score_from=window.since, score_until=window.until)


def _summary(
    model: Model, window: Window, examples: Examples, figures: dict[str, Floats], probabilities: Floats32, seed: int
) -> dict[str, Any]:
    parts = slices(examples, window.catalogue)
    means = {name: metrics.mean(figures[name]) for name in RANKING}
    intervals = {name: bootstrap_mean(figures[name], examples.user, seed=seed) for name in RANKING}
    return {
        "version": model.version,
        "impressions": len(examples),
        "clicks": int(examples.labels.sum()),
        **means,
        "lists": metrics.with_value({name: figures[name] for name in RANKING}),
        "log_loss": metrics.log_loss(examples.labels, probabilities),
        "ece": metrics.ece(examples.labels, probabilities),
        "classic": _classic(model, examples, probabilities),
        "slices": {name: sliced(figures, lists, examples.user, seed) for name, lists in parts.items()},
        "confidence": intervals,
    }


def _classic(model: Model, examples: Examples, probabilities: Floats32) -> dict[str, float] | None:
    """None for a model whose training had no clicks to choose a threshold by."""
    threshold = model.heads.threshold if model.heads else None
    return None if threshold is None else asdict(classic(examples.labels, probabilities, threshold))


def scores(model: Model, examples: Examples, progress: Progress | None = None) -> tuple[Floats32, Floats32]:
    """Logits and click probabilities of all rows (rows,).

    Raises:
        RecsysError: when the model has no ranking head.
    """
    return _listwise(model, inputs(model, examples, progress), examples.offsets)


def inputs(model: Model, examples: Examples, progress: Progress | None = None) -> Floats32:
    """What the ranking head reads of all rows (rows, width).

    Raises:
        RecsysError: when the model has no ranking head.
    """
    if model.heads is None:
        raise RecsysError(
            f"Model {model.version} predicts no CTR: it was trained on too few impressions, or on none with a click."
        )
    modalities = model.views.towers.content_space.present
    lists = range(len(examples))
    return assemble(examples.features, affinity.example_affinities(model.views, modalities, examples, lists, progress))


def _listwise(model: Model, rows: Floats32, offsets: Ints) -> tuple[Floats32, Floats32]:
    assert model.heads is not None
    logits, probabilities = np.zeros(len(rows), np.float32), np.zeros(len(rows), np.float32)
    for start in range(0, len(offsets) - 1, BLOCK):
        some = offsets[start : start + BLOCK + 1]
        part = slice(some[0], some[-1])
        logits[part], probabilities[part] = judged_lists(model.heads.listwise, rows[part], some - some[0])
    return logits, probabilities


def _pointwise(model: Model, rows: Floats32) -> Floats32:
    assert model.heads is not None
    return arrays.pointwise(model.heads.pointwise, rows)

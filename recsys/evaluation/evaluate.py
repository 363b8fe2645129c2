"""Replays a window of the log point-in-time and scores a model on it, by lists as shown or from all live articles."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from recsys.columns import NONE, Bools, Catalogue, EventLog, Floats, Floats32, Ints
from recsys.domain import RecsysError, Timestamp
from recsys.evaluation import metrics
from recsys.evaluation.bootstrap import bootstrap_mean
from recsys.features.examples import Examples
from recsys.features.features import FEATURES, Attributes
from recsys.features.replay import Replay
from recsys.pipeline import affinity
from recsys.pipeline.model import Model
from recsys.pipeline.scorer import assemble, listwise_inputs

RANKING = ("auc", "mrr", "ndcg@5", "ndcg@10")
BLOCK = 2048  # lists scored at once
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Window:
    """A log that reaches back before the window, so that its lists are scored with everything known at their time."""

    log: EventLog
    catalogue: Catalogue
    attributes: Attributes
    users: int  # more than the largest user key
    since: Timestamp
    until: Timestamp
    live_hours: float


@dataclass(frozen=True)
class Judged:
    """Per-list figures of one model, to be compared with another's on the same window."""

    figures: dict[str, Floats]  # by metric (lists,), NaN where undefined
    users: Ints  # (lists,)
    summary: dict[str, Any]


def evaluate_shown(model: Model, window: Window, *, seed: int = 0, progress: Progress | None = None) -> Judged:
    """Rank each logged list (protocol A): AUC, MRR, nDCG and calibration, with intervals over users.

    Raises:
        RecsysError: when the window holds no list, or the model has no ranking head.
    """
    examples = replayed(window)
    if len(examples) == 0:
        raise RecsysError("There is no impression in this window: choose another --since and --until.")
    logits, probabilities = scores(model, examples, progress)
    figures = metrics.list_metrics(examples.offsets, examples.labels, logits, seed=seed)
    return Judged(figures, examples.user, _summary(model, examples, figures, probabilities, seed))


def replayed(window: Window) -> Examples:
    """The lists of a window with their features as of their own time."""
    replay = Replay(window.attributes, window.users, live_hours=window.live_hours)
    return replay.run(window.log, score_from=window.since, score_until=window.until)


def _summary(
    model: Model, examples: Examples, figures: dict[str, Floats], probabilities: Floats32, seed: int
) -> dict[str, Any]:
    means = {name: metrics.mean(figures[name]) for name in RANKING}
    intervals = {name: bootstrap_mean(figures[name], examples.user, seed=seed) for name in RANKING}
    return {
        "version": model.version,
        "impressions": len(examples),
        "clicks": int(examples.labels.sum()),
        **means,
        "log_loss": metrics.log_loss(examples.labels, probabilities),
        "ece": metrics.ece(examples.labels, probabilities),
        "slices": {name: _slice(figures, rows) for name, rows in _slices(examples).items()},
        "confidence": intervals,
    }


def _slice(figures: dict[str, Floats], lists: Bools) -> dict[str, float | int]:
    return {"impressions": int(lists.sum()), **{name: metrics.mean(figures[name][lists]) for name in RANKING}}


def _slices(examples: Examples) -> dict[str, Bools]:
    """The lists in which the newest or least known of articles and readers matter."""
    column = {name: examples.features[:, FEATURES.index(name)] for name in ("exposures_8h", "clicks_72h", "front_page")}
    first = examples.offsets[:-1]
    clicked = examples.labels > 0
    history = (examples.history != NONE).sum(axis=1)

    def any_clicked(rows: Bools) -> Bools:
        return np.asarray(np.add.reduceat((clicked & rows).astype(np.int64), first) > 0)

    return {
        "front_page": column["front_page"][first] > 0,
        "article_page": examples.context_article != NONE,
        "new_user": history == 0,
        "short_history": history < 5,
        "long_history": history >= 50,
        "clicked_at_most_20_exposures": any_clicked(column["exposures_8h"] <= np.log1p(20)),
        "clicked_without_clicks": any_clicked(column["clicks_72h"] < 1e-6),
    }


def scores(model: Model, examples: Examples, progress: Progress | None = None) -> tuple[Floats32, Floats32]:
    """Logits and click probabilities of all rows (rows,).

    Raises:
        RecsysError: when the model has no ranking head.
    """
    if model.heads is None:
        raise RecsysError(
            f"Model {model.version} predicts no CTR: it was trained on too few impressions, or on none with a click."
        )
    rows = _inputs(model, examples, progress)
    logits, probabilities = np.zeros(len(rows), np.float32), np.zeros(len(rows), np.float32)
    for start in range(0, len(examples), BLOCK):
        offsets = examples.offsets[start : start + BLOCK + 1]
        part = slice(offsets[0], offsets[-1])
        items, lists = listwise_inputs(rows[part], offsets - offsets[0])
        with torch.inference_mode():
            scored, outside = model.heads.listwise(torch.from_numpy(items), torch.from_numpy(lists))
        logits[part] = scored.numpy()
        probabilities[part] = choice_probabilities(scored.numpy(), outside.numpy(), offsets - offsets[0])
    return logits, probabilities


def _inputs(model: Model, examples: Examples, progress: Progress | None) -> Floats32:
    modalities = model.views.towers.content_space.modalities
    lists = range(len(examples))
    return assemble(examples.features, affinity.example_affinities(model.views, modalities, examples, lists, progress))


def choice_probabilities(logits: Floats32, outside: Floats32, offsets: Ints) -> Floats32:
    """Softmax of each list's logits (rows,) together with its outside option (lists,)."""
    lengths = np.diff(offsets)
    highest = np.maximum(np.maximum.reduceat(logits, offsets[:-1]), outside)
    weights = np.exp(logits - np.repeat(highest, lengths))
    total = np.add.reduceat(weights, offsets[:-1]) + np.exp(outside - highest)
    return np.asarray(weights / np.repeat(total, lengths), np.float32)

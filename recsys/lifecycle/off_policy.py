"""Estimates what a version would earn, from lists that were logged while exploration was on."""

from typing import Any

import numpy as np

from recsys.database import models
from recsys.database.logged import logged_lists
from recsys.database.session import Sessions, writing
from recsys.domain import RecsysError, Timestamp
from recsys.encoders import expected_ids
from recsys.encoders.device import set_threads
from recsys.evaluation.evaluate import Progress
from recsys.evaluation.logged import trials
from recsys.evaluation.off_policy import estimate
from recsys.lifecycle.judging import window_of
from recsys.lifecycle.loading import load_model
from recsys.lifecycle.versions import rfc3339
from recsys.pipeline.load import load_dataset
from recsys.settings import Settings


def evaluate_off_policy(
    sessions: Sessions,
    settings: Settings,
    *,
    version: str | None = None,
    since: Timestamp | None = None,
    until: Timestamp | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Estimate a version's clicks per list (the newest unless named) on lists that were served in a window.

    The window begins where the version's training ended unless ``since`` says otherwise. The figures are recorded.

    Raises:
        RecsysError: when the window begins earlier, since that would flatter it, or has no list with propensities.
    """
    set_threads(settings)
    end = np.inf if until is None else until
    with sessions() as session:
        version = models.get_version(session, version).version
        data = load_dataset(session, expected_ids(settings), until=end, robot_limit=settings.robot_clicks_per_hour)
    model = load_model(sessions, settings, version, data)
    start = (-np.inf if model.until is None else model.until) if since is None else since
    if model.until is not None and start < model.until:
        raise RecsysError(
            f"Model {version} was trained on the log up to {rfc3339(model.until)}: evaluate it with --since from then."
        )
    with sessions() as session:
        logged = logged_lists(session, since=start, until=end)
    asked = trials(model, window_of(data, settings, start, until), logged, progress)
    summary = {"version": version, **estimate(asked), "robots": data.robots.counts}
    with writing(sessions) as session:
        models.set_metrics(session, version, {"off_policy": summary})
    return summary

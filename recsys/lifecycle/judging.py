"""Judges a version on a window of the log that it was not trained on."""

from dataclasses import replace

import numpy as np

from recsys.database import models
from recsys.database.session import Sessions, writing
from recsys.domain import RecsysError, Timestamp
from recsys.encoders import expected_ids
from recsys.encoders.device import set_threads
from recsys.evaluation.caveats import caveats
from recsys.evaluation.evaluate import Judged, Window, evaluate_shown
from recsys.evaluation.live import evaluate_live
from recsys.lifecycle.loading import load_model
from recsys.lifecycle.versions import rfc3339
from recsys.pipeline.load import Dataset, load_dataset
from recsys.pipeline.model import Model
from recsys.pipeline.recommend import ListOptions
from recsys.progress import Progress
from recsys.settings import Settings

ANSWER = 10  # articles in the lists that an evaluation composes
OF_LISTS = ("log_loss", "ece", "slices")


def evaluate(
    sessions: Sessions,
    settings: Settings,
    *,
    version: str | None = None,
    since: Timestamp,
    until: Timestamp | None = None,
    live: bool = False,
    progress: Progress | None = None,
) -> Judged:
    """Evaluate a version (the newest unless named) on a window of the log, and record its figures.

    Raises:
        RecsysError: when the window begins before the model's training ended, since that would flatter it.
    """
    model, data, window = to_judge(sessions, settings, version, since, until)
    judged = (_live if live else evaluate_shown)(model, window, progress=progress)
    warnings = caveats(window.log, window.since, window.until, judged.users)
    judged = replace(judged, summary={**judged.summary, "robots": data.robots.counts, "warnings": warnings})
    with writing(sessions) as session:
        models.set_metrics(session, model.version, {"live" if live else "shown": judged.summary})
    return judged


def to_judge(
    sessions: Sessions, settings: Settings, version: str | None, since: Timestamp | None, until: Timestamp | None
) -> tuple[Model, Dataset, Window]:
    """A version (the newest unless named), the data, and its window, from ``since`` or the end of the training on.

    The data go on behind the window: what was clicked in its lists may be known later. Who becomes a robot later was
    none yet, and what was deleted later was there.

    Raises:
        RecsysError: when the window begins before the model's training ended, since that would flatter it.
    """
    set_threads(settings)
    with sessions() as session:
        row = models.get_version(session, version)
        trained = -np.inf if row.until is None else row.until
        start, end = trained if since is None else since, np.inf if until is None else until
        if start < trained:
            raise RecsysError(
                f"Model {row.version} was trained on the log up to {rfc3339(trained)}: evaluate it with --since from "
                "then."
            )
        data = load_dataset(
            session, expected_ids(settings), robot_limit=settings.robot_clicks_per_hour, robots_until=end, as_of=start
        )
    return load_model(sessions, settings, row.version, data), data, window_of(data, settings, start, until)


def _live(model: Model, window: Window, *, progress: Progress | None) -> Judged:
    """The figures among all live articles, and beside them those that only lists as they were shown can have.

    A click probability is one within a list, and slices go by what a list held. A model without heads has none of them.
    """
    judged = evaluate_live(model, window, progress=progress)
    shown = None if model.heads is None else evaluate_shown(model, window, progress=progress)
    of_lists = {name: None if shown is None else shown.summary[name] for name in OF_LISTS}
    return replace(judged, summary={**judged.summary, **of_lists})


def window_of(data: Dataset, settings: Settings, since: Timestamp, until: Timestamp | None) -> Window:
    """A stretch of the data to evaluate on."""
    end = np.inf if until is None else until
    options = ListOptions(ANSWER, settings.diversity, settings.section_cap, settings.tired_after)
    return Window(data.log, data.catalogue, data.attributes, data.users, since, end, settings.live_hours, options)

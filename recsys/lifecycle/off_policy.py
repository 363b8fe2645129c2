"""Estimates what a version would earn, from lists that were logged while exploration was on."""

from typing import Any

from recsys.database import models
from recsys.database.logged import logged_lists
from recsys.database.session import Sessions, writing
from recsys.domain import Timestamp
from recsys.evaluation.logged import trials
from recsys.evaluation.off_policy import estimate
from recsys.lifecycle.judging import to_judge
from recsys.progress import Progress
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
    model, data, window = to_judge(sessions, settings, version, since, until)
    with sessions() as session:
        logged = logged_lists(session, since=window.since, until=window.until)
    summary = {
        "version": model.version,
        **estimate(trials(model, window, logged, progress)),
        "robots": data.robots.counts,
    }
    with writing(sessions) as session:
        models.set_metrics(session, model.version, {"off_policy": summary})
    return summary

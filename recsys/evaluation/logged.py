"""What a model would have put in the places of lists that were logged with their propensities."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from recsys.columns import NONE, Floats, between
from recsys.database.logged import LoggedList
from recsys.domain import RecsysError
from recsys.evaluation.evaluate import Window
from recsys.evaluation.off_policy import Trials
from recsys.features.features import RequestContext
from recsys.features.history import view_of
from recsys.features.replay import Replay
from recsys.pipeline.model import Model
from recsys.pipeline.recommend import Answer, recommend_many
from recsys.pipeline.situation import Reader, Request, World
from recsys.progress import Progress


def trials(model: Model, window: Window, logged: Sequence[LoggedList], progress: Progress | None = None) -> Trials:
    """Ask the pipeline for each list of the window's log as of the time when it was served, in the order of time.

    Raises:
        RecsysError: when the log has none of the lists, which are those of robots then, or not seen in the window.
    """
    known = set(window.log.impressions.position.tolist())
    lists = [one for one in logged if one.position in known and one.seen.any()]
    if not lists:
        raise RecsysError(
            "No seen list of this window has propensities: serve with RECSYS_EXPLORATION, or choose another window."
        )
    clicked, longest = _clicked(window), max(len(one.shown) for one in lists)
    rows, seen = np.zeros((3, len(lists), longest)), np.zeros((len(lists), longest), np.bool_)
    replay = Replay(window.attributes, window.users, live_hours=window.live_hours)
    reader = Reader(World(replay.state, window.catalogue, window.attributes, window.live_hours), replay.scratch)
    folded = -np.inf
    for number, one in enumerate(lists):
        if one.at > folded:
            replay.run(between(window.log, folded, one.at), score_from=np.inf)
            folded = one.at
        options = replace(window.options, limit=len(one.shown))
        answer = recommend_many(model, reader, [_request(one, replay)], options)[0]
        rows[:, number, : len(one.shown)] = _compared(one, answer, clicked)
        seen[number, : len(one.shown)] = one.seen
        if progress:
            progress(number + 1, len(lists))
    return Trials(np.array([one.user for one in lists]), seen, *rows)


def _compared(one: LoggedList, answer: Answer, clicked: set[tuple[int, int]]) -> Floats:
    """Weights, clicks and expectations at the places of one list (3, n)."""
    compared = np.zeros((3, len(one.shown)))
    n = len(answer.keys)
    agreed, chances = answer.keys == one.shown[:n], one.propensities[:n]
    np.divide(1.0, chances, out=compared[0, :n], where=agreed & (chances > 0))  # a tiny chance may be logged as 0
    compared[1] = [(one.position, key) in clicked for key in one.shown.tolist()]
    compared[2, :n] = answer.scores
    return compared


def _request(one: LoggedList, replay: Replay) -> Request:
    context = RequestContext(one.page, one.device, one.subscriber, one.context_article)
    return Request(one.user, view_of(replay.rings, one.user), one.at, context)


def _clicked(window: Window) -> set[tuple[int, int]]:
    """The impressions (positions) and articles that belong together."""
    clicks = window.log.clicks
    mine = (clicks.impression != NONE) & (clicks.weight > 0)
    return set(zip(clicks.impression[mine].tolist(), clicks.article[mine].tolist(), strict=True))

"""How much each click teaches: one that was left at once says less than one that was read, an old one less than a new.

Weights of the loss by dwell time, bounded so that neither a bounce is nothing nor a tab left open everything, as in Xie
and others, Reweighting Clicks with Dwell Time in Recommendation (WWW 2023); dwell times are about log-normal (Yi and
others, Beyond Clicks, RecSys 2014), hence the logarithm.
"""

import numpy as np

from recsys.columns import Bools, ClickColumns, Floats, Floats32, Ints
from recsys.domain import Timestamp

ENOUGH = 30.0  # seconds of reading make a whole click: the usual bound of a satisfied one (Fox and others, TOIS 2005)
AGEING = 0.5  # share of a log: a click counts half as much as one that is so much of the log's clicks newer
SETTLED = 3600.0  # seconds after a click became known its dwell time is known, if it ever will be


def share_read(dwell: Floats, bounce: float) -> Floats:
    """What clicks with these dwell times (n,), in seconds, count: ``bounce`` at 0 s, rising to 1 at ``ENOUGH``."""
    share: Floats = bounce + (1.0 - bounce) * np.minimum(np.log1p(dwell) / np.log1p(ENOUGH), 1.0)
    return share


def has_dwell(clicks: ClickColumns, until: Timestamp) -> Bools:
    """(n,) whose dwell time counts before ``until``: a history tells it with the click, else it has to be settled.

    So of the newest clicks no dwell time counts, whether it came at once or later.
    """
    settled: Bools = (clicks.backfilled > 0) | (clicks.known_at + SETTLED <= until)
    liked: Bools = (clicks.weight > 0) & np.isfinite(clicks.dwell)
    return liked & settled


def grades_of(clicks: ClickColumns, until: Timestamp, bounce: float) -> Floats | None:
    """What each click (n,) counts in a loss; None where all count alike.

    Those with a dwell time count 1 on average, and so does every click without: who does not report it, or not yet, is
    neither preferred nor set back.
    """
    known = has_dwell(clicks, until)
    if bounce == 1.0 or not known.any():
        return None
    grades = np.ones(len(clicks))
    shares = share_read(clicks.dwell[known], bounce)
    grades[known] = shares / shares.mean()
    return grades


def graded_by_age(at: Floats) -> Floats:
    """What clicks at these times (n,) count by how many came after, 1 on average: tastes and what is popular move on.

    By their order and not by their ages, so that it is the same for a week's log as for one of twenty years.
    """
    older = np.searchsorted(np.sort(at), at, side="right") / len(at)
    grades = 2.0 ** (older / AGEING)
    return np.asarray(grades / grades.mean())


def grades_of_rows(clicks: ClickColumns, grades: Floats, positions: Ints, keys: Ints) -> Floats32:
    """What the clicks on articles ``keys`` (rows,) in the impressions at ``positions`` (rows,) count; 1 without any.

    Of several clicks on one article in one list the most counts.
    """
    width = int(max(keys.max(initial=0), clicks.article.max(initial=0))) + 1
    clicked, place = np.unique(clicks.impression * width + clicks.article, return_inverse=True)
    most = np.zeros(len(clicked))
    np.maximum.at(most, place, np.where(clicks.weight > 0, grades, 0.0))
    rows = positions * width + keys
    found = np.searchsorted(clicked, rows).clip(max=len(clicked) - 1)
    return np.where(clicked[found] == rows, most[found], 1.0).astype(np.float32)

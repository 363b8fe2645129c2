"""Which lists are old enough that nearly all clicks in them are known."""

import numpy as np

from recsys.columns import EventLog, Floats
from recsys.domain import Timestamp

KNOWN = 0.95  # of the clicks in a list, after so long as lists are given
FEW = 0.005  # of the lists may be too young without moving much: a twentieth of those that calibrate
MOST = 0.5  # of the lists may be too young; where clicks take longer than that, one must learn from what there is


def ripe_until(log: EventLog, since: Timestamp, until: Timestamp) -> Timestamp:
    """Before which time lists (those from ``since`` on) are examples, where the log is known ``until`` a time.

    In younger ones nothing is clicked yet, or not all that will be. As examples they would teach that less is clicked
    than is, the more so as the newest lists are those by which chances are calibrated.
    """
    lists, wait = log.impressions.known_at, patience(log)
    lists = lists[lists >= since]
    if wait == 0 or not len(lists):
        return until
    ripe = max(min(until, end(log)) - wait, float(lists[int(len(lists) * (1 - MOST))]))
    return until if (lists >= ripe).mean() <= FEW else ripe


def patience(log: EventLog) -> float:
    """Seconds after which a list's clicks are known, KNOWN of them; 0 in a log without clicks in lists."""
    waited = delays(log)
    return float(np.quantile(waited, KNOWN)) if len(waited) else 0.0


def end(log: EventLog) -> Timestamp:
    """When the newest event of a log became known; -inf in an empty one."""
    return max(float(part.known_at.max(initial=-np.inf)) for part in (log.impressions, log.clicks))


def delays(log: EventLog) -> Floats:
    """Seconds from when a list became known to when a click in it did (clicks in lists of the log,)."""
    lists, clicks = log.impressions, log.clicks
    order = np.argsort(lists.position)
    inside = np.flatnonzero((clicks.weight > 0) & np.isin(clicks.impression, lists.position))
    rows = order[np.searchsorted(lists.position[order], clicks.impression[inside])]
    waited: Floats = clicks.known_at[inside] - lists.known_at[rows]
    return waited

"""What whoever reads the figures of an evaluation must know of the window that they come from."""

import numpy as np

from recsys.columns import EventLog, Floats, Ints
from recsys.domain import Timestamp
from recsys.evaluation.bootstrap import FEWEST_USERS
from recsys.features.ripe import KNOWN, end, patience

YOUNG = 0.02  # of the lists; fewer move no figure


def caveats(log: EventLog, since: Timestamp, until: Timestamp, users: Ints) -> list[str]:
    """Sentences on the lists of a window, of which those with a figure are of these users (n,)."""
    lists = log.impressions.known_at
    return [*_few(users), *_young(log, lists[(lists >= since) & (lists < until)])]


def _few(users: Ints) -> list[str]:
    count = len(np.unique(users))
    if count >= FEWEST_USERS:
        return []
    return [f"Fewer than {FEWEST_USERS} users ({count}): the intervals are too narrow."]


def _young(log: EventLog, lists: Floats) -> list[str]:
    wait = patience(log)
    young = int((lists > end(log) - wait).sum())
    if young <= YOUNG * len(lists):
        return []
    return [
        f"{young:,} of {len(lists):,} lists are younger than the {wait / 3600:.1f} hours after which {KNOWN:.0%} of "
        "clicks are known, and what will be clicked in them counts as not clicked: end the window before, with --until."
    ]

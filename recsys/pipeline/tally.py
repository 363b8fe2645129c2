"""Says what the first steps of an answer found and left out, to whoever counts (see ``recsys.counts``)."""

from collections import Counter

import numpy as np

from recsys.columns import Bools
from recsys.counts import count, is_counting
from recsys.pipeline.ground import Ground
from recsys.pipeline.situation import Request
from recsys.pipeline.sources import Candidates


def tally(ground: Ground, section: Ground, request: Request, kept: Bools, found: Candidates) -> None:
    """Candidates by source, and articles by the reason for which they were none.

    ``kept`` (articles,) marks what this request may have of a ``section`` of the ground. What was barred and not
    clicked was excluded by the request or by an editors' block, is being read, or was shown too often.
    """
    if not is_counting():
        return
    clicked = int(section.is_live[np.unique(request.view.clicked)].sum())
    count("filtered", "not_live", max(0, len(ground.world.catalogue) - 1 - len(ground.live)))  # no article has key 0
    count("filtered", "section", len(ground.live) - len(section.live))
    count("filtered", "clicked", clicked)
    count("filtered", "excluded", len(section.live) - int(np.count_nonzero(kept)) - clicked)
    for source, number in Counter(found.source).items():
        count("candidates", source, number)

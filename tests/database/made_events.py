"""A list and a click in it, for tests of the log."""

import math

from recsys.database import articles, tail
from recsys.database.tail import Extent
from recsys.domain import Click, Context, Impression

SHOWN = Impression(
    "i1",
    "ann",
    10.0,
    ("b", "a", "c"),
    Context("article", "d", "mobile", subscriber=True, placement="top"),
    known_at=11.0,
)
CLICK = Click("e1", "ann", "a", 12.0, "i1", known_at=13.0, dwell_seconds=4.5)


def everything(session):
    """The extent of all that was written so far."""
    session.commit()
    return Extent(tail.end_of_log(session), math.inf)


def article_ids(session, keys):
    return [articles.load_catalogue(session).article_ids[key] for key in keys]

"""Lists that were served while exploration was on and seen: what another policy is judged by."""

from dataclasses import dataclass

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from recsys.columns import NONE, PAGES, Bools, Floats, Ints, device_code
from recsys.database import merges
from recsys.database.tables import ImpressionRow, ServedRow
from recsys.domain import Timestamp


@dataclass(frozen=True)
class LoggedList:
    """One list as it was served, with its context as the columns of the log have it."""

    position: int  # of the impression in the log
    user: int
    at: Timestamp  # of the request
    shown: Ints  # (n,) article keys, of today
    propensities: Floats  # (n,) of each item at its place
    seen: Bools  # (n,) which places the client confirmed: what lies below the fold may not be among them
    page: int
    device: int
    subscriber: int
    context_article: int


def logged_lists(session: Session, *, since: Timestamp, until: Timestamp) -> list[LoggedList]:
    """The seen lists with propensities that were served in ``since <= at < until``, in the order of time."""
    served, seen = ServedRow, ImpressionRow
    statement = (
        select(
            seen.position, seen.shown.label("seen"), served.user, served.at, served.shown, served.propensities,
            served.page, served.device, served.subscriber, served.context_article,
        )
        .join(seen, seen.impression_id == served.impression_id)
        .where(served.at >= since, served.at < until, served.propensities.is_not(None))
        .order_by(served.at, seen.position)
    )  # fmt: skip
    known = merges.aliases(session)
    return [
        LoggedList(
            position=row.position,
            user=row.user,
            at=row.at,
            shown=np.array([known.get(key, key) for key in row.shown], np.int64),
            propensities=np.array(row.propensities, np.float64),
            seen=np.isin(row.shown, row.seen),
            page=PAGES.get(row.page, 0),
            device=device_code(row.device),
            subscriber=-1 if row.subscriber is None else int(row.subscriber),
            context_article=known.get(row.context_article, row.context_article) if row.context_article else NONE,
        )
        for row in session.execute(statement)
        if row.propensities
    ]

"""One click that is heard of twice: from its impression, and again from a history that came later in bulk.

A history dates a click by the reading that followed it, an impression by the list it was made in. So two clicks of one
user on one article are the same when the history's lies between the list and the moment when the click became known.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from sqlalchemy import BindParameter, bindparam, delete, select
from sqlalchemy.orm import Session

from recsys.database.bulk import chunks
from recsys.database.tables import CLICKS, ClickRow
from recsys.database.types import SECONDS
from recsys.domain import Click, Timestamp

PAGE_LOAD = 2.0  # seconds from a click to the reading: in EB-NeRD 90% are read within one, and 2% more within a minute

# made once, and of tables, since every batch of events asks it
USERS: BindParameter[int] = bindparam("users", expanding=True)
EARLIEST = bindparam("earliest", type_=SECONDS)
KNOWN = select(CLICKS.c.position, CLICKS.c.event_id, CLICKS.c.known_at, CLICKS.c.backfilled).where(
    CLICKS.c.event_id.in_(bindparam("event_ids", expanding=True))
)
FROM_HISTORIES = select(CLICKS.c.position, CLICKS.c.user, CLICKS.c.article, CLICKS.c.at).where(
    CLICKS.c.backfilled, CLICKS.c.user.in_(USERS), CLICKS.c.known_at >= EARLIEST
)
FROM_IMPRESSIONS = select(CLICKS.c.user, CLICKS.c.article, CLICKS.c.at, CLICKS.c.known_at).where(
    ~CLICKS.c.backfilled, CLICKS.c.user.in_(USERS), CLICKS.c.known_at >= EARLIEST
)

Pair = tuple[int, int]  # keys of a user and an article
Spans = dict[Pair, list[tuple[Timestamp, Timestamp]]]


def split(clicks: Iterable[Click]) -> tuple[dict[str, Click], dict[str, Click]]:
    """Clicks by id, those from impressions (of equal ids the first) and those from histories (the first known)."""
    own, told = dict[str, Click](), dict[str, Click]()
    for click in clicks:
        if not click.backfilled:
            own.setdefault(click.event_id, click)
        elif click.known_at < told.setdefault(click.event_id, click).known_at:
            told[click.event_id] = click
    return own, told


def settle_known(session: Session, fresh: dict[str, Click]) -> None:
    """Of equal ids in ``fresh`` and the log only one stays: the log's, unless it is a history's and known later."""
    for chunk in chunks(list(fresh)):
        rows = session.execute(KNOWN, {"event_ids": chunk}).all()
        later = {
            row.event_id: row.position for row in rows if row.backfilled and _earlier(fresh[row.event_id], row.known_at)
        }
        _delete(session, list(later.values()))
        for row in rows:
            if row.event_id not in later:
                del fresh[row.event_id]


def drop_same_from_histories(session: Session, clicks: Sequence[Click], pairs: Sequence[Pair]) -> None:
    """Delete rows from histories that are the same as one of these clicks from impressions."""
    spans: Spans = defaultdict(list)
    for click, pair in zip(clicks, pairs, strict=True):
        spans[pair].append((click.at, click.known_at + PAGE_LOAD))
    earliest = min((click.at for click in clicks), default=0.0)
    for users in chunks({user for user, _ in spans}):
        rows = session.execute(FROM_HISTORIES, {"users": users, "earliest": earliest})
        _delete(session, [row.position for row in rows if _within(row.at, spans.get((row.user, row.article), ()))])


def same_from_impressions(session: Session, clicks: Sequence[Click], pairs: Sequence[Pair]) -> set[str]:
    """Ids of those clicks from histories that the log knows from an impression already."""
    spans: Spans = defaultdict(list)
    earliest = min((click.at for click in clicks), default=0.0) - PAGE_LOAD
    for users in chunks({user for user, _ in pairs}):
        rows = session.execute(FROM_IMPRESSIONS, {"users": users, "earliest": earliest})
        for row in rows:
            spans[row.user, row.article].append((row.at, row.known_at + PAGE_LOAD))
    return {click.event_id for click, pair in zip(clicks, pairs, strict=True) if _within(click.at, spans.get(pair, ()))}


def _earlier(click: Click, known_at: Timestamp) -> bool:
    return not click.backfilled or click.known_at < known_at


def _within(at: Timestamp, spans: Iterable[tuple[Timestamp, Timestamp]]) -> bool:
    return any(start <= at <= end for start, end in spans)


def _delete(session: Session, positions: list[int]) -> None:
    for chunk in chunks(positions):
        session.execute(delete(ClickRow).where(ClickRow.position.in_(chunk)))

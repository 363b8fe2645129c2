"""The log read back: stretches of it as columns, and how far it reaches."""

import numpy as np
from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from recsys.columns import NONE, PAGES, ClickColumns, EventLog, ImpressionColumns, device_code
from recsys.database import tail
from recsys.database.tables import CLICKS, IMPRESSIONS, ImpressionRow
from recsys.database.tail import TABLES, Extent, Place
from recsys.domain import Timestamp


def read_log(
    session: Session, *, since: Timestamp = -np.inf, until: Timestamp = np.inf, place: Place | None = None
) -> EventLog:
    """Events with ``since <= known_at < until``; all there are, or those up to a place in the log."""
    known = [(row.known_at >= since, row.known_at < until, tail.up_to(session, row, place)) for row in TABLES]
    return EventLog(_read_impressions(session, known[0]), _read_clicks(session, known[1]))


def read_new(session: Session, held: Extent, wanted: Extent) -> EventLog:
    """The events that the extent ``wanted`` has and ``held`` has not."""
    new = [(tail.within(session, row, wanted), tail.missing(session, row, held)) for row in TABLES]
    return EventLog(_read_impressions(session, new[0]), _read_clicks(session, new[1]))


def newest(session: Session, extent: Extent) -> Timestamp:
    """When the newest event of an extent became known; -inf when it holds none."""
    times = (select(func.max(row.known_at)).where(tail.within(session, row, extent)) for row in TABLES)
    return max(-np.inf if time is None else time for time in map(session.scalar, times))


def time_span(session: Session) -> tuple[Timestamp, Timestamp] | None:
    """Earliest and latest ``known_at`` in the log; None when it is empty."""
    spans = [span for row in TABLES if (span := _span(session, row)) is not None]
    return (min(first for first, _ in spans), max(last for _, last in spans)) if spans else None


def shown_span(session: Session) -> tuple[Timestamp, Timestamp] | None:
    """Earliest and latest ``known_at`` of the impressions; None when there are none."""
    return _span(session, ImpressionRow)


def clicked_since(session: Session, lists: int) -> Timestamp:
    """When the first of the so many newest lists with a click in them became known; -inf where there are fewer."""
    click, shown = CLICKS.c, IMPRESSIONS.c
    clicked = select(click.position).where(click.impression_id == shown.impression_id, click.weight > 0)
    newest = select(shown.known_at).where(clicked.exists()).order_by(shown.known_at.desc())
    found = session.scalar(newest.offset(lists - 1).limit(1))
    return -np.inf if found is None else float(found)


def _span(session: Session, row: tail.Events) -> tuple[Timestamp, Timestamp] | None:
    first, last = session.execute(select(func.min(row.known_at), func.max(row.known_at))).one()
    return None if first is None else (float(first), float(last))


def _read_impressions(session: Session, where: tuple[ColumnElement[bool], ...]) -> ImpressionColumns:
    row = IMPRESSIONS.c  # of the table: columns of classes cost twice as much
    columns = (
        row.position,
        row.user,
        row.known_at,
        row.shown,
        row.page,
        row.device,
        row.subscriber,
        row.context_article,
    )
    rows = session.execute(select(*columns).where(*where).order_by(row.known_at, row.at, row.position)).all()
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(r.shown) for r in rows], out=offsets[1:])
    return ImpressionColumns(
        position=np.array([r.position for r in rows], np.int64),
        user=np.array([r.user for r in rows], np.int64),
        known_at=np.array([r.known_at for r in rows], np.float64),
        offsets=offsets,
        items=np.array([item for r in rows for item in r.shown], np.int64),
        page=np.array([PAGES.get(r.page, 0) for r in rows], np.int8),
        device=np.array([device_code(r.device) for r in rows], np.int8),
        subscriber=np.array([-1 if r.subscriber is None else r.subscriber for r in rows], np.int8),
        context_article=np.array([NONE if r.context_article is None else r.context_article for r in rows], np.int64),
    )


def _read_clicks(session: Session, where: tuple[ColumnElement[bool], ...]) -> ClickColumns:
    click, shown = CLICKS.c, IMPRESSIONS.c
    statement = (
        select(
            click.position, click.user, click.article, click.at, click.known_at, click.weight, click.backfilled,
            click.dwell_seconds, shown.position.label("impression"), shown.page, shown.device,
        )
        .select_from(CLICKS)
        .outerjoin(IMPRESSIONS, and_(shown.impression_id == click.impression_id, shown.known_at <= click.known_at))
        .where(*where)
        .order_by(click.known_at, click.at, click.position)
    )  # fmt: skip
    rows = session.execute(statement).all()
    return ClickColumns(
        position=np.array([r.position for r in rows], np.int64),
        user=np.array([r.user for r in rows], np.int64),
        article=np.array([r.article for r in rows], np.int64),
        at=np.array([r.at for r in rows], np.float64),
        known_at=np.array([r.known_at for r in rows], np.float64),
        weight=np.array([r.weight for r in rows], np.float64),
        dwell=np.array([r.dwell_seconds for r in rows], np.float64),  # None becomes NaN
        backfilled=np.array([r.backfilled for r in rows], np.int8),
        impression=np.array([NONE if r.impression is None else r.impression for r in rows], np.int64),
        page=np.array([PAGES.get(r.page, 0) for r in rows], np.int8),
        device=np.array([device_code(r.device) for r in rows], np.int8),
    )

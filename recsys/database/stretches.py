"""The log read back: stretches of it as columns, and how far it reaches."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.orm import Session

from recsys.columns import NONE, PAGES, ClickColumns, EventLog, ImpressionColumns, device_code
from recsys.database import tail
from recsys.database.tables import CLICKS, IMPRESSIONS, ImpressionRow
from recsys.database.tail import TABLES, Extent, Place
from recsys.domain import Timestamp

BLOCK = 50_000  # rows that are turned into columns at once: a row of objects takes ten times the memory
Cells = Sequence[Any]  # of one column, in some rows
Columns = dict[str, NDArray[Any]]


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
    statement = (
        select(
            row.position, row.user, row.known_at, row.shown, row.page, row.device, row.subscriber, row.context_article
        )
        .where(*where)
        .order_by(row.known_at, row.at, row.position)
    )
    read = _columns(session, statement, _of_impressions)
    offsets = np.concatenate([[0], np.cumsum(read.pop("lengths"))])
    return ImpressionColumns(offsets=offsets, **read)


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
    return ClickColumns(**_columns(session, statement, _of_clicks))


def _columns(session: Session, statement: Select[Any], made: Callable[..., Columns]) -> Columns:
    """The rows of a statement as columns; ``made`` makes those of some rows, so that few are held as objects."""
    nothing = [()] * len(statement.selected_columns)
    rows = session.connection().execute(statement, execution_options={"yield_per": BLOCK})
    blocks = [made(*nothing), *(made(*zip(*some, strict=True)) for some in rows.partitions())]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _of_impressions(
    position: Cells, user: Cells, known_at: Cells, shown: Cells, page: Cells, device: Cells, subscriber: Cells,
    context_article: Cells,
) -> Columns:  # fmt: skip
    return {
        "position": np.array(position, np.int64),
        "user": np.array(user, np.int64),
        "known_at": np.array(known_at, np.float64),
        "lengths": np.array([len(items) for items in shown], np.int64),
        "items": np.array([item for items in shown for item in items], np.int64),
        "page": np.array([PAGES.get(name, 0) for name in page], np.int8),
        "device": np.array([device_code(name) for name in device], np.int8),
        "subscriber": np.array([-1 if flag is None else flag for flag in subscriber], np.int8),
        "context_article": np.array([NONE if key is None else key for key in context_article], np.int64),
    }


def _of_clicks(
    position: Cells, user: Cells, article: Cells, at: Cells, known_at: Cells, weight: Cells, backfilled: Cells,
    dwell: Cells, impression: Cells, page: Cells, device: Cells,
) -> Columns:  # fmt: skip
    return {
        "position": np.array(position, np.int64),
        "user": np.array(user, np.int64),
        "article": np.array(article, np.int64),
        "at": np.array(at, np.float64),
        "known_at": np.array(known_at, np.float64),
        "weight": np.array(weight, np.float64),
        "dwell": np.array(dwell, np.float64),  # None becomes NaN
        "backfilled": np.array(backfilled, np.int8),
        "impression": np.array([NONE if row is None else row for row in impression], np.int64),
        "page": np.array([PAGES.get(name, 0) for name in page], np.int8),
        "device": np.array([device_code(name) for name in device], np.int8),
    }

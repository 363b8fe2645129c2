"""The log: impressions and clicks go in once each, and come out as columns."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from sqlalchemy import ColumnElement, and_, bindparam, func, select
from sqlalchemy.orm import Session

from recsys.columns import NONE, PAGES, ClickColumns, EventLog, ImpressionColumns, device_code
from recsys.database import articles, backfill, merges, tail, users
from recsys.database.bulk import chunks, insert_new
from recsys.database.tables import CLICKS, IMPRESSIONS, ClickRow, ImpressionRow
from recsys.database.tail import TABLES, Extent, Place
from recsys.database.types import storable
from recsys.domain import Click, Context, Impression, Timestamp

# made once, and of tables, since every batch of events asks it
KNOWN_LISTS = select(IMPRESSIONS.c.impression_id).where(
    IMPRESSIONS.c.impression_id.in_(bindparam("impression_ids", expanding=True))
)
AnyEvent = TypeVar("AnyEvent", Impression, Click)


def add_impressions(session: Session, impressions: Sequence[Impression]) -> int:
    """Append the impressions whose id is new, in their order (the first of equal ids), and return how many were."""
    fresh: dict[str, Impression] = {}
    for impression in impressions:
        fresh.setdefault(impression.impression_id, _storable(impression))
    for chunk in chunks(list(fresh)):
        for known in session.scalars(KNOWN_LISTS, {"impression_ids": chunk}):
            del fresh[known]
    seen = {article for impression in fresh.values() for article in mentioned(impression)}
    keys = articles.ensure_keys(session, sorted(seen))
    readers = users.ensure_keys(session, (impression.user_id for impression in fresh.values()))
    insert_new(session, IMPRESSIONS, [_impression_row(i, keys, readers) for i in fresh.values()])
    return len(fresh)


def add_clicks(session: Session, clicks: Sequence[Click]) -> int:
    """Append the clicks whose event id is new, in their order (the first of equal ids), and return how many were.

    A click known from its impression replaces the same click learnt from a history (see ``backfill``), whichever was
    imported first; of two histories, the one that made the click known first counts.
    """
    own, told = backfill.split(map(_storable, clicks))
    keyed = _new_clicks(session, own)
    backfill.drop_same_from_histories(session, list(own.values()), _pairs(keyed))
    insert_new(session, CLICKS, keyed)
    keyed = _new_clicks(session, told)
    known = backfill.same_from_impressions(session, list(told.values()), _pairs(keyed))
    new = [row for row in keyed if row["event_id"] not in known]
    insert_new(session, CLICKS, new)
    return len(own) + len(new)


def set_dwell(session: Session, user_id: str, article_id: str, seconds: float) -> bool | None:
    """Note how long a user's newest click on an article was read; reports of one reading only ever lengthen it.

    Returns:
        whether that was news; None when the log knows no such click.
    """
    click = session.scalar(
        select(ClickRow)
        .where(ClickRow.user == users.key_of(session, user_id), ClickRow.weight > 0)
        .where(ClickRow.article.in_(merges.same_article(article_id)))
        .order_by(ClickRow.known_at.desc(), ClickRow.at.desc(), ClickRow.position.desc())
        .limit(1)
        .with_for_update(of=ClickRow)
    )
    if click is None:
        return None
    if click.dwell_seconds is not None and click.dwell_seconds >= seconds:
        return False
    click.dwell_seconds = seconds
    session.flush()
    return True


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


def lists_of(session: Session, impression_ids: Iterable[str]) -> dict[str, list[int]]:
    """Article keys of those lists that the log knows, by impression id, in the order shown."""
    lists: dict[str, list[int]] = {}
    for chunk in chunks(impression_ids):
        rows = session.execute(
            select(ImpressionRow.impression_id, ImpressionRow.shown).where(ImpressionRow.impression_id.in_(chunk))
        )
        lists.update((row.impression_id, row.shown) for row in rows)
    return lists


def counts(session: Session) -> dict[str, int]:
    """How many impressions and clicks the log holds; what was dismissed was not clicked."""
    clicked = select(func.count()).select_from(ClickRow).where(ClickRow.weight > 0)
    return {
        "impressions": session.scalar(select(func.count()).select_from(ImpressionRow)) or 0,
        "clicks": session.scalar(clicked) or 0,
    }


def strangers(session: Session, clicks: Sequence[Click], lists: Mapping[str, Sequence[int]]) -> set[int]:
    """Places of the clicks on what their list (keys, by impression id) did not hold; lists not named say nothing."""
    listed = {place: name for place, click in enumerate(clicks) if (name := click.impression_id or "") in lists}
    if not listed:
        return set()
    keys = merges.surviving_keys(session, [clicks[place].article_id for place in listed])
    found = {place: keys.get(clicks[place].article_id) for place in listed}
    strange = [place for place, name in listed.items() if found[place] not in lists[name]]
    known = merges.aliases(session) if strange else {}
    return {place for place in strange if found[place] not in merges.list_as_today(lists[listed[place]], known)}


def mentioned(impression: Impression) -> Iterable[str]:
    """The articles that an impression names: those shown, and the one being read."""
    yield from impression.items
    if impression.context.context_article is not None:
        yield impression.context.context_article


def context_columns(context: Context, keys: dict[str, int]) -> dict[str, Any]:
    """A context as columns of a list's row."""
    return {
        "page": context.page,
        "context_article": None if context.context_article is None else keys.get(context.context_article),
        "device": context.device,
        "subscriber": context.subscriber,
        "placement": context.placement,
    }


def _storable(event: AnyEvent) -> AnyEvent:
    """The event with the times that will be read back, so that what is compared is what is stored."""
    at, known_at = storable(event.at), storable(event.known_at)
    return event if (at, known_at) == (event.at, event.known_at) else replace(event, at=at, known_at=known_at)


def _new_clicks(session: Session, fresh: dict[str, Click]) -> list[dict[str, Any]]:
    """Rows to insert: what is left of ``fresh`` once it and the log are settled."""
    backfill.settle_known(session, fresh)
    keys = articles.ensure_keys(session, (click.article_id for click in fresh.values()))
    readers = users.ensure_keys(session, (click.user_id for click in fresh.values()))
    return [_click_row(click, keys, readers) for click in fresh.values()]


def _pairs(rows: list[dict[str, Any]]) -> list[backfill.Pair]:
    return [(row["user"], row["article"]) for row in rows]


def _impression_row(impression: Impression, keys: dict[str, int], readers: dict[str, int]) -> dict[str, Any]:
    return {
        "impression_id": impression.impression_id,
        "user": readers[impression.user_id],
        "at": impression.at,
        "known_at": impression.known_at,
        "shown": [keys[item] for item in impression.items],
        **context_columns(impression.context, keys),
    }


def _click_row(click: Click, keys: dict[str, int], readers: dict[str, int]) -> dict[str, Any]:
    return {
        "event_id": click.event_id,
        "user": readers[click.user_id],
        "article": keys[click.article_id],
        "at": click.at,
        "known_at": click.known_at,
        "impression_id": click.impression_id,
        "dwell_seconds": click.dwell_seconds,
        "weight": click.weight,
        "backfilled": click.backfilled,
    }


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

"""The log: impressions and clicks go in once each, and come out as columns."""

from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np
from sqlalchemy import Table, func, select
from sqlalchemy.orm import Session

from recsys.columns import NONE, PAGES, ClickColumns, EventLog, ImpressionColumns, device_code
from recsys.database import articles, backfill, users
from recsys.database.bulk import chunks, existing, insert_new
from recsys.database.tables import ArticleRow, ClickRow, ImpressionRow, UserRow
from recsys.domain import Click, Context, Impression, Timestamp

IMPRESSIONS = cast(Table, ImpressionRow.__table__)
CLICKS = cast(Table, ClickRow.__table__)


def add_impressions(session: Session, impressions: Sequence[Impression]) -> int:
    """Append the impressions whose id is new, in their order (the first of equal ids), and return how many were."""
    fresh: dict[str, Impression] = {}
    for impression in impressions:
        fresh.setdefault(impression.impression_id, impression)
    for known in existing(session, ImpressionRow.impression_id, fresh):
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
    own, told = backfill.split(clicks)
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
        .join(UserRow, UserRow.key == ClickRow.user)
        .join(ArticleRow, ArticleRow.key == ClickRow.article)
        .where(UserRow.user_id == user_id, ArticleRow.article_id == article_id, ClickRow.weight > 0)
        .order_by(ClickRow.known_at.desc(), ClickRow.at.desc(), ClickRow.position.desc())
        .limit(1)
    )
    if click is None:
        return None
    if click.dwell_seconds is not None and click.dwell_seconds >= seconds:
        return False
    click.dwell_seconds = seconds
    session.flush()
    return True


def read_log(
    session: Session,
    *,
    after: tuple[int, int] = (0, 0),
    since: Timestamp = -np.inf,
    until: Timestamp = np.inf,
) -> EventLog:
    """Events behind a log position, with ``since <= known_at < until``."""
    return EventLog(_read_impressions(session, after[0], since, until), _read_clicks(session, after[1], since, until))


def time_span(session: Session) -> tuple[Timestamp, Timestamp] | None:
    """Earliest and latest ``known_at`` in the log; None when it is empty."""
    spans = [span for row in (ImpressionRow, ClickRow) if (span := _span(session, row)) is not None]
    return (min(first for first, _ in spans), max(last for _, last in spans)) if spans else None


def shown_span(session: Session) -> tuple[Timestamp, Timestamp] | None:
    """Earliest and latest ``known_at`` of the impressions; None when there are none."""
    return _span(session, ImpressionRow)


def _span(session: Session, row: type[ImpressionRow] | type[ClickRow]) -> tuple[Timestamp, Timestamp] | None:
    first, last = session.execute(select(func.min(row.known_at), func.max(row.known_at))).one()
    return None if first is None else (float(first), float(last))


def end_of_log(session: Session, until: Timestamp = np.inf) -> tuple[int, int]:
    """Positions of the newest impression and the newest click known before a time; 0 for none."""
    impression = select(func.max(ImpressionRow.position)).where(ImpressionRow.known_at < until)
    click = select(func.max(ClickRow.position)).where(ClickRow.known_at < until)
    return session.scalar(impression) or 0, session.scalar(click) or 0


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
    """How many impressions and clicks the log holds."""
    return {
        "impressions": session.scalar(select(func.count()).select_from(ImpressionRow)) or 0,
        "clicks": session.scalar(select(func.count()).select_from(ClickRow)) or 0,
    }


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


def _read_impressions(session: Session, after: int, since: Timestamp, until: Timestamp) -> ImpressionColumns:
    row = ImpressionRow
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
    statement = (
        select(*columns)
        .where(row.position > after, row.known_at >= since, row.known_at < until)
        .order_by(row.known_at, row.at, row.position)
    )
    rows = session.execute(statement).all()
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


def _read_clicks(session: Session, after: int, since: Timestamp, until: Timestamp) -> ClickColumns:
    click, shown = ClickRow, ImpressionRow
    statement = (
        select(
            click.position, click.user, click.article, click.at, click.known_at, click.weight, click.backfilled,
            shown.position.label("impression"), func.json_array_length(shown.shown).label("length"),
            shown.page, shown.device,
        )
        .outerjoin(shown, shown.impression_id == click.impression_id)
        .where(click.position > after, click.known_at >= since, click.known_at < until)
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
        backfilled=np.array([r.backfilled for r in rows], np.int8),
        impression=np.array([NONE if r.impression is None else r.impression for r in rows], np.int64),
        list_length=np.array([r.length or 0 for r in rows], np.int64),
        page=np.array([PAGES.get(r.page, 0) for r in rows], np.int8),
        device=np.array([device_code(r.device) for r in rows], np.int8),
    )

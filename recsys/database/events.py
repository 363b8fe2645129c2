"""The log: impressions and clicks go in once each, and come out as columns."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from recsys.database import articles, backfill, merges, users
from recsys.database.bulk import chunks, insert_new
from recsys.database.tables import CLICKS, IMPRESSIONS, ClickRow, ImpressionRow, UserRow
from recsys.database.types import storable
from recsys.domain import Click, Context, Impression

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


def lists_of(session: Session, impression_ids: Iterable[str]) -> dict[str, list[int]]:
    """Article keys of those lists that the log knows, by impression id, in the order shown."""
    lists: dict[str, list[int]] = {}
    for chunk in chunks(impression_ids):
        rows = session.execute(
            select(ImpressionRow.impression_id, ImpressionRow.shown).where(ImpressionRow.impression_id.in_(chunk))
        )
        lists.update((row.impression_id, row.shown) for row in rows)
    return lists


def owners_of(session: Session, impression_ids: Iterable[str]) -> dict[str, str]:
    """Who saw those lists that the log knows: user ids, by impression id."""
    owners: dict[str, str] = {}
    for chunk in chunks(impression_ids):
        statement = (
            select(ImpressionRow.impression_id, UserRow.user_id)
            .join(UserRow, UserRow.key == ImpressionRow.user)
            .where(ImpressionRow.impression_id.in_(chunk))
        )
        rows = session.execute(statement)
        owners.update((row.impression_id, row.user_id) for row in rows)
    return owners


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

"""Events whose id is taken already by an event that says something else: the first one stays."""

from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from recsys.database import merges, users
from recsys.database.bulk import chunks
from recsys.database.tables import ArticleRow, ClickRow, ImpressionRow, UserRow
from recsys.domain import Click, Impression, Timestamp

SAME = 1e-3  # seconds between two copies of one time: databases keep microseconds

Content = tuple[Timestamp, object]  # when, and who was shown or clicked what, as articles and readers are today


def conflicting_impressions(session: Session, impressions: Sequence[Impression]) -> set[int]:
    """Places in the sequence of impressions whose id belongs to another list, in the log or before them."""
    known, aliases = dict[str, Content](), merges.aliases(session)
    for ids in chunks({impression.impression_id for impression in impressions}):
        rows = session.execute(
            select(ImpressionRow.impression_id, ImpressionRow.at, ImpressionRow.shown, UserRow.user_id)
            .join(UserRow, UserRow.key == ImpressionRow.user)
            .where(ImpressionRow.impression_id.in_(ids))
        )
        known.update((r.impression_id, (r.at, (r.user_id, _as_today(r.shown, aliases)))) for r in rows)
    logged = set(known)
    keys = merges.surviving_keys(session, {item for i in impressions if i.impression_id in logged for item in i.items})
    readers = users.readers_of(session, {i.user_id for i in impressions})

    def content(i: Impression) -> Content:
        items = _once(map(keys.get, i.items)) if i.impression_id in logged else i.items
        return i.at, (readers.get(i.user_id, i.user_id), items)

    return _conflicts(((i.impression_id, content(i)) for i in impressions), known)


def conflicting_clicks(session: Session, clicks: Sequence[Click]) -> set[int]:
    """Places in the sequence of clicks whose id belongs to another click; histories have a rule of their own."""
    known = dict[str, Content]()
    for ids in chunks({click.event_id for click in clicks if not click.backfilled}):
        rows = session.execute(
            select(
                ClickRow.event_id, ClickRow.at, UserRow.user_id, merges.TODAY, ClickRow.weight, ClickRow.impression_id
            )
            .join(ArticleRow, ArticleRow.key == ClickRow.article)
            .join(UserRow, UserRow.key == ClickRow.user)
            .where(ClickRow.event_id.in_(ids), ~ClickRow.backfilled)
        )
        known.update((r.event_id, (r.at, (r.user_id, r.today, r.weight, r.impression_id))) for r in rows)
    keys = merges.surviving_keys(session, {click.article_id for click in clicks})
    readers = users.readers_of(session, {click.user_id for click in clicks})

    def content(c: Click) -> Content | None:
        reader, article = readers.get(c.user_id, c.user_id), keys.get(c.article_id, c.article_id)
        return None if c.backfilled else (c.at, (reader, article, c.weight, c.impression_id))

    return _conflicts(((c.event_id, content(c)) for c in clicks), known)


def _as_today(shown: Iterable[int], aliases: merges.Aliases) -> tuple[int, ...]:
    return tuple(merges.list_as_today(shown, aliases))


def _once(keys: Iterable[int | None]) -> tuple[int | None, ...]:
    return tuple(dict.fromkeys(keys))


def _conflicts(told: Iterable[tuple[str, Content | None]], known: dict[str, Content]) -> set[int]:
    """``known`` is what each id stands for; an id that is new to it stands for the first event that bears it."""
    found = set[int]()
    for place, (event_id, content) in enumerate(told):
        if content is not None:
            at, what = known.setdefault(event_id, content)
            if what != content[1] or abs(at - content[0]) > SAME:
                found.add(place)
    return found

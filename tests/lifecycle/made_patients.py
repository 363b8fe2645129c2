"""Tiny databases with one trouble each, made without any training."""

from collections.abc import Iterable, Sequence

from recsys.database import articles, events, models, vectors
from recsys.database.session import Sessions, writing
from recsys.database.vectors import Content
from recsys.domain import Article, Click, Impression, Timestamp

NOW: Timestamp = 1_790_000_000.0
DAY = 86400.0


def catalogue(sessions: Sessions, *named: Article, count: int = 0) -> None:
    """These articles, and so many plain ones named a0, a1, ..."""
    plain = [Article(f"a{n}", title=f"Story {n}", published_at=NOW - DAY) for n in range(count)]
    with writing(sessions) as session:
        articles.put_articles(session, [*named, *plain])


def encoded(sessions: Sessions, encoder: str, modality: str = "title", status: str = "ok") -> None:
    """Every article of the catalogue as an encoder found it."""
    with writing(sessions) as session:
        keys = [key for key, _ in vectors.not_encoded(session, modality, encoder, 1000)]
        vectors.put_contents(session, modality, encoder, [Content(key, f"{key}", status) for key in keys], {})


def clicks(sessions: Sessions, count: int, *, users: int = 10, items: int = 5, **same: float) -> None:
    """Clicks of the last hours, in turn by each user on each article; ``same`` overrides fields of all of them."""
    made = [
        Click(
            **{
                "event_id": f"c{n}",
                "user_id": f"u{n % users}",
                "article_id": f"a{n % items}",
                "at": NOW - 10.0 * (n + 1),
                **same,
            }
        )
        for n in range(count)
    ]
    with writing(sessions) as session:
        events.add_clicks(session, made)


def lists(sessions: Sessions, count: int, *, items: Sequence[str] = ("a0", "a1"), clicked: Iterable[int] = ()) -> None:
    """Lists of the last hours, and clicks in those with these numbers."""
    shown = [Impression(f"i{n}", f"u{n % 10}", NOW - 10.0 * (n + 2), tuple(items)) for n in range(count)]
    inside = [Click(f"in{n}", f"u{n % 10}", items[0], NOW - 10.0 * (n + 2) + 1, f"i{n}") for n in clicked]
    with writing(sessions) as session:
        events.add_impressions(session, shown)
        events.add_clicks(session, inside)


def version(sessions: Sessions, name: str = "v1", *, until: Timestamp = NOW, live: bool = True) -> None:
    """A row of a model version, without files."""
    with writing(sessions) as session:
        models.add_version(session, version=name, at=until, since=None, until=until, metrics={})
        session.flush()
        if live:
            models.promote(session, name, until, "a test wants it")

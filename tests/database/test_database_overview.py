"""Counts of what a database holds, and the newest of everything."""

from collections.abc import Iterator

import pytest
from sqlalchemy.orm import Session

from recsys.database import articles, events, overview, vectors
from recsys.database.session import open_sessions, upgrade, writing
from recsys.database.vectors import Content
from recsys.domain import Article, Click, Context, Impression
from recsys.settings import Settings


@pytest.fixture
def session(settings: Settings) -> Iterator[Session]:
    upgrade(settings)
    sessions = open_sessions(settings)
    with writing(sessions) as opened:
        yield opened
    sessions.kw["bind"].dispose()


def click(name: str, user: str, at: float) -> Click:
    return Click(name, user, "a", at, None, at)


def test_an_empty_database_is_counted_too(session: Session) -> None:
    found = overview.overview(session, 10)
    assert (found.catalogue, found.impressions, found.clicks, found.readers, found.span) == (0, 0, 0, 0, None)
    assert (list(found.contents), dict(found.sections)) == ([], {})
    assert overview.newest_articles(session, 5) == []
    assert overview.newest_readers(session, 5) == []


def test_everything_is_counted_once(session: Session) -> None:
    sections = {"a": "sport", "b": "sport", "c": "food", "d": None, "gone": "food"}
    articles.put_articles(session, [Article(name, name.upper(), section=sections[name]) for name in sections])
    articles.delete_article(session, "gone", 1.0)
    events.add_impressions(session, [Impression("i", "ann", 5.0, ("a", "unheard of"), Context(), 5.0)])
    events.add_clicks(session, [click("c1", "ann", 6.0), click("c2", "ben", 9.0)])
    found = overview.overview(session, 10)
    assert (found.catalogue, found.undescribed) == (5, 1)  # what a list names is known by its id
    assert (found.impressions, found.clicks, found.readers, found.span) == (1, 2, 2, (5.0, 9.0))
    assert list(found.sections.items()) == [("sport", 2), ("food", 1)]
    assert dict(overview.overview(session, 1).sections) == {"sport": 2}


def test_contents_are_counted_by_what_each_encoder_said_of_the_catalogue(session: Session) -> None:
    articles.put_articles(session, [Article(name, name) for name in "abc"])
    key = articles.keys_of(session, "abc")
    said = [Content(key["a"], None, "missing"), Content(key["b"], None, "broken"), Content(key["c"], None, "missing")]
    vectors.put_contents(session, "image", "lens", said, {})
    articles.delete_article(session, "c", 1.0)
    assert overview.overview(session, 1).contents == [overview.Contents("image", "lens", ok=0, missing=1, broken=1)]


def test_the_newest_come_first_and_each_reader_once(session: Session) -> None:
    articles.put_articles(session, [Article(name, name) for name in ("first", "second", "gone")])
    articles.put_articles(session, [Article("untitled", None), Article("last", "last")])
    articles.delete_article(session, "gone", 12.0)
    assert overview.newest_articles(session, 2) == [("last", "last"), ("second", "second")]
    assert [name for name, _ in overview.newest_articles(session, 9)] == ["last", "second", "first"]
    events.add_clicks(session, [click("1", "ann", 1.0), click("2", "ben", 2.0), click("3", "ann", 3.0)])
    assert overview.newest_readers(session, 5) == ["ann", "ben"]
    assert overview.newest_readers(session, 1) == ["ann"]

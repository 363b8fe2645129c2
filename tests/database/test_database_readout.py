"""The database read from end to end, and many users at once: in order, in batches, complete."""

import numpy as np
import pytest

from recsys.database import articles, events, logins, readout, users, vectors
from recsys.database.newest import newest_clicks_of, newest_impressions_of
from recsys.database.session import Sessions, writing
from recsys.domain import Article, Click, Context, Impression

CATALOGUE = [
    Article("b", title="Second letter", section="x", published_at=5.5, premium=True, length=3),
    Article("a", title="First letter", image="/pictures/a.png", expires_at=99.0),
]
LISTS = [
    Impression(
        "l2", "u2", 20.25, ("a", "b", "untold"), Context("article", "b", "mobile", False, "foot"), known_at=21.0
    ),
    Impression("l1", "u1", 10.0, ("b",)),
    Impression("l3", "u1", 30.0, ("a", "b")),
]
CLICKS = [
    Click("c1", "u1", "b", 11.0, "l1", known_at=12.5, dwell_seconds=4.0, weight=0.5),
    Click("c2", "u2", "a", 22.0, "l2"),
    Click("c3", "u1", "a", 31.0, "never heard of"),
]


@pytest.fixture
def told(sessions: Sessions) -> Sessions:
    with writing(sessions) as session:
        articles.put_articles(session, CATALOGUE)
        events.add_impressions(session, LISTS)
        events.add_clicks(session, CLICKS)
    return sessions


@pytest.mark.parametrize("size", [1, 2, 100])
def test_the_log_comes_as_it_went_in(told: Sessions, size: int) -> None:
    with told() as session:
        shown, clicked = list(readout.read_impressions(session, size)), list(readout.read_clicks(session, size))
        known = [article for batch in readout.read_articles(session, size) for article in batch]
    assert [len(batch) for batch in shown] == [size] * (3 // size) + [3 % size] * (3 % size > 0)
    assert [impression for batch in shown for impression in batch] == LISTS
    assert [click for batch in clicked for click in batch] == CLICKS
    assert known == [*CATALOGUE, Article("untold")]


def test_a_withdrawn_article_is_an_id_that_has_expired(told: Sessions) -> None:
    with writing(told) as session:
        articles.delete_article(session, "b", 50.0)
    with told() as session:
        assert Article("b", expires_at=50.0) in next(readout.read_articles(session))


def test_vectors_of_what_is_in_the_catalogue(told: Sessions) -> None:
    made = {name: np.array([number, 0.5, -0.25], np.float32) for number, name in enumerate(("hash a", "hash b"))}
    with writing(told) as session:
        keys = articles.keys_of(session, ["a", "b"])
        contents = [vectors.Content(keys[name], f"hash {name}", "ok") for name in ("a", "b")]
        vectors.put_contents(session, "title", "encoder", contents, made)
        articles.delete_article(session, "b", 50.0)
    with told() as session:
        (found,) = [vector for batch in readout.read_vectors(session) for vector in batch]
    assert (found.article_id, found.modality, found.encoder_id) == ("a", "title", "encoder")
    assert found.vector.dtype == np.float32
    np.testing.assert_array_equal(found.vector, made["hash a"])


def test_readers_come_once_and_by_all_their_ids(told: Sessions) -> None:
    with writing(told) as session:
        before = users.ensure_keys(session, ["u1", "u2", "u3"])
        logins.merge(session, "u3", "u1")
    with told() as session:
        assert readout.count_readers(session) == 2
        first = readout.read_users(session, 0, 1)
        others = readout.read_users(session, first[0].key, 10)
        assert {reader.user_id: reader.key for reader in (*first, *others)} == {n: before[n] for n in ("u1", "u2")}
        assert [*first, *others] == sorted([*first, *others], key=lambda reader: reader.key)
        assert readout.find_users(session, ["u3", "u2", "new"]) == {"u3": before["u1"], "u2": before["u2"]}


def test_the_newest_of_each_user_oldest_first_and_strictly_before(told: Sessions) -> None:
    with told() as session:
        user, article = users.ensure_keys(session, ["u1", "u2"]), articles.keys_of(session, ["a", "b", "untold"])
        one, two, (a, b, untold) = user["u1"], user["u2"], (article[name] for name in ("a", "b", "untold"))
        clicks = newest_clicks_of(session, [one, two], 31.0, 100)
        assert sorted(clicks) == sorted([(one, b, 11.0, 0.5), (two, a, 22.0, 1.0)])
        assert newest_clicks_of(session, [one], 32.0, 100) == [(one, b, 11.0, 0.5), (one, a, 31.0, 1.0)]
        assert newest_clicks_of(session, [one], 32.0, 1) == [(one, a, 31.0, 1.0)]
        shown = newest_impressions_of(session, [one, two], 31.0, 100)
        assert [row for row in shown if row[0] == one] == [(one, 10.0, [b]), (one, 30.0, [a, b])]
        assert [row for row in shown if row[0] == two] == [(two, 21.0, [a, b, untold])]
        assert newest_impressions_of(session, [two], 21.0, 100) == []

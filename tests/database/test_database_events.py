"""The log takes every event once, however often it is told of it, and says what of it is strange."""

from dataclasses import replace

import numpy as np
import pytest
from made_events import CLICK, SHOWN, article_ids, everything

from recsys.database import articles, backfill, events, health, merges, stretches
from recsys.database.session import writing
from recsys.domain import Article, Impression


@pytest.fixture
def session(sessions):
    with writing(sessions) as opened:
        yield opened


def test_the_same_event_twice_counts_once(session):
    assert events.add_impressions(session, [SHOWN]) == 1
    assert events.add_clicks(session, [CLICK]) == 1
    before = stretches.read_log(session)
    changed = replace(SHOWN, items=("x",)), replace(CLICK, article_id="x", known_at=99.0)
    assert events.add_impressions(session, [changed[0]]) == 0
    assert events.add_clicks(session, [changed[1]]) == 0
    after = stretches.read_log(session)
    assert after.end == before.end
    np.testing.assert_array_equal(after.impressions.items, before.impressions.items)
    np.testing.assert_array_equal(after.clicks.known_at, before.clicks.known_at)
    assert articles.keys_of(session, ["x"]) == {}
    assert events.counts(session) == {"impressions": 1, "clicks": 1}


def test_the_same_event_twice_in_one_writing_counts_once_too(session):
    assert events.add_impressions(session, [SHOWN, replace(SHOWN, items=("x",))]) == 1
    for click in (CLICK, replace(CLICK, event_id="e2", user_id="bob", backfilled=True)):
        assert events.add_clicks(session, [click, replace(click, article_id="x")]) == 1
    log = stretches.read_log(session)
    assert article_ids(session, log.impressions.items) == ["b", "a", "c"]
    assert article_ids(session, log.clicks.article) == ["a", "a"]


@pytest.fixture(params=["one writing", "one writing, reversed", "two writings", "two writings, reversed"])
def add(request, session):
    """Adds two clicks in every way they may come, and the second of them once more; says what the log knows then."""

    def both(first, second):
        clicks = [second, first] if "reversed" in request.param else [first, second]
        for batch in [clicks] if "one" in request.param else [[click] for click in clicks]:
            events.add_clicks(session, batch)
        assert events.add_clicks(session, [second]) == 0
        log = stretches.read_log(session).clicks
        return list(zip(log.backfilled.tolist(), log.known_at.tolist(), strict=True))

    return both


LEARNT = replace(CLICK, known_at=500.0, impression_id=None, dwell_seconds=None, backfilled=True)


def test_a_click_from_its_impression_replaces_the_one_of_that_id_from_a_history(add):
    assert add(CLICK, LEARNT) == [(0, 13.0)]


@pytest.mark.parametrize("at", [12.0, 12.5, 13.0, 13.0 + backfill.PAGE_LOAD])
def test_a_click_from_its_impression_replaces_the_reading_that_followed_it(add, at):
    assert add(CLICK, replace(LEARNT, event_id="history", at=at)) == [(0, 13.0)]


@pytest.mark.parametrize(
    "change",
    [{"at": 11.9}, {"at": 13.1 + backfill.PAGE_LOAD}, {"user_id": "bob"}, {"article_id": "b"}],
    ids=lambda change: next(iter(change)),
)
def test_another_reading_in_a_history_is_a_click_of_its_own(add, change):
    assert add(CLICK, replace(LEARNT, event_id="history", **change)) == [(0, 13.0), (1, 500.0)]


def test_of_two_histories_the_one_that_knew_first_counts(add):
    assert add(LEARNT, replace(LEARNT, known_at=900.0)) == [(1, 500.0)]


def test_a_replaced_click_gets_a_new_position_so_that_followers_see_it(session):
    events.add_clicks(session, [replace(CLICK, known_at=500.0, backfilled=True)])
    held = everything(session)
    events.add_clicks(session, [CLICK])
    assert list(stretches.read_new(session, held, everything(session)).clicks.backfilled) == [0]


def test_what_is_shown_without_a_catalogue_row_becomes_a_known_id(session):
    events.add_impressions(session, [SHOWN])
    assert set(articles.keys_of(session, ["a", "b", "c", "d"])) == {"a", "b", "c", "d"}


def test_times_finer_than_the_database_keeps_do_not_make_two_clicks_of_one(session):
    """The first is dated by its list, with a part of a microsecond; the second repeats that date."""
    at = 1_700_000_000.123456 + 2**-22
    events.add_clicks(session, [replace(CLICK, at=at, known_at=at)])
    assert events.add_clicks(session, [replace(LEARNT, event_id="history", at=at, known_at=at + 500)]) == 0
    assert list(stretches.read_log(session, until=at).clicks.known_at) == []
    assert list(stretches.read_log(session, since=at).clicks.known_at) == [1_700_000_000.123457]


def test_lists_are_found_by_their_ids(session):
    events.add_impressions(session, [SHOWN, Impression("i2", "bob", 20.0, ())])
    keys = articles.keys_of(session, "abc")
    assert events.lists_of(session, ["i2", "i1", "never"]) == {"i1": [keys["b"], keys["a"], keys["c"]], "i2": []}


def test_clicks_on_what_their_list_did_not_hold_are_told(session):
    for article in ("a", "b", "c", "z", "other"):
        articles.put_articles(session, [Article(article, f"Title of {article}")])
    merges.merge(session, "other", "c", 5.0)
    keys = articles.keys_of(session, ["a", "b", "c", "z", "other"])
    lists = {"i1": [keys["a"], keys["b"], keys["other"]]}
    clicks = [replace(CLICK, event_id=f"e{n}", article_id=a) for n, a in enumerate(["a", "c", "other", "z", "unheard"])]
    assert events.strangers(session, clicks, lists) == {3, 4}
    assert events.strangers(session, [replace(CLICK, impression_id=None), CLICK], {"i2": []}) == set()


def test_what_was_dismissed_is_no_click(session):
    events.add_clicks(session, [CLICK, replace(CLICK, event_id="e2", article_id="b", weight=0.0)])
    assert events.counts(session) == {"impressions": 0, "clicks": 1}
    assert health.lists_named(session, 10) == (2, 2)
    events.add_impressions(session, [SHOWN])
    assert health.lists_named(session, 10) == (2, 0)
    late = replace(SHOWN, impression_id="late", known_at=CLICK.known_at + 1)
    events.add_impressions(session, [late])
    events.add_clicks(session, [replace(CLICK, event_id="e3", impression_id="late")])
    assert health.lists_named(session, 10) == (3, 1)


def test_deleted_articles_are_counted_and_merged_ones_are_not(session):
    articles.put_articles(session, [Article(name, "T") for name in ("a", "b", "c")])
    articles.delete_article(session, "a", 5.0)
    merges.merge(session, "b", "c", 5.0)
    assert articles.count_deleted(session, ["a", "b", "c", "d"]) == 1

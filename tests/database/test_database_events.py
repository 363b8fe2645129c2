"""The log: every event once, in order, by what was known when."""

import math
from dataclasses import replace

import numpy as np
import pytest

from recsys.columns import NONE, OTHER_DEVICE
from recsys.database import articles, backfill, events, health, merges, tail, users
from recsys.database.session import writing
from recsys.database.tail import Extent
from recsys.domain import Article, Click, Context, Impression

SHOWN = Impression(
    "i1",
    "ann",
    10.0,
    ("b", "a", "c"),
    Context("article", "d", "mobile", subscriber=True, placement="top"),
    known_at=11.0,
)
CLICK = Click("e1", "ann", "a", 12.0, "i1", known_at=13.0, dwell_seconds=4.5)


@pytest.fixture
def session(sessions):
    with writing(sessions) as opened:
        yield opened


def everything(session):
    """The extent of all that was written so far."""
    session.commit()
    return Extent(tail.end_of_log(session), math.inf)


def article_ids(session, keys):
    return [articles.load_catalogue(session).article_ids[key] for key in keys]


def test_an_impression_is_read_back_as_columns(session):
    assert events.add_impressions(session, [SHOWN, Impression("i2", "bob", 20.0, ())]) == 2
    log = events.read_log(session).impressions
    assert len(log) == 2
    assert list(log.user) == [users.key_of(session, "ann"), users.key_of(session, "bob")]
    assert list(log.known_at) == [11.0, 20.0]
    assert list(log.offsets) == [0, 3, 3]
    assert article_ids(session, log.items) == ["b", "a", "c"]
    assert list(log.page) == [2, 0]
    assert list(log.device) == [2, 0]
    assert list(log.subscriber) == [1, -1]
    assert article_ids(session, log.context_article[:1]) == ["d"]
    assert log.context_article[1] == NONE


def test_a_click_is_read_back_with_the_list_it_was_made_in(session):
    events.add_impressions(session, [SHOWN])
    unseen = Click("e2", "bob", "z", 30.0, weight=0.0, backfilled=True)
    assert events.add_clicks(session, [CLICK, unseen]) == 2
    log = events.read_log(session)
    clicks = log.clicks
    assert article_ids(session, clicks.article) == ["a", "z"]
    assert list(clicks.user) == [users.key_of(session, "ann"), users.key_of(session, "bob")]
    assert list(clicks.at) == [12.0, 30.0]
    assert list(clicks.known_at) == [13.0, 30.0]
    assert list(clicks.weight) == [1.0, 0.0]
    np.testing.assert_array_equal(clicks.dwell, [4.5, np.nan])
    assert list(clicks.backfilled) == [0, 1]
    assert list(clicks.impression) == [log.impressions.position[0], NONE]
    assert list(clicks.page) == [2, 0]
    assert list(clicks.device) == [2, 0]


def test_a_click_may_come_before_its_list(session):
    events.add_clicks(session, [CLICK])
    assert list(events.read_log(session).clicks.impression) == [NONE]
    events.add_impressions(session, [SHOWN])
    log = events.read_log(session)
    assert list(log.clicks.impression) == list(log.impressions.position)


@pytest.mark.parametrize(("late", "owned"), [(0.0, True), (1.0, False)])
def test_a_list_that_becomes_known_after_its_click_does_not_reach_back(session, late, owned):
    events.add_clicks(session, [CLICK])
    listed = replace(SHOWN, at=CLICK.known_at, known_at=CLICK.known_at + late)
    events.add_impressions(session, [listed])
    log = events.read_log(session)
    assert list(log.clicks.impression) == ([log.impressions.position[0]] if owned else [NONE])
    assert list(log.clicks.page) == ([2] if owned else [0])


def test_a_device_of_another_name_is_a_category_of_its_own(session):
    events.add_impressions(session, [replace(SHOWN, context=Context(device="fridge"))])
    assert list(events.read_log(session).impressions.device) == [OTHER_DEVICE]


def test_the_same_event_twice_counts_once(session):
    assert events.add_impressions(session, [SHOWN]) == 1
    assert events.add_clicks(session, [CLICK]) == 1
    before = events.read_log(session)
    changed = replace(SHOWN, items=("x",)), replace(CLICK, article_id="x", known_at=99.0)
    assert events.add_impressions(session, [changed[0]]) == 0
    assert events.add_clicks(session, [changed[1]]) == 0
    after = events.read_log(session)
    assert after.end == before.end
    np.testing.assert_array_equal(after.impressions.items, before.impressions.items)
    np.testing.assert_array_equal(after.clicks.known_at, before.clicks.known_at)
    assert articles.keys_of(session, ["x"]) == {}
    assert events.counts(session) == {"impressions": 1, "clicks": 1}


def test_the_same_event_twice_in_one_writing_counts_once_too(session):
    assert events.add_impressions(session, [SHOWN, replace(SHOWN, items=("x",))]) == 1
    for click in (CLICK, replace(CLICK, event_id="e2", user_id="bob", backfilled=True)):
        assert events.add_clicks(session, [click, replace(click, article_id="x")]) == 1
    log = events.read_log(session)
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
        log = events.read_log(session).clicks
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
    assert list(events.read_new(session, held, everything(session)).clicks.backfilled) == [0]


def test_the_log_comes_in_the_order_of_knowing(session):
    times = {"later": (7.0, 9.0), "late": (1.0, 9.0), "early": (5.0, 5.0), "later, second": (7.0, 9.0)}
    for name, (at, known_at) in times.items():
        events.add_impressions(session, [Impression(name, "ann", at, (name,), known_at=known_at)])
        events.add_clicks(session, [Click(name, "ann", name, at, known_at=known_at)])
    log, expected = events.read_log(session), ["early", "late", "later", "later, second"]
    assert article_ids(session, log.impressions.items) == expected
    assert article_ids(session, log.clicks.article) == expected


def test_a_window_has_its_start_and_not_its_end(session):
    for second in range(6):
        events.add_impressions(session, [Impression(f"i{second}", "ann", 0.0, ("a",), known_at=second)])
        events.add_clicks(session, [Click(f"c{second}", "ann", "a", 0.0, known_at=second)])
    log = events.read_log(session, since=2.0, until=4.0)
    assert list(log.impressions.known_at) == [2.0, 3.0]
    assert list(log.clicks.known_at) == [2.0, 3.0]
    assert list(events.read_log(session, until=math.nextafter(0.0, 1.0)).clicks.known_at) == [0.0]


def times(log):
    return log.impressions.known_at.tolist(), log.clicks.known_at.tolist()


def test_what_is_behind_a_place_is_what_was_written_since(session):
    events.add_impressions(session, [SHOWN])
    events.add_clicks(session, [CLICK])
    held = everything(session)
    assert times(events.read_new(session, held, everything(session))) == ([], [])
    events.add_impressions(session, [Impression("older", "bob", 1.0, ("a",))])
    events.add_clicks(session, [Click("older", "bob", "a", 2.0)])
    assert times(events.read_new(session, held, everything(session))) == ([1.0], [2.0])
    assert times(events.read_log(session, place=held.place)) == ([11.0], [13.0])


def test_what_was_written_before_comes_when_it_becomes_known(session):
    """An event from the future is read when its time has come, and what was read is not read again."""
    for second in (3, 1, 2):
        events.add_impressions(session, [Impression(f"i{second}", "ann", second, ("a",))])
        events.add_clicks(session, [Click(f"c{second}", "ann", "a", second)])
    held = replace(everything(session), until=2.0)
    assert events.newest(session, held) == 1.0
    events.add_clicks(session, [Click("late", "bob", "a", 0.5), Click("later", "bob", "a", 9.0)])
    wanted = replace(everything(session), until=3.0)
    assert times(events.read_new(session, held, wanted)) == ([2.0], [0.5, 2.0])
    assert times(events.read_new(session, wanted, everything(session))) == ([3.0], [3.0, 9.0])
    assert events.newest(session, replace(held, until=1.0)) == -math.inf


def test_what_is_shown_without_a_catalogue_row_becomes_a_known_id(session):
    events.add_impressions(session, [SHOWN])
    assert set(articles.keys_of(session, ["a", "b", "c", "d"])) == {"a", "b", "c", "d"}


def test_times_finer_than_the_database_keeps_do_not_make_two_clicks_of_one(session):
    """The first is dated by its list, with a part of a microsecond; the second repeats that date."""
    at = 1_700_000_000.123456 + 2**-22
    events.add_clicks(session, [replace(CLICK, at=at, known_at=at)])
    assert events.add_clicks(session, [replace(LEARNT, event_id="history", at=at, known_at=at + 500)]) == 0
    assert list(events.read_log(session, until=at).clicks.known_at) == []
    assert list(events.read_log(session, since=at).clicks.known_at) == [1_700_000_000.123457]


def test_lists_are_found_by_their_ids(session):
    events.add_impressions(session, [SHOWN, Impression("i2", "bob", 20.0, ())])
    keys = articles.keys_of(session, "abc")
    assert events.lists_of(session, ["i2", "i1", "never"]) == {"i1": [keys["b"], keys["a"], keys["c"]], "i2": []}


def test_the_span_of_time_is_that_of_the_whole_log_or_of_the_impressions(session):
    assert events.time_span(session) is events.shown_span(session) is None
    events.add_clicks(session, [CLICK, replace(CLICK, event_id="e2", known_at=99.0)])
    assert events.time_span(session) == (13.0, 99.0)
    assert events.shown_span(session) is None
    events.add_impressions(session, [SHOWN, replace(SHOWN, impression_id="i2", known_at=50.0)])
    assert events.time_span(session) == (11.0, 99.0)
    assert events.shown_span(session) == (11.0, 50.0)


def test_an_empty_log_has_empty_columns(session):
    log = events.read_log(session)
    assert len(log.impressions) == len(log.clicks) == 0
    assert list(log.impressions.offsets) == [0]
    assert log.impressions.items.dtype == np.int64
    assert log.end == (0, 0)


def test_clicks_on_what_their_list_did_not_hold_are_told(session):
    for article in ("a", "b", "c", "z", "other"):
        articles.put_articles(session, [Article(article, f"Title of {article}")])
    merges.merge(session, "other", "c", 5.0)
    keys = articles.keys_of(session, ["a", "b", "c", "z", "other"])
    lists = {"i1": [keys["a"], keys["b"], keys["other"]]}
    clicks = [replace(CLICK, event_id=f"e{n}", article_id=a) for n, a in enumerate(["a", "c", "other", "z", "unheard"])]
    assert events.strangers(session, clicks, lists) == {3, 4}
    assert events.strangers(session, [replace(CLICK, impression_id=None), CLICK], {"i2": []}) == set()


def test_the_newest_lists_with_clicks_are_counted_back(session):
    shown = [replace(SHOWN, impression_id=f"i{n}", at=float(n), known_at=float(n)) for n in range(6)]
    events.add_impressions(session, shown)
    clicked = [(0, 1.0), (2, 1.0), (2, 1.0), (3, 0.0), (5, 1.0)]
    events.add_clicks(
        session,
        [
            replace(CLICK, event_id=f"e{n}", impression_id=f"i{of}", known_at=20.0 + n, weight=weight)
            for n, (of, weight) in enumerate(clicked)
        ],
    )
    assert [events.clicked_since(session, n) for n in (1, 2, 3)] == [5.0, 2.0, 0.0]
    assert events.clicked_since(session, 4) == -math.inf


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

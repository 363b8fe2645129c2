"""The log read back: in order, by what was known when, each click in the list that was known by then."""

import math
from dataclasses import replace

import numpy as np
import pytest
from made_events import CLICK, SHOWN, article_ids, everything

from recsys.columns import NONE, OTHER_DEVICE
from recsys.database import events, stretches, users
from recsys.database.session import writing
from recsys.domain import Click, Context, Impression


@pytest.fixture
def session(sessions):
    with writing(sessions) as opened:
        yield opened


def test_an_impression_is_read_back_as_columns(session):
    assert events.add_impressions(session, [SHOWN, Impression("i2", "bob", 20.0, ())]) == 2
    log = stretches.read_log(session).impressions
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
    log = stretches.read_log(session)
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
    assert list(stretches.read_log(session).clicks.impression) == [NONE]
    events.add_impressions(session, [SHOWN])
    log = stretches.read_log(session)
    assert list(log.clicks.impression) == list(log.impressions.position)


@pytest.mark.parametrize(("late", "owned"), [(0.0, True), (1.0, False)])
def test_a_list_that_becomes_known_after_its_click_does_not_reach_back(session, late, owned):
    events.add_clicks(session, [CLICK])
    listed = replace(SHOWN, at=CLICK.known_at, known_at=CLICK.known_at + late)
    events.add_impressions(session, [listed])
    log = stretches.read_log(session)
    assert list(log.clicks.impression) == ([log.impressions.position[0]] if owned else [NONE])
    assert list(log.clicks.page) == ([2] if owned else [0])


def test_a_device_of_another_name_is_a_category_of_its_own(session):
    events.add_impressions(session, [replace(SHOWN, context=Context(device="fridge"))])
    assert list(stretches.read_log(session).impressions.device) == [OTHER_DEVICE]


def test_the_log_comes_in_the_order_of_knowing(session):
    times = {"later": (7.0, 9.0), "late": (1.0, 9.0), "early": (5.0, 5.0), "later, second": (7.0, 9.0)}
    for name, (at, known_at) in times.items():
        events.add_impressions(session, [Impression(name, "ann", at, (name,), known_at=known_at)])
        events.add_clicks(session, [Click(name, "ann", name, at, known_at=known_at)])
    log, expected = stretches.read_log(session), ["early", "late", "later", "later, second"]
    assert article_ids(session, log.impressions.items) == expected
    assert article_ids(session, log.clicks.article) == expected


def test_a_window_has_its_start_and_not_its_end(session):
    for second in range(6):
        events.add_impressions(session, [Impression(f"i{second}", "ann", 0.0, ("a",), known_at=second)])
        events.add_clicks(session, [Click(f"c{second}", "ann", "a", 0.0, known_at=second)])
    log = stretches.read_log(session, since=2.0, until=4.0)
    assert list(log.impressions.known_at) == [2.0, 3.0]
    assert list(log.clicks.known_at) == [2.0, 3.0]
    assert list(stretches.read_log(session, until=math.nextafter(0.0, 1.0)).clicks.known_at) == [0.0]


def times(log):
    return log.impressions.known_at.tolist(), log.clicks.known_at.tolist()


def test_what_is_behind_a_place_is_what_was_written_since(session):
    events.add_impressions(session, [SHOWN])
    events.add_clicks(session, [CLICK])
    held = everything(session)
    assert times(stretches.read_new(session, held, everything(session))) == ([], [])
    events.add_impressions(session, [Impression("older", "bob", 1.0, ("a",))])
    events.add_clicks(session, [Click("older", "bob", "a", 2.0)])
    assert times(stretches.read_new(session, held, everything(session))) == ([1.0], [2.0])
    assert times(stretches.read_log(session, place=held.place)) == ([11.0], [13.0])


def test_what_was_written_before_comes_when_it_becomes_known(session):
    """An event from the future is read when its time has come, and what was read is not read again."""
    for second in (3, 1, 2):
        events.add_impressions(session, [Impression(f"i{second}", "ann", second, ("a",))])
        events.add_clicks(session, [Click(f"c{second}", "ann", "a", second)])
    held = replace(everything(session), until=2.0)
    events.add_clicks(session, [Click("late", "bob", "a", 0.5), Click("later", "bob", "a", 9.0)])
    wanted = replace(everything(session), until=3.0)
    assert times(stretches.read_new(session, held, wanted)) == ([2.0], [0.5, 2.0])
    assert times(stretches.read_new(session, wanted, everything(session))) == ([3.0], [3.0, 9.0])


def test_the_span_of_time_is_that_of_the_whole_log_or_of_the_impressions(session):
    assert stretches.time_span(session) is stretches.shown_span(session) is None
    events.add_clicks(session, [CLICK, replace(CLICK, event_id="e2", known_at=99.0)])
    assert stretches.time_span(session) == (13.0, 99.0)
    assert stretches.shown_span(session) is None
    events.add_impressions(session, [SHOWN, replace(SHOWN, impression_id="i2", known_at=50.0)])
    assert stretches.time_span(session) == (11.0, 99.0)
    assert stretches.shown_span(session) == (11.0, 50.0)


def test_an_empty_log_has_empty_columns(session):
    log = stretches.read_log(session)
    assert len(log.impressions) == len(log.clicks) == 0
    assert list(log.impressions.offsets) == [0]
    assert log.impressions.items.dtype == np.int64
    assert log.end == (0, 0)


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
    assert [stretches.clicked_since(session, n) for n in (1, 2, 3)] == [5.0, 2.0, 0.0]
    assert stretches.clicked_since(session, 4) == -math.inf

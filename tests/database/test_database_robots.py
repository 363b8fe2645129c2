"""Robots: who clicks too fast or was flagged is left out, by what was known, and counted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.database import articles, events, robots, stretches, users
from recsys.database.session import writing
from recsys.domain import Article, Click, Impression

HOUR = robots.HOUR


@pytest.fixture
def session(sessions):
    with writing(sessions) as opened:
        articles.put_articles(opened, [Article("a"), Article("b")])
        yield opened


def click(session, user, times, **more):
    events.add_clicks(session, [Click(f"{user}-{t}-{len(more)}", user, "a", t, **more) for t in times])


def show(session, user, at, items=("a", "b")):
    events.add_impressions(session, [Impression(f"{user}-{at}", user, at, items)])


def left_out(session, limit, **window):
    log = stretches.read_log(session, **window)
    return robots.leave_out(session, log, limit)


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 8).map(lambda n: n * HOUR / 4)), max_size=25),
    st.integers(1, 4),
)
def test_who_is_too_fast_is_told_by_every_hour(clicks, limit):
    slow_way = {
        user
        for user, start in clicks
        if sum(1 for other, t in clicks if other == user and start <= t < start + HOUR) > limit
    }
    users_, times = np.array([u for u, _ in clicks], np.int64), np.array([t for _, t in clicks], np.float64)
    assert set(robots.too_fast(users_, times, limit).tolist()) == slow_way
    assert len(robots.too_fast(users_, times, 0)) == 0


def test_robots_are_left_out_and_counted(session):
    click(session, "fast", [10.0, 20.0, 30.0, 9000.0])
    click(session, "flagged", [15.0])
    click(session, "slow", [10.0, 20.0, 10.0 + HOUR])
    for at, user in enumerate(("fast", "slow", "flagged", "slow", "fast")):
        show(session, user, 40.0 + at, ("a", "b") if at % 2 else ("b",))
    robots.flag(session, "flagged")
    robots.flag(session, "flagged and silent")
    rest, who = left_out(session, 2)
    assert who.counts == {"users": 2, "clicks": 5, "impressions": 3}
    assert list(who.fast) == [users.key_of(session, "fast")]
    slow = users.key_of(session, "slow")
    assert set(rest.clicks.user) == set(rest.impressions.user) == {slow}
    keys = articles.keys_of(session, ["a", "b"])
    assert list(rest.impressions.offsets) == [0, 2, 4]
    assert list(rest.impressions.items) == [keys["a"], keys["b"]] * 2
    assert list(rest.impressions.known_at) == [41.0, 43.0]


def test_without_robots_the_log_is_the_same(session):
    click(session, "slow", [10.0, 20.0])
    log = stretches.read_log(session)
    rest, who = robots.leave_out(session, log, 2)
    assert rest is log
    assert who.counts == {"users": 0, "clicks": 0, "impressions": 0}
    assert robots.leave_out(session, log, 0)[0] is log


def test_only_what_was_known_makes_a_robot(session):
    click(session, "fast", [10.0, 20.0, 30.0])
    assert left_out(session, 2, until=30.0)[1].clicks == 0
    assert left_out(session, 2, until=30.1)[1].clicks == 3
    assert len(robots.newly_fast(session, stretches.read_log(session).clicks, 2, 30.0)) == 0
    assert len(robots.newly_fast(session, stretches.read_log(session).clicks, 2, 30.1)) == 1


def test_histories_told_in_bulk_and_dismissals_make_no_robot(session):
    click(session, "told", [10.0, 20.0, 30.0], known_at=50.0, backfilled=True)
    click(session, "choosy", [10.0, 20.0, 30.0], weight=0.0)
    assert left_out(session, 2)[1].clicks == 0
    assert robots.listed(session, 2) == []


def test_one_who_becomes_a_robot_is_found_by_the_stretch(session):
    click(session, "fast", [10.0, 20.0])
    click(session, "slow", [10.0, 20.0])
    click(session, "fast", [5000.0 - HOUR, 3609.0])
    click(session, "slow", [3610.0, 3620.0])
    log = stretches.read_log(session, since=1000.0)
    assert list(robots.newly_fast(session, log.clicks, 2, np.inf)) == [users.key_of(session, "fast")]
    assert len(robots.newly_fast(session, log.clicks, 0, np.inf)) == 0


def test_flags_are_put_and_taken_back(session):
    assert robots.flag(session, "crawler")
    assert not robots.flag(session, "crawler")
    users.ensure_keys(session, ["ann"])
    key = users.key_of(session, "crawler")
    assert list(robots.flagged(session)) == list(robots.flagged(session, [key, key + 1])) == [key]
    assert list(robots.flagged(session, [key + 1])) == []
    assert robots.flag(session, "crawler", robot=False)
    assert not robots.flag(session, "never heard of", robot=False)
    assert list(robots.flagged(session)) == []


def test_robots_are_listed_with_what_they_did(session):
    click(session, "fast", [10.0, 20.0, 30.0, 9000.0])
    show(session, "fast", 40.0)
    robots.flag(session, "flagged")
    assert robots.listed(session, 2) == [
        robots.Robot("fast", flagged=False, clicks=4, impressions=1, most_clicks_per_hour=3),
        robots.Robot("flagged", flagged=True, clicks=0, impressions=0, most_clicks_per_hour=0),
    ]
    assert [robot.user_id for robot in robots.listed(session, 0)] == ["flagged"]

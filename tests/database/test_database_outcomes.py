"""What is counted of the lists that versions served, against counting by hand."""

import sqlite3
from collections import defaultdict

import numpy as np
import pytest
from sqlalchemy import update

from recsys.database import bulk, events, models, robots, served, users
from recsys.database.articles import put_articles
from recsys.database.clickthrough import Clickthrough, newest_by_version
from recsys.database.outcomes import Outcome, outcomes
from recsys.database.session import Sessions, writing
from recsys.database.tables import UserRow
from recsys.domain import Article, Click, Context, Recommendation

ITEMS = ("x", "y", "z")


@pytest.fixture
def site(sessions: Sessions) -> Sessions:
    with writing(sessions) as session:
        put_articles(session, [Article(item) for item in ITEMS])
        for version in ("a", "b"):
            models.add_version(session, version=version, at=0.0, since=None, until=None, metrics={})
    return sessions


def serve(sessions: Sessions, name: str, user: str, version: str, at: float, *, seen: bool = True) -> None:
    answer = [Recommendation(item, None, None, None, None, n + 1, 0.1, "fresh") for n, item in enumerate(ITEMS)]
    with writing(sessions) as session:
        served.log_served(
            session,
            [
                served.ServedList(
                    impression_id=name, user_id=user, at=at, answer=answer, context=Context(), model_version=version
                )
            ],
        )
        session.flush()
        if seen:
            served.confirm_served(session, name, at)


def click(sessions: Sessions, name: str, user: str, item: str, at: float, *, weight: float = 1.0, n: int = 0) -> None:
    with writing(sessions) as session:
        events.add_clicks(session, [Click(f"{name}-{item}-{n}", user, item, at, name, weight=weight)])


def found(sessions: Sessions, **options: float) -> dict[str, Outcome]:
    with sessions() as session:
        return outcomes(session, **options)


def test_nothing_served_is_nothing(site: Sessions) -> None:
    assert found(site) == {}


def test_figures_are_those_of_counting_by_hand(site: Sessions) -> None:
    draw, lists, clicked, opened = np.random.default_rng(0), defaultdict(int), defaultdict(int), defaultdict(int)
    for number in range(80):
        user, name = f"u{draw.integers(0, 9)}", f"l{number}"
        version = "ab"[int(user[1]) % 2]
        seen = bool(draw.random() < 0.8)
        serve(site, name, user, version, float(number), seen=seen)
        chosen = [item for item in ITEMS if seen and draw.random() < 0.25]
        for item in chosen:
            click(site, name, user, item, number + 0.5)
        lists[version, user] += seen
        clicked[version, user] += bool(chosen)
        opened[version] += len(chosen)
    for version, got in found(site).items():
        n = np.array([value for (which, _), value in lists.items() if which == version and value])
        c = np.array([clicked[key] for key, value in lists.items() if key[0] == version and value])
        expected = (len(n), n.sum(), c.sum(), opened[version], (n * n).sum(), (c * c).sum(), (n * c).sum())
        assert got == Outcome(version, *expected), version
    assert set(found(site)) == {"a", "b"}


def test_lists_that_nobody_saw_dismissals_and_second_clicks_do_not_count(site: Sessions) -> None:
    serve(site, "seen", "u", "a", 1.0)
    serve(site, "unseen", "u", "a", 2.0, seen=False)
    click(site, "seen", "u", "x", 3.0, weight=0.0)
    assert found(site)["a"] == Outcome("a", 1, 1, 0, 0, 1, 0, 0)
    click(site, "seen", "u", "y", 4.0)
    click(site, "seen", "u", "y", 5.0, n=1)
    assert found(site)["a"] == Outcome("a", 1, 1, 1, 1, 1, 1, 1)


def test_only_lists_served_from_a_time_on_count_where_one_is_named(site: Sessions) -> None:
    for at in (1.0, 2.0, 3.0):
        serve(site, f"l{at}", "u", "a", at)
    assert found(site, since=2.0)["a"].impressions == 2
    assert found(site, since=4.0) == {}


def test_more_robots_than_a_statement_has_room_for(site: Sessions) -> None:
    many = [f"robot{number}" for number in range(bulk.CHUNK + 50)]
    for user, version in {"person": "a", many[0]: "a", many[-1]: "b"}.items():
        serve(site, user, user, version, 1.0)
        click(site, user, user, ITEMS[0], 2.0)
    with writing(site) as session:
        users.ensure_keys(session, many)
        session.execute(update(UserRow).where(UserRow.user_id != "person").values(robot=True))
    with site() as session:
        connection = session.connection().connection.driver_connection
        if isinstance(connection, sqlite3.Connection):
            connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 2 * bulk.CHUNK + 50)
        assert outcomes(session) == {"a": Outcome("a", 1, 1, 1, 1, 1, 1, 1)}


def test_robots_are_left_out_whether_flagged_or_fast(site: Sessions) -> None:
    for user in ("person", "flagged", "fast"):
        serve(site, user, user, "a", 1.0)
        for n, item in enumerate(ITEMS if user == "fast" else ITEMS[:1]):
            click(site, user, user, item, 2.0 + n)
    with writing(site) as session:
        robots.flag(session, "flagged")
    assert found(site)["a"].users == 2
    assert found(site, robot_limit=2)["a"] == Outcome("a", 1, 1, 1, 1, 1, 1, 1)


def test_the_newest_lists_are_counted_by_the_same_rule(site: Sessions) -> None:
    for user in ("person", "flagged", "fast", "gone"):
        serve(site, user, user, "b" if user == "flagged" else "a", 1.0, seen=user != "gone")
        for n, item in enumerate(ITEMS if user == "fast" else ITEMS[:1]):
            click(site, user, user, item, 2.0 + n, weight=float(user != "person"))
    with writing(site) as session:
        robots.flag(session, "flagged")
    with site() as session:
        fast = robots.known(session, 2)
        for version, one in newest_by_version(session, 10, fast).items():
            counted = found(site, robot_limit=2)[version]
            assert (one.impressions, one.clicked) == (counted.impressions, counted.clicked) == (1, 0)
        assert newest_by_version(session, 10, fast).keys() == found(site, robot_limit=2).keys() == {"a"}
        everybody = newest_by_version(session, 10, np.zeros(0, np.int64))["a"]
        assert (everybody.impressions, everybody.clicked, everybody.ctr) == (2, 1, 0.5)
        assert newest_by_version(session, 1, np.zeros(0, np.int64)) == {"a": Clickthrough(1, 1)}

"""What is counted of the lists that versions served, against counting by hand."""

from collections import defaultdict

import numpy as np
import pytest

from recsys.database import events, models, robots, served
from recsys.database.articles import put_articles
from recsys.database.outcomes import Outcome, outcomes
from recsys.database.session import Sessions, writing
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


def test_robots_are_left_out_whether_flagged_or_fast(site: Sessions) -> None:
    for user in ("person", "flagged", "fast"):
        serve(site, user, user, "a", 1.0)
        for n, item in enumerate(ITEMS if user == "fast" else ITEMS[:1]):
            click(site, user, user, item, 2.0 + n)
    with writing(site) as session:
        robots.flag(session, "flagged")
    assert found(site)["a"].users == 2
    assert found(site, robot_limit=2)["a"] == Outcome("a", 1, 1, 1, 1, 1, 1, 1)

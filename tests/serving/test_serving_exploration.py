"""Answers while exploration is on: what is drawn, what is logged with it, and what is never left to chance."""

import made_world
import numpy as np
import pytest
from made_world import NOW
from serving_site import Site
from sqlalchemy import select

from recsys.database.tables import ServedRow


@pytest.fixture
def exploring(site: Site) -> Site:
    return Site(site.settings.model_copy(update={"exploration": 0.5}), site.sessions)


def logged(site: Site) -> list[ServedRow]:
    with site.sessions() as session:
        return list(session.scalars(select(ServedRow)))


def test_all_logged_answers_carry_propensities_and_some_differ_from_the_best(exploring: Site) -> None:
    live = exploring.live()
    recommender = exploring.recommender(live)
    best = [item.article_id for item in recommender.recommend("u01", log=False, at=NOW).items]
    answers = [recommender.recommend("u01", at=NOW) for _ in range(24)]
    lists = [[item.article_id for item in answer.items] for answer in answers]
    explored = [one for one in lists if one != best]
    assert 0 < len(explored) < len(lists)
    rows = {row.impression_id: row for row in logged(exploring)}
    for answer, one in zip(answers, lists, strict=True):
        row = rows[answer.impression_id or ""]
        assert row.propensities is not None
        assert len(row.propensities) == len(row.shown) == len(one) == 10
        greedy = np.array([article == other for article, other in zip(one, best, strict=True)])
        told = np.array(row.propensities)
        assert (told[greedy] > 0.5).all()
        assert ((told[~greedy] > 0) & (told[~greedy] <= 0.5)).all()


def test_explored_lists_keep_the_cap_of_a_section_and_what_was_read(exploring: Site) -> None:
    recommender = exploring.recommender()
    read = {item.article_id for item in recommender.recommend("u01", limit=3, log=False, at=NOW).items}
    for article in read:
        exploring.click("u01", article, NOW - 1)
    for _ in range(12):
        items = recommender.recommend("u01", at=NOW).items
        sections = [item.section for item in items if item.section]
        assert max(sections.count(section) for section in set(sections)) <= exploring.settings.section_cap
        assert not read & {item.article_id for item in items}
        assert [item.position for item in items] == list(range(1, 11))


@pytest.mark.parametrize("query", [{"log": False}, {"section": "sport"}, {"exclude": ["a70"]}], ids=str)
def test_what_a_replay_could_not_ask_again_is_not_explored(exploring: Site, query: dict[str, object]) -> None:
    recommender = exploring.recommender()
    answers = [recommender.recommend("u01", at=NOW, **query) for _ in range(8)]
    assert len({tuple(item.article_id for item in answer.items) for answer in answers}) == 1
    assert all(row.propensities is None for row in logged(exploring))


def test_without_the_setting_nothing_is_left_to_chance(site: Site) -> None:
    recommender = site.recommender()
    answers = [recommender.recommend("u01", at=NOW) for _ in range(5)]
    assert len({tuple(item.article_id for item in answer.items) for answer in answers}) == 1
    assert [row.propensities for row in logged(site)] == [None] * 5


def test_a_site_with_fewer_articles_than_places_explores_their_order(exploring: Site) -> None:
    live = exploring.live()
    live.world.catalogue.expires_at[:] = -np.inf
    keys = [exploring.key(made_world.article_id(number)) for number in (78, 79, 80)]
    live.world.catalogue.expires_at[keys] = np.inf
    recommender = exploring.recommender(live)
    orders = {tuple(item.article_id for item in recommender.recommend("u02", at=NOW).items) for _ in range(20)}
    assert len(orders) > 1
    assert {frozenset(order) for order in orders} == {frozenset(("a78", "a79", "a80"))}
    assert all(len(row.propensities or []) == 3 for row in logged(exploring))

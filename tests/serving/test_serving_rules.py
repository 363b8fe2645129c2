"""Rules and weariness where answers are served: in the request's own database session, and by the setting."""

import time

import pytest
from made_world import NOW
from serving_site import Site

from recsys.database import rules
from recsys.database.session import writing
from recsys.domain import AppliedRule, NotKnownError
from recsys.serving.recommender import Served


def ids(served: Served) -> list[str]:
    return [item.article_id for item in served.items]


def test_an_answer_says_which_rule_touched_it(site: Site) -> None:
    recommender = site.recommender()
    with writing(site.sessions) as session:
        made = rules.add_rule(session, action="pin", article_id="a01", place=2, at=NOW - 5)
    pinned = recommender.recommend("u02", at=NOW, log=False).items
    assert pinned[1].rule == AppliedRule(str(made.rule), "pin")
    assert [item.rule for item in pinned if item.article_id != "a01"] == [None] * 9
    assert "a01" not in ids(recommender.recommend("u02", at=NOW, section="sport", log=False))


def test_a_past_time_gets_what_held_then(site: Site) -> None:
    recommender = site.recommender()
    with writing(site.sessions) as session:
        made = rules.add_rule(session, action="pin", article_id="a79", since=NOW + 10, until=NOW + 20, at=NOW)
    for at, holds in ((NOW, False), (NOW + 10, True), (NOW + 19, True), (NOW + 20, False)):
        assert made.in_force(at) is holds
        answer = recommender.recommend("nobody", at=at, log=False)
        assert (answer.items[0].rule is not None) is holds
    with writing(site.sessions) as session:
        ended = rules.end_rule(session, made.rule, NOW + 15)
    assert ended.in_force(NOW + 14)
    assert not ended.in_force(NOW + 15)
    with site.sessions() as session:
        assert rules.rules_in_force(session, NOW + 14) == [ended]
        assert rules.rules_in_force(session, NOW + 15) == []


def test_an_article_that_is_not_there_has_no_rule(site: Site) -> None:
    with writing(site.sessions) as session, pytest.raises(NotKnownError, match="unheard"):
        rules.add_rule(session, action="block", article_id="unheard of", at=time.time())


def test_what_was_shown_too_often_is_a_setting(site: Site) -> None:
    first = ids(site.recommender().recommend("u02", at=NOW, log=False))[:2]
    for number in range(3):
        site.show("u02", first, NOW - 50 + number)
    assert set(first) <= set(ids(site.recommender().recommend("u02", limit=60, at=NOW, log=False)))
    site.settings.tired_after = 3
    assert not set(first) & set(ids(site.recommender().recommend("u02", at=NOW, log=False)))
    site.click("u02", first[0], NOW)  # read is read
    assert first[0] not in ids(site.recommender().recommend("u02", limit=60, at=NOW + 1, log=False))

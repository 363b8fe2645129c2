"""What an editor changes is in the next answer: what goes at once, what comes as soon as it is seen."""

from dataclasses import replace

import made_world
import pytest
from made_world import DAY, HOUR, NOBODY, NOW
from serving_site import Site, story

from recsys.database import articles, rules
from recsys.database.session import writing
from recsys.domain import Article
from recsys.serving import answering
from recsys.serving.recommender import Recommender, Served

EVERYTHING = 100


def ids(served: Served) -> list[str]:
    return [item.article_id for item in served.items]


def everything(recommender: Recommender, user_id: str = NOBODY, at: float = NOW) -> list[str]:
    return ids(recommender.recommend(user_id, limit=EVERYTHING, at=at, log=False))


def rewritten(site: Site, article_id: str, **changes: object) -> Article:
    with site.sessions() as session:
        article = articles.get_article(session, article_id)
    assert article is not None
    return replace(article, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("encoded", [True, False])
def test_a_new_article_is_recommended_without_a_restart(site: Site, encoded: bool) -> None:
    live = site.live()
    recommender = site.recommender(live)
    site.publish(story("today"), encoded=encoded)
    assert "today" not in everything(recommender)
    live.refresh()
    assert "today" in everything(recommender)
    fresh = recommender.recommend(NOBODY, limit=EVERYTHING, at=NOW, log=False).items
    assert {item.article_id: item.source for item in fresh}["today"] == "fresh"


def test_an_article_that_is_encoded_later_has_neighbours_then(site: Site) -> None:
    live = site.live()
    recommender = site.recommender(live)
    site.publish(story("today", "culture"), encoded=False)
    live.refresh()
    assert recommender.similar("today") == []
    site.publish(story("today", "culture"), encoded=True)
    live.refresh()
    for by in ("fused", "title"):
        near = recommender.similar("today", by, 5)
        assert [site.section_of(item.article_id) for item in near].count("culture") >= 4


def test_a_rewritten_title_moves_an_article(site: Site) -> None:
    live = site.live()
    recommender = site.recommender(live)
    near = [item.article_id for item in recommender.similar("a77", "title", 5)]
    site.publish(rewritten(site, "a77", title="Something else entirely", section="sport"))
    live.refresh()
    after = [item.article_id for item in recommender.similar("a77", "title", 5)]
    assert not set(near) & set(after)
    assert {site.section_of(article_id) for article_id in after} == {"sport"}


def test_a_deleted_article_is_gone_from_the_very_next_answer(site: Site) -> None:
    recommender = site.recommender()  # a process that has not looked at the database since
    first = recommender.recommend("u01", at=NOW, log=False)
    for article_id in ids(first)[:3]:
        site.delete(article_id)
    second = recommender.recommend("u01", at=NOW, log=False)
    assert not set(ids(first)[:3]) & set(ids(second))
    assert len(second.items) == 10
    assert [item.position for item in second.items] == list(range(1, 11))
    assert all(0 < item.score < 1 for item in second.items)


def test_also_when_everything_it_would_have_answered_is_deleted(site: Site) -> None:
    recommender = site.recommender()
    gone = everything(recommender)[:40]
    for article_id in gone:
        site.delete(article_id)
    assert not set(gone) & set(ids(recommender.recommend(NOBODY, at=NOW, log=False)))
    assert not set(gone) & set(everything(recommender))
    recommender.live.refresh()
    assert everything(recommender)
    assert not set(gone) & set(everything(recommender))


def test_a_deleted_article_that_is_published_again(site: Site) -> None:
    live = site.live()
    recommender = site.recommender(live)
    again = rewritten(site, "a79")
    site.delete("a79")
    live.refresh()
    assert "a79" not in everything(recommender)
    site.publish(again)
    live.refresh()
    assert "a79" in everything(recommender)


@pytest.mark.parametrize("changes", [{"expires_at": NOW - 1}, {"expires_at": NOW}, {"published_at": NOW + HOUR}])
def test_expired_or_put_off_at_once(site: Site, changes: dict[str, float]) -> None:
    live = site.live()
    recommender = site.recommender(live)
    assert "a79" in everything(recommender)
    site.publish(rewritten(site, "a79", **changes))
    assert "a79" not in everything(recommender)
    live.refresh()
    assert "a79" not in everything(recommender)


def test_an_article_comes_when_it_is_published_and_goes_when_it_expires(site: Site) -> None:
    live = site.live()
    site.publish(replace(story("evening", at=NOW + HOUR), expires_at=NOW + 2 * HOUR))
    live.refresh()
    recommender = site.recommender(live)
    there = ["evening" in everything(recommender, at=NOW + minutes * 60) for minutes in (30, 61, 119, 120)]
    assert there == [False, True, True, False]


@pytest.mark.parametrize("news", [0, answering.MOST_NEWS])
def test_when_most_of_the_best_go_at_once_the_others_follow(
    site: Site, monkeypatch: pytest.MonkeyPatch, news: int
) -> None:
    """Many more than are replaced in the tries, one list at a time, which is what is left where too much is new."""
    monkeypatch.setattr(answering, "MOST_NEWS", news)
    recommender = site.recommender()
    before = everything(recommender)
    gone, left = before[:-3], before[-3:]
    site.publish(*(rewritten(site, article_id, expires_at=NOW - 1) for article_id in gone))
    answer = ids(recommender.recommend(NOBODY, limit=3, at=NOW, log=False))
    assert set(answer) == (set(left) if news else set())


@pytest.mark.parametrize("refreshed", [False, True])
def test_what_moves_to_another_section_is_no_longer_in_the_old_one(site: Site, refreshed: bool) -> None:
    recommender = site.recommender()
    sport = ids(recommender.recommend(NOBODY, section="sport", at=NOW, log=False))
    site.publish(*(rewritten(site, article_id, section="culture") for article_id in sport[:2]))
    if refreshed:
        recommender.live.refresh()
    answer = recommender.recommend(NOBODY, section="sport", at=NOW, log=False)
    assert {item.section for item in answer.items} == {"sport"}
    assert ids(answer)[: len(sport) - 2] == sport[2:]
    everything_left = recommender.recommend(NOBODY, limit=EVERYTHING, section="sport", at=NOW, log=False)
    assert not set(sport[:2]) & set(ids(everything_left))


def test_also_when_nothing_is_left_in_it(site: Site) -> None:
    """More than the tries in which what is gone is replaced."""
    recommender = site.recommender()
    sport = ids(recommender.recommend(NOBODY, limit=EVERYTHING, section="sport", at=NOW, log=False))
    site.publish(*(rewritten(site, article_id, section="culture") for article_id in sport))
    assert recommender.recommend(NOBODY, limit=3, section="sport", at=NOW, log=False).items == []


def test_what_moves_to_a_blocked_section_is_blocked_at_once(site: Site) -> None:
    with writing(site.sessions) as session:
        rules.add_rule(session, action="block", section="culture", at=NOW - 5)
    recommender = site.recommender()
    before = everything(recommender)
    moved = next(article_id for article_id in before if site.section_of(article_id) == "sport")
    site.publish(rewritten(site, moved, section="culture"))
    assert set(everything(recommender)) == set(before) - {moved}


def test_a_new_section_does_not_mix_up_the_others(site: Site) -> None:
    """Sections are numbered in the order of their names."""
    live = site.live()
    recommender = site.recommender(live)
    site.publish(*(story(f"x{n}", "agriculture") for n in range(4)))
    live.refresh()
    for section in ("agriculture", *made_world.SECTIONS):
        answer = recommender.recommend("u01", section=section, at=NOW, log=False)
        assert {item.section for item in answer.items} == {section}


def test_an_id_that_the_log_alone_names_waits_for_its_article(site: Site) -> None:
    """Shown by the publisher, described by nobody: a typing error, or an article that comes later."""
    live = site.live()
    site.show("u05", ("mystery", "a80"), NOW - 30)
    live.refresh()
    recommender = site.recommender(live)
    assert "mystery" not in everything(recommender)
    site.publish(story("mystery"))
    live.refresh()
    assert "mystery" in everything(recommender)


def test_a_silent_site_still_answers(site: Site) -> None:
    """Nobody came and nothing was published for a week."""
    answer = site.recommender().recommend(NOBODY, at=NOW + 7 * DAY, log=False)
    assert len(answer.items) == 10


def test_a_click_on_what_this_process_has_not_seen_yet(site: Site) -> None:
    live = site.live()
    recommender = site.recommender(live)
    site.publish(story("x1"), story("x2"))
    site.click("u01", "x2", NOW - 1)
    site.show("u01", ("x1", "x2"), NOW - 1)
    answered = ids(recommender.recommend("u01", at=NOW, log=False))
    assert len(answered) == 10
    assert not {"x1", "x2"} & set(answered)
    live.refresh()
    after = everything(recommender, "u01")
    assert "x1" in after
    assert "x2" not in after


def test_the_catalogue_is_checked_against_a_database_in_which_nothing_is_left(site: Site) -> None:
    recommender = site.recommender()
    with writing(site.sessions) as session:
        for article_id in everything(recommender):
            articles.delete_article(session, article_id, NOW)
    recommender.live.refresh()
    assert recommender.recommend("u01", at=NOW, log=False).items == []

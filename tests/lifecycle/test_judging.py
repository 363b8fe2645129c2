"""An evaluation of a window does not change with what happened behind it, but for what was clicked in its lists."""

import made_world
import numpy as np
import pytest

from recsys.database import articles, events
from recsys.database.session import Sessions, writing
from recsys.database.stretches import read_log
from recsys.domain import Article, Click, Impression
from recsys.lifecycle.judging import evaluate
from recsys.settings import Settings

HOUR = made_world.HOUR
SINCE, UNTIL, END = made_world.SPLIT, made_world.END - 6 * made_world.HOUR, made_world.END


@pytest.fixture
def world(settings: Settings) -> Sessions:
    return made_world.install(settings)


def test_what_was_clicked_in_a_list_counts_although_it_is_known_behind_the_window(
    settings: Settings, world: Sessions
) -> None:
    shown = [Impression(f"late{n}", "u01", UNTIL - 60.0 - n, ("a60", "a61", "a62")) for n in range(3)]
    with writing(world) as session:
        events.add_impressions(session, shown)
    before = evaluate(world, settings, since=SINCE, until=UNTIL).summary
    clicks = [Click(f"late{n}", "u01", "a61", UNTIL + HOUR, f"late{n}") for n in range(3)]
    with writing(world) as session:
        events.add_clicks(session, clicks)
    after = evaluate(world, settings, since=SINCE, until=UNTIL).summary
    assert after["impressions"] == before["impressions"]
    assert after["clicks"] == before["clicks"] + 3
    assert after["lists"]["auc"] == before["lists"]["auc"] + 3
    live = evaluate(world, settings, since=SINCE, until=UNTIL, live=True).summary
    assert live["clicks"] == after["clicks"]


def test_what_was_deleted_later_was_there(settings: Settings, world: Sessions) -> None:
    before = evaluate(world, settings, since=SINCE, until=UNTIL, live=True).summary
    with writing(world) as session:
        log = read_log(session, since=SINCE, until=UNTIL)
        names = articles.load_catalogue(session).article_ids
        clicked = {str(names[key]) for key in np.unique(log.clicks.article)}
        for name in sorted(clicked)[::2]:
            articles.delete_article(session, name, END + HOUR)
    after = evaluate(world, settings, since=SINCE, until=UNTIL, live=True).summary
    assert {name: after[name] for name in ("r@10", "r@100", "auc", "pool_median", "sources_r@500")} == {
        name: before[name] for name in ("r@10", "r@100", "auc", "pool_median", "sources_r@500")
    }


def test_what_was_deleted_before_was_not(settings: Settings, world: Sessions) -> None:
    with writing(world) as session:
        articles.put_articles(session, [Article("short", title="A short life", published_at=SINCE - HOUR)])
        articles.delete_article(session, "short", SINCE - 60.0)
        key = articles.keys_of(session, ["short"])["short"]
        assert articles.load_catalogue(session, SINCE).expires_at[key] == -np.inf
        assert articles.load_catalogue(session, SINCE - 60.0).expires_at[key] == SINCE - 60.0


def test_lists_whose_clicks_may_still_come_are_told(settings: Settings, world: Sessions) -> None:
    told = evaluate(world, settings, since=SINCE, until=UNTIL).summary["warnings"]
    assert not told
    shown = [Impression(f"young{n}", "u01", END + n, ("a60", "a61")) for n in range(50)]
    slow = [Click(f"slow{n}", "u01", "a61", END + 50, f"young{n}") for n in range(10)]
    with writing(world) as session:
        events.add_impressions(session, shown)
        events.add_clicks(session, slow)
    (few, young) = evaluate(world, settings, since=END).summary["warnings"]
    assert "Fewer than 20 users (1)" in few
    assert "younger than the" in young
    assert "--until" in young

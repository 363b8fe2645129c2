"""Lists that another policy is judged by: those that were seen and have propensities."""

import numpy as np
import pytest
from sqlalchemy import func, select

from recsys.columns import DEVICES, NONE, PAGES
from recsys.database import articles, events, merges, served
from recsys.database.logged import LoggedList, logged_lists
from recsys.database.served import ServedList
from recsys.database.session import Sessions, writing
from recsys.database.tables import ServedRow
from recsys.domain import Article, Context, Impression, Recommendation

ITEMS = ("x", "y", "read")


@pytest.fixture
def site(sessions: Sessions) -> Sessions:
    with writing(sessions) as session:
        articles.put_articles(session, [Article(item) for item in (*ITEMS, "z")])
    return sessions


def serve(
    sessions: Sessions,
    name: str,
    at: float,
    propensities: list[float] | None,
    *,
    seen: bool = True,
    context: Context = Context(),
) -> None:
    answer = [Recommendation(item, None, None, None, None, n + 1, 0.1, "fresh") for n, item in enumerate(ITEMS[:2])]
    with writing(sessions) as session:
        served.log_served(session, [ServedList(name, "ann", at, answer, context, "v", propensities)])
        if seen:
            served.confirm_served(session, name, at + 1)


def found(sessions: Sessions, since: float = -np.inf, until: float = np.inf) -> list[LoggedList]:
    with sessions() as session:
        return logged_lists(session, since=since, until=until)


def test_seen_lists_with_propensities_come_in_the_order_of_time(site: Sessions) -> None:
    serve(site, "late", 9.0, [0.5, 0.25])
    serve(site, "early", 3.0, [0.75, 1.0], context=Context("article", "read", "mobile", subscriber=True))
    serve(site, "unseen", 4.0, [0.5, 0.5], seen=False)
    serve(site, "plain", 5.0, None)
    early, late = found(site)
    with site() as session:
        keys = articles.keys_of(session, ITEMS)
        assert session.scalar(select(func.count()).where(ServedRow.propensities.is_(None))) == 1
    assert (early.at, late.at) == (3.0, 9.0)
    assert early.shown.tolist() == [keys["x"], keys["y"]]
    assert late.propensities.tolist() == [0.5, 0.25]
    assert (early.page, early.device, early.subscriber) == (PAGES["article"], DEVICES["mobile"], 1)
    assert early.context_article == keys["read"]
    assert (late.page, late.device, late.subscriber, late.context_article) == (0, 0, -1, NONE)


def test_only_the_places_that_the_client_confirmed_are_seen(site: Sessions) -> None:
    for name, items in {"whole": ("x", "y"), "first": ("x",), "second": ("y", "z"), "other": ("z",)}.items():
        serve(site, name, 1.0, [0.5, 0.5], seen=False)
        with writing(site) as session:
            events.add_impressions(session, [Impression(name, "ann", 2.0, items)])
    assert [one.seen.tolist() for one in found(site)] == [[True, True], [True, False], [False, True], [False, False]]
    with writing(site) as session:
        merges.merge(session, "y", "z", 5.0)
    assert [one.seen.tolist() for one in found(site)][2:] == [[False, True], [False, False]]


def test_the_window_is_of_when_they_were_served(site: Sessions) -> None:
    for at in (1.0, 2.0, 3.0):
        serve(site, f"l{at}", at, [0.5, 0.5])
    assert [one.at for one in found(site, since=2.0)] == [2.0, 3.0]
    assert [one.at for one in found(site, until=2.0)] == [1.0]


def test_merged_articles_stand_under_the_key_of_today(site: Sessions) -> None:
    serve(site, "l", 1.0, [0.5, 0.5])
    with writing(site) as session:
        merges.merge(session, "y", "z", 5.0)
        keys = articles.keys_of(session, ["x", "z"])
    assert found(site)[0].shown.tolist() == [keys["x"], keys["z"]]

"""While the database does not answer, answers go on from what the process remembers, and come back by themselves."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from made_world import NOBODY, NOW
from serving_site import Site, story
from test_serving_follows_log import wait_for

from recsys.database import merges, rules, users
from recsys.database.served import ServedList, find_served, log_served
from recsys.database.session import writing
from recsys.domain import Context, NotReadyError
from recsys.serving import breaker
from recsys.serving import live as live_module
from recsys.serving.recommender import Recommender, Served
from recsys.serving.user_cache import UserCache


@contextmanager
def away(site: Site, live: live_module.Live) -> Iterator[None]:
    """The database's file is elsewhere meanwhile; whoever connects finds one without tables."""
    database, elsewhere = site.settings.home / "recsys.db", site.settings.home / "elsewhere"
    with live._reading, live._choosing:
        site.sessions.kw["bind"].dispose()
        database.rename(elsewhere)
    yield
    with live._reading, live._choosing:
        site.sessions.kw["bind"].dispose()
        for name in ("recsys.db", "recsys.db-wal", "recsys.db-shm"):
            Path(site.settings.home / name).unlink(missing_ok=True)
        elsewhere.rename(database)


def ids(served: Served) -> list[str]:
    return [item.article_id for item in served.items]


@pytest.fixture
def recommender(site: Site) -> Recommender:
    return site.recommender()


def test_a_reader_who_came_before_gets_the_same_list(site: Site, recommender: Recommender) -> None:
    known = {user: recommender.recommend(user, at=NOW) for user in ("u01", NOBODY)}
    assert not any(served.degraded for served in known.values())
    with away(site, recommender.live):
        for user, before in known.items():
            answer = recommender.recommend(user, at=NOW)
            assert (answer.degraded, answer.impression_id) == (True, None)
            assert answer.model_version == before.model_version
            assert answer.items == [replace(line, score=pytest.approx(line.score, abs=1e-5)) for line in before.items]


def test_who_was_erased_by_another_process_is_remembered_no_more(site: Site, recommender: Recommender) -> None:
    cached = recommender.live.cached_users
    for user in ("u01", "u02"):
        recommender.recommend(user, at=NOW)
    with writing(site.sessions) as session:
        users.erase(session, "u01", at=time.time(), who="another process")
    recommender.live.refresh(NOW)
    assert (cached.find("u01"), cached.find("u02") is None) == (None, False)
    with away(site, recommender.live):
        assert ids(recommender.recommend("u01", at=NOW)) == ids(recommender.recommend(NOBODY, at=NOW))
    recommender.recommend("u01", at=NOW)
    assert cached.find("u01") is None


def test_a_list_that_waited_meanwhile_brings_no_erased_reader_back(
    site: Site, recommender: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting: list[ServedList] = []
    monkeypatch.setattr(recommender.served, "note", waiting.append)
    for user in ("u01", "u02", "new"):
        recommender.recommend(user, at=NOW)
    with writing(site.sessions) as session:
        users.erase(session, "u01", at=time.time(), who="another process")
    with writing(site.sessions) as session:
        log_served(session, [replace(one, impression_id=one.user_id) for one in waiting])
    with site.sessions() as session:
        assert users.key_of(session, "u01") is None
        assert set(find_served(session, ["u01", "u02", "new"])) == {"u02", "new"}


def test_what_was_asked_for_is_heeded(site: Site, recommender: Recommender) -> None:
    first = ids(recommender.recommend("u01", at=NOW, log=False))
    with away(site, recommender.live):
        answer = recommender.recommend(
            "u01", at=NOW, limit=3, section="sport", exclude=[first[0], "unknown"],
            context=Context("article", "a80"), with_explanations=True,
        )  # fmt: skip
    assert {item.section for item in answer.items} == {"sport"}
    assert len(answer.items) == 3
    assert not {first[0], "a80"} & set(ids(answer))


def test_an_article_is_left_out_by_the_id_that_it_had_before_it_was_merged(
    site: Site, recommender: Recommender
) -> None:
    first = ids(recommender.recommend("u01", at=NOW, log=False))[0]
    site.publish(story("other-id"))
    with writing(site.sessions) as session:
        merges.merge(session, "other-id", first, NOW)
    recommender.live.refresh(NOW)
    assert first not in ids(recommender.recommend("u01", at=NOW, log=False, exclude=["other-id"]))
    with away(site, recommender.live):
        assert first in ids(recommender.recommend("u01", at=NOW))
        assert first not in ids(recommender.recommend("u01", at=NOW, exclude=["other-id"]))


def test_a_stranger_gets_what_is_fresh_and_trending(site: Site, recommender: Recommender) -> None:
    """Of u01 this process has no memory yet."""
    with away(site, recommender.live):
        assert ids(recommender.recommend("u01", at=NOW)) == ids(recommender.recommend(NOBODY, at=NOW))


def test_editors_orders_stay_in_force(site: Site, recommender: Recommender) -> None:
    blocked = ids(recommender.recommend("u01", at=NOW, log=False))[0]
    with writing(site.sessions) as session:
        rules.add_rule(session, action="block", article_id=blocked, until=NOW + 50, at=NOW - 1)
    assert blocked not in ids(recommender.recommend("u01", at=NOW, log=False))
    with away(site, recommender.live):
        assert blocked not in ids(recommender.recommend("u01", at=NOW + 1, log=False))
        assert blocked in ids(recommender.recommend("u01", at=NOW + 60, log=False))


def test_an_article_that_was_withdrawn_before_stays_away(site: Site, recommender: Recommender) -> None:
    first = ids(recommender.recommend("u01", at=NOW, log=False))
    site.delete(first[0])
    site.publish(story("x1"))
    recommender.live.refresh(NOW)
    with away(site, recommender.live):
        answer = recommender.recommend("u01", limit=100, at=NOW, log=False)
    assert first[0] not in ids(answer)
    assert {item.title for item in answer.items if item.article_id == "x1"} == {"News of x1"}


def test_it_is_asked_again_now_and_then_where_nobody_follows(
    site: Site, recommender: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    with away(site, recommender.live):
        assert recommender.recommend("u01", at=NOW).degraded
        assert recommender.live.database.is_open
    assert not recommender.live.database.may_ask()  # not yet
    assert wait_for(lambda: not recommender.recommend("u01", at=NOW).degraded)
    monkeypatch.setattr(breaker, "RETRY", 0.0)
    with away(site, recommender.live):
        assert recommender.recommend("u01", at=NOW).degraded
    assert recommender.recommend("u01", at=NOW).impression_id is not None


def test_the_thread_that_follows_notices_both(
    site: Site, recommender: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "EVERY", 0.01)
    live = recommender.live
    live.start()
    try:
        with away(site, live):
            assert wait_for(lambda: live.database.is_open)
            assert recommender.recommend("u01", at=NOW).degraded
        assert wait_for(lambda: not live.database.is_open)
        assert not recommender.recommend("u01", at=NOW).degraded
    finally:
        live.stop()


def test_without_a_model_it_still_says_what_to_do(site: Site, recommender: Recommender) -> None:
    recommender.live.model = None
    with away(site, recommender.live), pytest.raises(NotReadyError, match="recsys train"):
        recommender.recommend("u01", at=NOW)


def test_only_so_many_are_remembered() -> None:
    cached = UserCache(2)
    view = site_view = object()
    for user in ("ann", "bob", "ann", "cid"):
        cached.keep(user, 1, view, "v")  # type: ignore[arg-type]
    assert [cached.find(user) is not None for user in ("ann", "bob", "cid")] == [True, False, True]
    cached.keep("ann", 0, site_view, "v")  # type: ignore[arg-type]
    assert cached.find("ann") is None
    none = UserCache(0)
    none.keep("ann", 1, view, "v")  # type: ignore[arg-type]
    assert len(none) == 0


def test_a_locked_database_holds_up_no_answer(site: Site, recommender: Recommender) -> None:
    with site.sessions() as session:
        session.connection(execution_options={"sqlite_begin": "IMMEDIATE"})
        answer = recommender.recommend("u01", at=NOW, log=False)
        assert (answer.degraded, len(answer.items)) == (False, 10)
        session.rollback()

"""A process that follows the log knows, to the bit, what a process would know that starts now."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import made_world
import numba
import numpy as np
import pytest
from made_world import DAY, END, HOUR, NOW
from serving_site import UNTIL, Site, assert_same, story
from sqlalchemy import text

from recsys.features import replay
from recsys.serving import live as module
from recsys.serving.live import SETTLED, Live

LATER = NOW + 10.0


def wait_for(what: Callable[[], bool], patience: float = 60.0) -> bool:
    until = time.monotonic() + patience
    while not what() and time.monotonic() < until:
        time.sleep(0.01)
    return what()


def test_a_stretch_followed_in_steps_is_the_fold_of_the_whole(site: Site) -> None:
    live = site.live(until=END - 2 * DAY)
    for now in np.linspace(END - 2 * DAY, NOW, 23):
        live.refresh(float(now))
        assert_same(live.world.state, site.folded(float(now) - SETTLED))
    assert_same(live.world.state, site.folded())


def test_new_events_are_folded_at_the_next_look(site: Site) -> None:
    live = site.live()
    before = live.world.state.totals[site.key("a80")].tolist()
    site.show("u01", ("a80", "a79"), NOW)
    site.click("u01", "a80", NOW + 1)
    live.refresh(LATER)
    clicks, exposures = live.world.state.totals[site.key("a80")].tolist()
    assert [clicks - 1, exposures - 1] == before
    assert_same(live.world.state, site.folded())


def test_events_of_readers_and_articles_that_nobody_knew(site: Site) -> None:
    live = site.live()
    site.show("u-new", ("x1", "x2", "x3"), NOW)
    site.click("u-new", "x2", NOW + 1)
    site.click("u-newer", "x2", NOW + 2)
    site.click("u-new", "x3", NOW + 3)
    live.refresh(LATER)
    assert_same(live.world.state, site.folded())
    assert live.world.state.reader_total[site.key("x2")] == 2


def test_more_keys_than_there_was_room_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROOM", 2)
    live = site.live()
    for n in range(20):
        site.publish(story(f"x{n}"))
        site.show(f"u-new-{n}", ("x0", f"x{n}"), NOW)
        site.click(f"u-new-{n}", "x0", NOW + 1)
        site.click(f"u-new-{n}", f"x{n}", NOW + 2)
    live.refresh(LATER)
    assert_same(live.world.state, site.folded())
    served, restarted = (
        site.recommender(process).recommend("u-new-19", at=LATER, log=False)
        for process in (live, site.live(until=LATER))
    )
    assert [item.article_id for item in served.items] == [item.article_id for item in restarted.items]
    assert [item.score for item in served.items] == pytest.approx([item.score for item in restarted.items], abs=1e-5)


def test_only_what_is_settled_is_folded(site: Site) -> None:
    """More events of the same stamp may still be on their way, and a stamp is folded as one."""
    live = site.live()
    site.click("u01", "a80", LATER)
    live.refresh(LATER + SETTLED / 2)
    assert_same(live.world.state, site.folded(LATER))
    site.click("u01", "a79", LATER)
    site.show("u01", ("a80", "a79"), LATER)
    live.refresh(LATER + 2 * SETTLED)
    assert_same(live.world.state, site.folded())


def test_a_stamp_that_was_split_after_all(site: Site) -> None:
    live = site.live()
    site.click("u01", "a80", LATER)
    live.refresh(LATER + 1)
    site.click("u02", "a80", LATER - 50, known_at=LATER)
    live.refresh(LATER + 2)
    assert_same(live.world.state, site.folded())


@pytest.mark.parametrize("known_at", [END - 3 * DAY, END - HOUR, NOW - 5])
def test_events_that_reach_back_behind_the_fold(site: Site, known_at: float) -> None:
    """An import of an old log, or a batch that was held up."""
    live = site.live()
    site.click("u05", "a70", NOW)
    live.refresh(LATER)
    site.click("u05", "a50", known_at)
    site.show("u06", ("a50", "a51"), known_at)
    site.click("u07", "a52", LATER + 1)
    live.refresh(LATER + 5)
    assert_same(live.world.state, site.folded())


def test_what_was_committed_out_of_order_is_not_lost(site: Site) -> None:
    live = site.live()
    site.click("u01", "a80", NOW, known_at=LATER + 0.5)
    site.click("u02", "a79", NOW, known_at=LATER)
    live.refresh(LATER + 0.3)  # only the second is settled, but it lies behind the first
    live.refresh(LATER + 2)
    assert_same(live.world.state, site.folded())
    assert live.world.state.totals[site.key("a80"), 0] > 0


def test_an_event_from_the_future_keeps_nothing_back_and_comes_when_its_time_has_come(site: Site) -> None:
    """A publisher's clock that is a day ahead."""
    live = site.live()
    site.click("u01", "a80", NOW + DAY)
    for n in range(3):
        site.click(f"u1{n}", "a79", NOW + 10 * n)
        live.refresh(NOW + 10 * n + 1)
        assert_same(live.world.state, site.folded(NOW + DAY))
    live.refresh(NOW + DAY + 1)
    assert_same(live.world.state, site.folded())


def test_a_start_in_the_middle_of_a_log_that_was_not_written_in_order(site: Site) -> None:
    site.click("u01", "a80", NOW + 50)
    site.click("u02", "a79", NOW - 50)
    live = site.live(until=NOW)
    assert_same(live.world.state, site.folded(NOW))
    live.refresh(NOW + 100)
    assert_same(live.world.state, site.folded())


def test_nothing_new_changes_nothing(site: Site) -> None:
    live = site.live()
    assert not live.caught_up
    world, before = live.world, site.folded()
    live.refresh(LATER)
    assert live.caught_up
    assert live.world is world
    assert_same(live.world.state, before)


def test_a_writer_does_not_hold_up_the_readers(site: Site) -> None:
    live = site.live()
    site.click("u01", "a80", NOW)
    with site.sessions() as session:
        session.connection(execution_options={"sqlite_begin": "IMMEDIATE"})
        session.execute(text("UPDATE articles SET title = 'half written' WHERE article_id = 'a79'"))
        live.refresh(LATER)
        assert_same(live.world.state, site.folded())
        session.rollback()


@pytest.fixture
def running(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    """A process that looks at the database all the time."""
    monkeypatch.setattr(module, "EVERY", 0.01)
    live = site.live()
    live.start()
    yield live
    live.stop()


def test_the_background_thread_follows(site: Site, running: Live) -> None:
    key = site.key("a80")
    before = int(running.world.state.totals[key, 0])
    site.click("u01", "a80", NOW)
    assert wait_for(lambda: running.world.state.totals[key, 0] == before + 1)
    assert wait_for(lambda: running.caught_up)


def test_a_database_that_is_away_for_a_while_is_followed_again(
    site: Site, running: Live, caplog: pytest.LogCaptureFixture
) -> None:
    database, elsewhere = site.settings.home / "recsys.db", site.settings.home / "elsewhere"
    assert wait_for(lambda: running.caught_up)
    with running._reading, running._choosing:
        site.sessions.kw["bind"].dispose()
        database.rename(elsewhere)
    assert wait_for(lambda: "trying again" in caplog.text)
    with running._reading, running._choosing:
        site.sessions.kw["bind"].dispose()
        for name in ("recsys.db", "recsys.db-wal", "recsys.db-shm"):
            Path(site.settings.home / name).unlink(missing_ok=True)
        elsewhere.rename(database)
    site.click("u01", "a80", NOW)
    expected = site.folded()
    key = site.key("a80")
    assert wait_for(lambda: bool((running.world.state.totals[key] == expected.totals[key]).all()))


def test_stopping_ends_the_thread(site: Site) -> None:
    live = site.live()
    live.stop()  # never started
    live = site.live()
    live.start()
    assert any(thread.name == "recsys-live" for thread in threading.enumerate())
    live.stop()
    assert not any(thread.name == "recsys-live" for thread in threading.enumerate())


def test_readers_answer_while_the_log_is_followed(site: Site, running: Live) -> None:
    recommender = site.recommender(running)
    for n in range(20):
        site.click("u03", made_world.article_id(40 + n), NOW + n)
        answer = recommender.recommend("u03", at=NOW + n + 1, log=False)
        assert len(answer.items) == 10
        assert made_world.article_id(40 + n) not in {item.article_id for item in answer.items}


def test_the_first_event_finds_its_code_compiled(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[object, ...]] = []
    fold = replay._fold_stamp

    def noted(*args: object) -> None:
        seen.append(tuple(map(numba.typeof, args)))  # which code numba compiles
        fold(*args)

    monkeypatch.setattr(replay, "_fold_stamp", noted)
    live = site.live()
    warmed, before = set(seen), len(seen)
    site.show("u01", ["a01", "a02"], UNTIL + 1)
    site.click("u01", "a01", UNTIL + 2)
    live.refresh(UNTIL + 60)
    assert len(seen) > before > 0
    assert set(seen) == warmed

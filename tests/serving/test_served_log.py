"""Answers are logged by a thread of their own: all of them, once, and later where the database takes nothing now."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import event, func, select

from recsys.database import articles, events
from recsys.database.served import ServedList
from recsys.database.session import Sessions, open_sessions, upgrade, writing
from recsys.database.tables import ImpressionRow, ServedRow
from recsys.domain import Article, Click, Context, Recommendation
from recsys.serving import served_log
from recsys.serving.served_log import ServedLog
from recsys.settings import Settings

ITEMS = [Recommendation(name, None, None, None, None, place, 0.5, "fresh") for place, name in enumerate("ab")]
ANSWER = ServedList("", "ann", 10.0, ITEMS, Context("article", "c"), "v1")


@pytest.fixture
def sessions(settings: Settings) -> Iterator[Sessions]:
    upgrade(settings)
    opened = open_sessions(settings)
    with writing(opened) as session:
        articles.put_articles(session, [Article(name, name) for name in "abc"])
    yield opened
    opened.kw["bind"].dispose()


@pytest.fixture
def served(sessions: Sessions) -> Iterator[ServedLog]:
    log = ServedLog(sessions, served_is_seen=False)
    log.start()
    yield log
    log.stop()


def logged(sessions: Sessions) -> set[str]:
    with sessions() as session:
        return set(session.scalars(select(ServedRow.impression_id)))


def refuse(sessions: Sessions) -> object:
    """Have the database take nothing until the returned listener is removed."""

    def broken(*_args: object) -> None:
        import sqlite3

        raise sqlite3.OperationalError("disk I/O error")

    event.listen(sessions.kw["bind"], "before_cursor_execute", broken)
    return broken


def test_everything_is_written_once(sessions: Sessions, served: ServedLog) -> None:
    ids = [served.note(replace(ANSWER, user_id=f"u{n % 7}")) for n in range(900)]
    served.flush()
    assert len(set(ids)) == 900
    assert logged(sessions) == set(ids)


def test_a_row_says_what_was_answered(sessions: Sessions, served: ServedLog) -> None:
    name = served.note(replace(ANSWER, propensities=[0.9, 0.4]))
    served.flush()
    with sessions() as session:
        row, keys = session.get_one(ServedRow, name), articles.keys_of(session, "abc")
    assert row.shown == [keys["a"], keys["b"]]
    assert (row.scores, row.propensities, row.model_version) == ([0.5, 0.5], [0.9, 0.4], "v1")
    assert (row.page, row.context_article) == ("article", keys["c"])


def test_what_waits_is_written_at_the_end(sessions: Sessions) -> None:
    log = ServedLog(sessions, served_is_seen=False)
    log.start()
    ids = {log.note(ANSWER) for _ in range(50)}
    log.stop()
    assert logged(sessions) == ids


def test_who_asks_for_the_log_does_not_wait_until_more_has_gathered(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served_log, "GATHER", 60.0)
    log = ServedLog(sessions, served_is_seen=False)
    log.start()
    for _ in range(2):  # also the second time
        name = log.note(ANSWER)
        began = time.monotonic()
        log.flush()
        assert name in logged(sessions)
        assert time.monotonic() - began < served_log.PATIENCE
    log.stop()


def test_only_who_names_a_waiting_list_has_the_log_written(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_log, "GATHER", 60.0)
    log = ServedLog(sessions, served_is_seen=False)
    log.start()
    name = log.note(ANSWER)
    log.catch_up({"a list of somebody else's"})
    assert logged(sessions) == set()
    log.catch_up({"a list of somebody else's", str(name)})
    assert logged(sessions) == {name}
    log.stop()


def test_a_list_that_another_process_answered_a_moment_ago_is_waited_for(sessions: Sessions, served: ServedLog) -> None:
    other = ServedLog(sessions, served_is_seen=False)
    other.start()
    name = other.note(ANSWER)
    assert name not in logged(sessions)
    served.catch_up({name})
    assert name in logged(sessions)
    other.stop()


@pytest.mark.parametrize("name", ["list-7", "0" * 32, f"{int(4e12):012x}{'a' * 20}", "f" * 32])
def test_ids_of_others_and_old_ones_are_not_waited_for(served: ServedLog, name: str) -> None:
    began = time.monotonic()
    served.catch_up({name})
    assert time.monotonic() - began < served_log.ELSEWHERE / 2


def test_a_list_that_never_comes_is_not_waited_for_for_long(served: ServedLog) -> None:
    began = time.monotonic()
    served.catch_up({f"{int(time.time() * 1000):012x}{'a' * 20}"})
    assert served_log.ELSEWHERE / 2 < time.monotonic() - began < 5 * served_log.ELSEWHERE


def test_without_a_thread_it_is_written_at_once(sessions: Sessions) -> None:
    name = ServedLog(sessions, served_is_seen=False).note(ANSWER)
    assert logged(sessions) == {name}


def test_served_can_be_seen(sessions: Sessions) -> None:
    ServedLog(sessions, served_is_seen=True).note(ANSWER)
    with sessions() as session:
        assert session.scalar(select(func.count()).select_from(ImpressionRow)) == 1


def test_nothing_is_lost_while_the_database_takes_nothing(
    sessions: Sessions, served: ServedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served_log, "PAUSE", 0.01)
    broken = refuse(sessions)
    first = served.note(ANSWER)
    served.flush()
    assert served.note(ANSWER) is None
    event.remove(sessions.kw["bind"], "before_cursor_execute", broken)
    while (second := served.note(ANSWER)) is None:
        pass
    served.flush()
    assert logged(sessions) == {first, second}


def test_an_answer_that_cannot_be_written_neither_ends_the_thread_nor_holds_up_others(
    sessions: Sessions, served: ServedLog
) -> None:
    unheard_of = replace(ITEMS[0], article_id="no such article")
    names = [served.note(replace(ANSWER, answer=items)) for items in (ITEMS, [unheard_of], ITEMS)]
    served.flush()
    after = served.note(ANSWER)
    served.flush()
    assert logged(sessions) == {names[0], names[2], after}


def test_what_can_never_be_written_is_given_up_once_though_the_database_goes_away(
    sessions: Sessions, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, written = ServedLog(sessions, served_is_seen=False), []

    def take(some: list[ServedList]) -> bool:
        if "lost" in {one.user_id for one in some}:
            raise ValueError
        written.extend(one.user_id for one in some)
        return "away" not in {one.user_id for one in some}

    monkeypatch.setattr(log, "_written", take)
    some = [replace(ANSWER, user_id=name) for name in ("ann", "lost", "away", "bob")]
    assert [one.user_id for one in log._unwritten(some)] == ["away", "bob"]
    assert written == ["ann", "away"]
    assert caplog.text.count("is given up") == 1


def test_there_is_a_limit_to_what_waits(sessions: Sessions, served: ServedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_log, "MOST_WAITING", 0)
    assert served.note(ANSWER) is None


def test_a_click_that_was_quicker_than_the_log_makes_an_impression(sessions: Sessions) -> None:
    """It came to another process, which did not know the list yet."""
    log = ServedLog(sessions, served_is_seen=False)
    log.start()
    with writing(sessions) as session:  # nobody else writes meanwhile
        name, strangers = log.note(ANSWER), log.note(ANSWER)
        clicks = [Click("e1", "ann", "a", 11.0, name), Click("e2", "bob", "a", 11.0, strangers)]
        events.add_clicks(session, clicks)
    log.stop()
    with sessions() as session:
        assert session.scalars(select(ImpressionRow.impression_id)).all() == [name]

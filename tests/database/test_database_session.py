"""Connections on either database: one state for a reader, all or nothing for a writer, and a sentence when it fails."""

import time
from threading import Thread

import pytest
from sqlalchemy import event, text

from recsys.database import events, stretches, users
from recsys.database.session import open_sessions, upgrade, writing
from recsys.domain import Impression, RecsysError
from recsys.settings import Settings

sqlite_only = pytest.mark.parametrize("settings", ["sqlite"], indirect=True)


def pragma(session, name):
    return session.scalar(text(f"pragma {name}"))


@sqlite_only
def test_sqlite_has_a_write_ahead_log_and_enforces_foreign_keys(sessions, settings):
    with sessions() as session:
        assert pragma(session, "journal_mode") == "wal"
        assert pragma(session, "foreign_keys") == 1
        assert pragma(session, "busy_timeout") >= 5000
    assert (settings.home / "recsys.db").exists()


def test_writing_commits(sessions):
    with writing(sessions) as session:
        users.ensure_keys(session, ["ann"])
    with sessions() as session:
        assert users.key_of(session, "ann") is not None


def test_an_error_while_writing_undoes_everything(sessions):
    def write_and_fail() -> None:
        with writing(sessions) as session:
            users.ensure_keys(session, ["ann"])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    with sessions() as session:
        assert users.key_of(session, "ann") is None


def test_a_reader_sees_the_state_at_its_start_while_another_writes(sessions):
    with sessions() as reader:
        assert events.counts(reader) == {"impressions": 0, "clicks": 0}
        with writing(sessions) as writer:
            events.add_impressions(writer, [Impression("i1", "ann", 1.0, ("a",))])
        assert events.counts(reader)["impressions"] == 0
    with sessions() as reader:
        assert events.counts(reader)["impressions"] == 1


@sqlite_only
def test_writers_that_read_first_wait_for_each_other(sessions):
    """Without the lock at the start, the second would read an old state and fail when it writes."""

    def add(worker: int) -> None:
        for number in range(20):
            with writing(sessions) as session:
                seen = events.counts(session)["impressions"]
                events.add_impressions(session, [Impression(f"{worker}-{number}", "ann", float(seen), ("a",))])

    threads = [Thread(target=add, args=[worker]) for worker in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with sessions() as session:
        log = stretches.read_log(session).impressions
    assert sorted(log.known_at) == list(range(60))  # everyone saw all that was there
    assert list(log.position) == sorted(log.position)  # in the order of the commits


@sqlite_only
def test_readers_do_not_wait_for_the_connections_of_writers_who_wait(sessions):
    """As many as there are threads of FastAPI: each holds its connection until the lock is free."""
    wrote = []

    def write():
        with writing(sessions) as session:
            wrote.append(session.execute(text("SELECT 1")).scalar())

    waiting = [Thread(target=write) for _ in range(40)]
    with writing(sessions):
        for thread in waiting:
            thread.start()
        until = time.monotonic() + 10
        while sessions.kw["bind"].pool.checkedout() < 41 and time.monotonic() < until:
            time.sleep(0.01)
        assert sessions.kw["bind"].pool.checkedout() == 41
        with sessions() as session:
            assert session.execute(text("SELECT count(*) FROM impressions")).scalar() == 0
        assert wrote == []
    for thread in waiting:
        thread.join()
    assert wrote == [1] * 40


@sqlite_only
def test_a_database_that_stays_locked_is_a_sentence(sessions):
    event.listen(sessions.kw["bind"], "connect", lambda connection, _: connection.execute("pragma busy_timeout=1"))
    sessions.kw["bind"].dispose()
    with writing(sessions), pytest.raises(RecsysError, match="locked"), writing(sessions):
        pass


def test_without_a_schema_it_says_what_to_run(settings):
    with pytest.raises(RecsysError, match="recsys init"):
        open_sessions(settings)


def test_an_old_or_newer_schema_says_so(sessions, settings):
    with writing(sessions) as session:
        session.execute(text("update alembic_version set version_num = 'other'"))
    with pytest.raises(RecsysError, match=r"schema other.*recsys init"):
        open_sessions(settings)


@sqlite_only
def test_a_file_that_is_no_database_is_a_sentence(settings):
    settings.home.mkdir()
    (settings.home / "recsys.db").write_text("not a database" * 1000)
    for use in (upgrade, open_sessions):
        with pytest.raises(RecsysError, match="not a database"):
            use(settings)


@pytest.mark.parametrize("url", ["nonsense", "unknown://here/db", "sqlite:////no/such/folder/recsys.db"])
def test_a_database_url_that_cannot_be_used_is_a_sentence(tmp_path, url):
    broken = Settings(home=tmp_path, database_url=url, _env_file=None)
    for use in (upgrade, open_sessions):
        with pytest.raises(RecsysError):
            use(broken)


def test_a_database_url_of_its_own_is_used(tmp_path):
    given = Settings(home=tmp_path / "home", database_url=f"sqlite:///{tmp_path}/other.db", _env_file=None)
    upgrade(given)
    open_sessions(given).kw["bind"].dispose()
    assert (tmp_path / "other.db").exists()
    assert not (tmp_path / "home").exists()

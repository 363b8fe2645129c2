"""What only PostgreSQL brings: a driver that may be absent, a server that may go away, and writers side by side."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Thread

import made_postgres
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError

from recsys.database import articles, events, models, served, stretches, tail, users
from recsys.database import session as session_room
from recsys.database.bulk import one_at_a_time
from recsys.database.session import open_engine, open_sessions, upgrade, writing
from recsys.domain import Article, Click, Context, Impression, NotReadyError, Recommendation, RecsysError
from recsys.ingest.rows import Found
from recsys.ingest.tally import Tally
from recsys.ingest.writer import write
from recsys.settings import Settings

AWAY = "postgresql://nobody@127.0.0.1:1/nothing"  # no server listens at port 1


@pytest.fixture
def settings(tmp_path, postgres):
    with postgres.database() as url:
        yield Settings(home=tmp_path, database_url=url, _env_file=None)


def at_once(work, arguments):
    """Call in threads that begin together."""
    barrier = Barrier(len(arguments))

    def begin(argument):
        barrier.wait()
        return work(argument)

    with ThreadPoolExecutor(len(arguments)) as pool:
        return list(pool.map(begin, arguments))


def execute(sessions, statement):
    with writing(sessions) as session:
        return session.execute(text(statement))


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_a_plain_url_uses_the_driver_that_is_installed(tmp_path, scheme):
    engine = open_engine(Settings(home=tmp_path, database_url=f"{scheme}://me@here/db", _env_file=None))
    assert (engine.dialect.name, engine.driver) == ("postgresql", "psycopg")


def test_without_the_driver_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(RecsysError, match=r"pip install 'recsys\[postgres\]'"):
        open_engine(Settings(home=tmp_path, database_url="postgresql://me@here/db", _env_file=None))


def test_another_kind_of_database_is_refused(tmp_path):
    with pytest.raises(RecsysError, match=r"SQLite or PostgreSQL|cannot be used"):
        open_engine(Settings(home=tmp_path, database_url="mysql://me@here/db", _env_file=None))


def test_a_server_that_is_away_is_a_sentence_without_the_password(tmp_path):
    settings = Settings(home=tmp_path, database_url=AWAY.replace("nobody", "nobody:secret"), _env_file=None)
    for use in (upgrade, open_sessions):
        with pytest.raises(RecsysError, match="cannot be") as told:
            use(settings)
        assert "secret" not in str(told.value)
        assert "\n" not in str(told.value)


def test_a_read_only_database_is_a_sentence(sessions, settings):
    name = sessions.kw["bind"].url.database
    execute(sessions, f"alter database {name} set default_transaction_read_only = on")
    sessions.kw["bind"].dispose()
    with pytest.raises(NotReadyError, match=r"read-only.*nothing of this was kept"), writing(sessions) as session:
        users.ensure_keys(session, ["ann"])
    with pytest.raises(RecsysError, match="read-only"):
        upgrade(settings)


def test_a_connection_that_is_lost_is_a_sentence_and_the_next_writing_connects_again(sessions):
    def write_and_lose_the_connection() -> None:
        with writing(sessions) as session:
            users.ensure_keys(session, ["ann"])
            backend = session.scalar(text("select pg_backend_pid()"))
            execute(sessions, f"select pg_terminate_backend({backend})")
            users.ensure_keys(session, ["bob"])

    with pytest.raises(NotReadyError, match="could not be written"):
        write_and_lose_the_connection()
    with writing(sessions) as session:
        assert users.key_of(session, "ann") is None
        assert users.ensure_keys(session, ["ann"])


def test_connections_that_the_server_closed_are_opened_again(sessions, settings):
    with sessions() as session:
        assert events.counts(session)["clicks"] == 0
    other = open_sessions(settings)
    execute(other, "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()")
    other.kw["bind"].dispose()
    with sessions() as session:
        assert events.counts(session)["clicks"] == 0


def test_of_two_writers_that_wait_for_each_other_one_is_told_and_the_other_goes_on(sessions):
    execute(sessions, "insert into users (user_id) values ('ann'), ('bob')")
    both = Barrier(2)

    def rename(names):
        try:
            with writing(sessions) as session:
                for name in names:
                    session.execute(text("update users set user_id = user_id where user_id = :name"), {"name": name})
                    if name == names[0]:
                        both.wait()
        except NotReadyError as error:
            return str(error)
        return "done"

    told = at_once(rename, [("ann", "bob"), ("bob", "ann")])
    assert "done" in told
    assert any("deadlock" in sentence for sentence in told)


def test_the_same_events_from_many_at_once_come_in_once(sessions):
    """Processes that import the same, or clients that send the same, each in an order of its own."""
    shown = [
        Impression(f"i{n}", f"u{n % 7}", float(n), tuple(f"a{n * k % 31}" for k in range(1, 5))) for n in range(60)
    ]
    clicked = [Click(f"c{n}", f"v{n % 9}", f"b{n % 23}", float(n), f"i{n}") for n in range(60)]

    def write(turn):
        order = shown[turn * 13 :] + shown[: turn * 13]
        for part in range(0, 60, 20):
            with writing(sessions) as session:
                events.add_impressions(session, sorted(order, key=lambda i: i.impression_id)[part : part + 20])
            with writing(sessions) as session:
                events.add_clicks(session, sorted(clicked[part : part + 20], key=lambda c: c.event_id))

    at_once(write, range(4))
    with sessions() as session:
        assert events.counts(session) == {"impressions": 60, "clicks": 60}
        log = stretches.read_log(session)
        assert sorted(log.impressions.known_at) == sorted(log.clicks.known_at) == list(range(60))


@pytest.mark.parametrize("ensure", [articles.ensure_keys, users.ensure_keys])
def test_unknown_ids_from_many_at_once_get_one_key_each(sessions, ensure):
    names = [f"n{number}" for number in range(300)]

    def write(turn):
        with writing(sessions) as session:
            return ensure(session, names[:: 1 if turn % 2 else -1])

    found = at_once(write, range(4))
    assert all(keys == found[0] for keys in found)
    assert len(set(found[0].values())) == len(names)


def test_articles_written_by_many_at_once(sessions):
    def write(turn):
        with writing(sessions) as session:
            stories = [Article(f"a{n}", f"Title of {turn}") for n in range(50)]
            return articles.put_articles(session, stories[:: 1 if turn % 2 else -1])

    assert at_once(write, range(4)) == [50] * 4
    with sessions() as session:
        keys = articles.keys_of(session, [f"a{n}" for n in range(50)])
        titles = {article.title for article in articles.articles_by_key(session, keys.values()).values()}
    assert len(titles) == 1  # one writer was the last, for all of them
    assert sorted(keys.values()) == list(range(1, 51))


def test_promotions_at_once_make_one_chain(sessions):
    with writing(sessions) as session:
        for at in range(6):
            models.add_version(session, version=f"v{at}", at=at, since=None, until=None, metrics={})

    def promote(turn):
        with writing(sessions) as session:
            models.promote(session, f"v{turn}", at=10.0, reason="better")

    at_once(promote, range(6))
    seen = set()
    with writing(sessions) as session:
        seen.add(models.live_version(session))
        for _ in range(5):
            seen.add(models.rollback(session, at=20.0))
        with pytest.raises(RecsysError, match="roll back"):
            models.rollback(session, at=21.0)
    assert seen == {f"v{at}" for at in range(6)}


def test_a_list_confirmed_by_many_at_once_is_one_impression(sessions):
    with writing(sessions) as session:
        articles.put_articles(session, [Article("a")])
        answer = [Recommendation("a", None, None, None, None, 1, 0.5, "personal")]
        served.log_served(
            session,
            [
                served.ServedList(
                    impression_id="s", user_id="ann", at=1.0, answer=answer, context=Context(), model_version="v"
                )
            ],
        )

    def confirm(turn):
        with writing(sessions) as session:
            return served.confirm_served(session, "s", known_at=2.0 + turn)

    assert at_once(confirm, range(4)) == [True] * 4
    with sessions() as session:
        assert events.counts(session)["impressions"] == 1


def test_of_reading_times_reported_at_once_the_longest_stays(sessions):
    with writing(sessions) as session:
        events.add_clicks(session, [Click("c", "ann", "a", 1.0)])

    def report(seconds):
        with writing(sessions) as session:
            events.set_dwell(session, "ann", "a", seconds)

    at_once(report, [9.0, 1.0, 30.0, 2.0, 5.0])
    with sessions() as session:
        assert users.past_of(session, users.key_of(session, "ann"), 1)[0].dwell_seconds == 30.0


def test_an_event_of_a_user_who_is_being_erased_waits_and_comes_in(sessions):
    with writing(sessions) as session:
        users.ensure_keys(session, ["ann"])
    outcome = []

    def click():
        with writing(sessions) as session:
            events.add_clicks(session, [Click("c", "ann", "a", 1.0)])
        outcome.append("in")

    with writing(sessions) as session:
        users.erase(session, "ann", at=1.0, who="test")
        thread = Thread(target=click)
        thread.start()
        thread.join(0.5)  # it has found ann, and waits for what becomes of her
    thread.join()
    assert outcome == ["in"]  # a stranger's


@pytest.mark.parametrize(("required", "outcome"), [(False, pytest.skip.Exception), (True, pytest.fail.Exception)])
def test_tests_are_skipped_by_name_without_a_server_unless_all_are_required(monkeypatch, required, outcome):
    monkeypatch.setattr(made_postgres, "REQUIRED", required)
    monkeypatch.setitem(sys.modules, "pgserver", None)
    with pytest.raises(outcome, match="PostgreSQL is not installed"), made_postgres.running():
        pass


def test_a_locked_table_holds_up_reading_and_writing_for_a_bounded_time(sessions, settings, monkeypatch):
    monkeypatch.setattr(session_room, "LOCKED", 0.2)
    monkeypatch.setattr(session_room, "PATIENT", select(func.set_config("lock_timeout", "200ms", True)))
    others = open_sessions(settings)
    with sessions() as session:
        session.execute(text("lock table users in access exclusive mode"))
        with pytest.raises(OperationalError, match="lock timeout"), others() as reading:
            users.key_of(reading, "ann")
        with pytest.raises(NotReadyError, match="lock timeout"), writing(others) as other:
            users.ensure_keys(other, ["ann"])
    with writing(others) as other:
        assert users.ensure_keys(other, ["ann"])


def test_a_writer_of_whom_nothing_more_is_heard_loses_its_locks(sessions, monkeypatch):
    impatient = select(func.set_config("idle_in_transaction_session_timeout", "200ms", True))
    monkeypatch.setattr(session_room, "PATIENT", impatient)

    def freeze():
        with writing(sessions) as session:
            one_at_a_time(session, "events")
            time.sleep(1.0)
            users.ensure_keys(session, ["ann"])

    with pytest.raises(NotReadyError, match="idle-in-transaction"):
        freeze()
    with writing(sessions) as session:
        one_at_a_time(session, "events")


def test_several_that_make_the_schema_at_once_all_get_it(settings):
    assert len(set(at_once(upgrade, [settings] * 3))) == 1
    assert open_sessions(settings)


def test_events_that_wait_for_an_older_transaction_count_as_behind(sessions):
    with sessions() as older:
        older.execute(text("insert into users (user_id) values ('ann')"))
        with writing(sessions) as session:
            place = tail.end_of_log(session)
            events.add_clicks(session, [Click("c", "bob", "a", 1.0)])
        with sessions() as session:
            assert len(stretches.read_log(session, place=tail.end_of_log(session)).clicks) == 0
            assert tail.count_behind(session, place) == 1


def test_an_import_and_a_writer_of_events_that_name_the_same_articles_do_not_block_each_other(sessions):
    records = [Article("new"), Impression("i", "ann", 1.0, ("new",))]
    found = [Found("made", row, record) for row, record in enumerate(records)]

    def bring_in():
        with writing(sessions) as session:
            write(session, found, Tally())

    with writing(sessions) as session:
        one_at_a_time(session, "events")
        other = Thread(target=bring_in)
        other.start()
        time.sleep(0.5)
        events.add_clicks(session, [Click("c", "ann", "new", 1.0)])
    other.join(30)
    with sessions() as session:
        assert events.counts(session) == {"impressions": 1, "clicks": 1}

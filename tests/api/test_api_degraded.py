"""What still works while the database takes nothing, or the live version's files are gone; and very busy readers."""

import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import sqlalchemy
from api_calls import assert_problem, event, recommended, until
from fastapi.testclient import TestClient

from api.app import create_app
from recsys.database import events
from recsys.database.session import BUSY, open_sessions, writing
from recsys.domain import Click


@pytest.fixture
def read_only(client):
    """The API, whose database was made read-only while it runs."""
    bind = client.app.state.running.sessions.kw["bind"]
    bind.dispose()
    sqlalchemy.event.listen(bind, "connect", lambda connection, _record: connection.execute("PRAGMA query_only=ON"))
    return client


def test_a_read_only_database_refuses_what_writes_and_answers_the_rest(read_only):
    articles, version = {"article_id": "n1", "title": "New"}, read_only.get("/v1/models").json()["live"]
    for answer in (
        read_only.post("/v1/events", json={"events": [event()]}),
        read_only.put("/v1/articles/n1", json=articles),
        read_only.delete("/v1/articles/a1"),
        read_only.delete("/v1/users/u1"),
    ):
        assert_problem(answer, 503, "readonly")
        assert answer.headers["retry-after"]
    recommended(read_only)  # it is to be logged a moment later, which tells that nothing can be
    read_only.app.state.running.recommender.served.flush()
    answered = recommended(read_only)
    assert answered["items"]
    assert answered["impression_id"] is None
    assert answered["model_version"] == version
    for path in ("/v1/users/u1", "/v1/articles/a1", "/v1/articles/a1/similar", "/v1/models", "/healthz"):
        assert read_only.get(path).status_code == 200, path


def test_while_writers_wait_readers_do_not(client):
    """Sixty of them, each of which would hold a thread for as long as SQLite waits for its lock."""
    bind = client.app.state.running.sessions.kw["bind"]
    with bind.connect().execution_options(sqlite_begin="IMMEDIATE") as holder, ThreadPoolExecutor(60) as pool:
        holder.exec_driver_sql("SELECT 1")
        posts = [pool.submit(client.post, "/v1/events", json={"events": [event()]}) for _ in range(60)]
        until(lambda: client.app.state.running.writers.waiting > 50, 10)
        started = time.monotonic()
        for path in ("/v1/users/u1/recommendations", "/v1/articles/a1", "/v1/articles/a1/similar", "/v1/models"):
            assert client.get(path).status_code == 200, path
        assert time.monotonic() - started < BUSY / 3
        assert not any(post.done() for post in posts)
        holder.rollback()
    assert {post.result().status_code for post in posts} == {202}


def test_a_live_version_whose_folder_was_deleted_is_served_on_and_told_at_the_next_start(client, site, newspaper):
    shutil.rmtree(site.snapshots / newspaper.live)
    assert recommended(client)["model_version"] == newspaper.live
    with TestClient(create_app(site), raise_server_exceptions=False) as restarted:
        assert_problem(restarted.get("/readyz"), 503, "no snapshot in", "restore")
        assert_problem(restarted.get("/v1/users/u1/recommendations"), 503, "restore")
        promoted = restarted.post(f"/v1/models/{newspaper.candidate}/promote")
        assert promoted.status_code == 200, promoted.text
        assert_problem(restarted.post("/v1/models/rollback"), 409, newspaper.live, "cannot be served")
        restarted.app.state.running.live.refresh()
        assert recommended(restarted)["model_version"] == newspaper.candidate


@contextmanager
def nobody_connected(bind):
    """While inside, no thread has a connection: one to a file that goes would take the next one's journal with it."""
    gate, pool = threading.Lock(), bind.pool

    def wait(*_):
        with gate:
            pass  # and connect as ever

    sqlalchemy.event.listen(bind, "do_connect", wait)
    with gate:
        bind.dispose()
        until(lambda: pool.checkedout() == 0, 60)
        pool.dispose()
        yield
    sqlalchemy.event.remove(bind, "do_connect", wait)


def test_a_database_that_is_gone_for_a_while(client, site):
    """Answers go on, and say so; everything else is refused until it is back."""
    until(lambda: client.get("/readyz").status_code == 200, 60)
    before = recommended(client)
    assert "degraded" not in before
    assert "degraded" not in client.get("/readyz").json()
    bind = client.app.state.running.sessions.kw["bind"]
    database, elsewhere = site.home / "recsys.db", site.home / "elsewhere"
    with nobody_connected(bind):
        database.rename(elsewhere)
    answered = recommended(client)
    assert answered["degraded"] is True
    assert answered["impression_id"] is None
    assert [item["article_id"] for item in answered["items"]] == [item["article_id"] for item in before["items"]]
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["degraded"]) == (200, True)
    assert_problem(client.get("/v1/articles/a1"), 503)
    with nobody_connected(bind):
        for name in ("recsys.db", "recsys.db-wal", "recsys.db-shm"):
            (site.home / name).unlink(missing_ok=True)
        elsewhere.rename(database)
    until(lambda: "degraded" not in client.get("/readyz").json(), 60)
    assert "degraded" not in recommended(client)
    until(lambda: recommended(client)["impression_id"], 60)  # the log of served lists tries again after a pause


def test_unknown_ids(client):
    for method, path, body in (
        ("GET", "/v1/users/nobody", None),
        ("DELETE", "/v1/users/nobody", None),
        ("GET", "/v1/articles/nothing", None),
        ("DELETE", "/v1/articles/nothing", None),
        ("GET", "/v1/articles/nothing/similar", None),
        ("POST", "/v1/users/u1/rank", {"article_ids": ["a1", "nothing"]}),
        ("POST", "/v1/models/nothing/promote", None),
    ):
        named = "nobody" if "nobody" in path else "nothing"
        assert_problem(client.request(method, path, json=body), 404, named)
    stranger = recommended(client, "nobody", exclude="nothing", context_article="nothing", page="article")
    assert stranger["items"]


def test_a_reader_with_ten_thousand_clicks(client, site):
    now = time.time()
    clicks = [Click(f"busy{n}", "busy", f"a{n % 60}", now - 20_000 + n) for n in range(10_000)]
    with writing(open_sessions(site)) as session:
        events.add_clicks(session, clicks)
    client.app.state.running.live.refresh()
    started = time.process_time()
    known = client.get("/v1/users/busy").json()
    assert (known["clicks"], len(known["history"])) == (10_000, 100)
    answered = recommended(client, "busy", explain=True)
    assert answered["items"] == []  # everything is read
    assert time.process_time() - started < 2.0

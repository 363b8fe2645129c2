"""The worker encodes what is new, is alone on its home, survives failures, and ends with its parent."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
from sqlalchemy import select

from recsys.database import articles, served, vectors
from recsys.database.session import upgrade, writing
from recsys.database.tables import ServedRow
from recsys.domain import Article, Context, RecsysError
from recsys.encoders import expected_ids
from recsys.lifecycle import worker
from recsys.lifecycle.encode import encode_new
from recsys.lifecycle.worker import run_worker


@contextmanager
def running(settings):
    """A worker in a thread of this process."""
    stop = threading.Event()
    thread = threading.Thread(target=run_worker, args=[settings, stop])
    thread.start()
    yield
    stop.set()
    thread.join(30)
    assert not thread.is_alive()


def put(sessions, *found):
    with writing(sessions) as session:
        articles.put_articles(session, found)


def waiting(sessions, settings):
    """How many articles have no title vector yet."""
    with sessions() as session:
        return vectors.count_not_encoded(session, "title", expected_ids(settings)["title"])


def until(condition, seconds=60.0):
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds
        time.sleep(0.05)


class Short:
    """An encoder that costs nothing: a title's length. It fails as often as it is told to."""

    modality = "title"
    dim = 2

    def __init__(self, encoder_id, failures=0):
        self.encoder_id, self.failures, self.calls = encoder_id, failures, 0

    def content_hash(self, article):
        return article.title

    def status(self, article):
        return "ok"

    def encode(self, found):
        self.calls += 1
        if self.calls <= self.failures:
            raise RuntimeError("out of memory")
        return np.array([[len(a.title), 1] for a in found], np.float32), np.ones(len(found), np.bool_)


def test_articles_are_encoded_as_they_come(sessions, settings):
    put(sessions, Article("a", title="The harbour is open again"))
    with running(settings):
        until(lambda: waiting(sessions, settings) == 0)
        put(sessions, Article("b", title="Snow on the pass"), Article("c"))
        until(lambda: waiting(sessions, settings) == 0)
    with sessions() as session:
        encoder_id = expected_ids(settings)["title"]
        dim = vectors.dim_of(session, encoder_id)
        _, mask = vectors.load_vectors(session, "title", encoder_id, dim, np.array([1, 2, 3]))
        assert mask.tolist() == [True, True, False]
        assert articles.last_change(session) > 3  # processes that keep a copy are told of the vectors


def test_the_encoders_are_loaded_before_there_is_an_article(sessions, settings, monkeypatch):
    encoder = Short("short")
    monkeypatch.setattr(worker, "load_encoders", lambda _settings: [encoder])
    with running(settings):
        until(lambda: encoder.calls == 1)
    with sessions() as session:
        assert vectors.encoders_of(session, "title") == set()


def test_where_no_encoder_is_set_none_is_looked_for_again(sessions, settings, monkeypatch):
    looks = []
    monkeypatch.setattr(worker, "load_encoders", lambda _settings: looks.append(1) or [])
    monkeypatch.setattr(worker, "EVERY", 0.01)
    with running(settings):
        until(lambda: looks)
        time.sleep(0.5)
    assert len(looks) == 1


def test_encoders_that_cannot_be_loaded_are_named_and_hinder_nothing_else(sessions, settings, monkeypatch, caplog):
    monkeypatch.setattr(worker, "load_encoders", lambda _settings: [Short("broken", failures=1), Short("short")])
    put(sessions, Article("a", title="seven"))
    with caplog.at_level(logging.WARNING), running(settings):
        until(lambda: _vector(sessions) == [5, 1])
    assert [record for record in caplog.messages if "encoder of the title is not ready: out of memory" in record]


@pytest.mark.parametrize("is_stopping", [True, False])
def test_what_fails_as_the_process_is_taken_down_is_not_told(sessions, settings, monkeypatch, is_stopping):
    """Imports under way fail in odd ways then; the same error at any other time is a fault of ours."""
    told, loading, goes_on = [], [], threading.Event()

    def torn(_encoder):
        loading.append(threading.current_thread())
        goes_on.wait(30)
        raise AttributeError("taken down")

    monkeypatch.setattr(threading, "excepthook", told.append)
    monkeypatch.setattr(worker, "warm_up", torn)
    with running(settings):
        until(lambda: loading)
        if not is_stopping:
            goes_on.set()
            until(lambda: told)
    goes_on.set()
    loading[0].join(30)
    assert bool(told) is not is_stopping


def test_no_more_is_looked_at_than_what_changed(sessions, settings, monkeypatch):
    looks = []
    monkeypatch.setattr(worker, "load_encoders", lambda _settings: [Short("short")])
    monkeypatch.setattr(worker, "encode_new", lambda *given: looks.append((*given, None)[3]) or encode_new(*given))
    monkeypatch.setattr(worker, "MANY", 3)
    put(sessions, Article("a", title="one"))
    with running(settings):
        until(lambda: [1] in looks)  # its vector is a change, too
        assert looks[0] is None
        looks.clear()
        put(sessions, Article("b", title="two"))
        until(lambda: [2] in looks)
        assert None not in looks
        put(sessions, *(Article(name, title=name) for name in "cdef"))
        until(lambda: None in looks)
        until(lambda: _vector(sessions, 6) == [1, 1])


def test_a_rewritten_article_is_encoded_again(sessions, settings, monkeypatch):
    encoder = Short("short")
    monkeypatch.setattr(worker, "load_encoders", lambda _settings: [encoder])
    with running(settings):
        for title in ("one", "three"):
            put(sessions, Article("a", title=title))
            until(lambda title=title: _vector(sessions) == [len(title), 1])


def _vector(sessions, key=1):
    with sessions() as session:
        return vectors.load_vectors(session, "title", "short", 2, np.array([key]))[0][0].tolist()


def test_a_failure_is_said_and_tried_again(sessions, settings, monkeypatch, caplog):
    encoder = Short("short", failures=2)
    monkeypatch.setattr(worker, "load_encoders", lambda _settings: [encoder])
    monkeypatch.setattr(worker, "EVERY", 0.01)
    put(sessions, Article("a", title="seven"))
    with caplog.at_level(logging.WARNING), running(settings):
        until(lambda: _vector(sessions) == [5, 1])
    assert [record for record in caplog.messages if "out of memory" in record]
    assert encoder.calls == 3


def test_answers_that_nobody_saw_are_forgotten_in_time(sessions, settings, monkeypatch):
    monkeypatch.setattr(worker, "load_encoders", lambda _settings: [Short("short")])
    monkeypatch.setattr(served, "BATCH", 2)
    ages = {f"s{days}": float(days) for days in (1, 2, 3, 4, 5, 6)}
    with writing(sessions) as session:
        for name, days in ages.items():
            served.log_served(
                session,
                [
                    served.ServedList(
                        impression_id=name,
                        user_id="ann",
                        at=time.time() - days * worker.DAY,
                        answer=[],
                        context=Context(),
                        model_version="v",
                    )
                ],
            )
    with running(settings.model_copy(update={"served_days": 2.5})):
        until(lambda: _served(sessions) == {"s1", "s2"})


def _served(sessions):
    with sessions() as session:
        return set(session.scalars(select(ServedRow.impression_id)))


def test_only_one_works_on_a_home_and_the_next_takes_over(sessions, settings, monkeypatch):
    loaded = []
    monkeypatch.setattr(worker, "load_encoders", lambda _settings: loaded.append(1) or [Short("short")])
    with running(settings):
        until(lambda: loaded)
        with running(settings):
            time.sleep(1.2)
            assert len(loaded) == 1
        with running(settings):
            first = len(loaded)
    with running(settings):
        until(lambda: len(loaded) > first)


def test_a_stopped_worker_leaves_the_batches_before_it(sessions, settings, monkeypatch):
    stop = threading.Event()
    encoder = Short("short")
    encode = encoder.encode
    monkeypatch.setattr(encoder, "encode", lambda found: stop.set() or encode(found))
    monkeypatch.setattr(worker, "load_encoders", lambda _settings: [encoder])
    monkeypatch.setattr(worker, "warm_up", lambda _encoder: None)
    put(sessions, *(Article(f"a{number}", title=f"{number}") for number in range(600)))
    run_worker(settings, stop)
    assert encoder.calls == 1
    with sessions() as session:
        assert vectors.count_not_encoded(session, "title", "short") == 600 - 256


def test_without_a_schema_there_is_nothing_to_work_on(settings):
    with pytest.raises(RecsysError, match="recsys init"):
        run_worker(settings, threading.Event())


PARENT = """
import sys, time
from pathlib import Path
from recsys.lifecycle.worker_process import WorkerProcess
from recsys.settings import Settings
print(WorkerProcess(Settings(home=Path(sys.argv[1]), _env_file=None)).process.pid, flush=True)
time.sleep(120)
"""


def test_the_process_shrugs_off_an_interrupt_and_ends_when_its_parent_is_killed(settings):
    upgrade(settings)
    command = [sys.executable, "-c", PARENT, str(settings.home)]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    until(lambda: (settings.home / worker.LOCK).exists())
    os.kill(child, signal.SIGINT)
    time.sleep(0.3)
    assert _alive(child)
    until(lambda: os.getpriority(os.PRIO_PROCESS, child) >= worker.NICENESS)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until(lambda: not _alive(child), 30)


def _alive(process):
    try:
        with open(f"/proc/{process}/stat") as file:  # noqa: PTH123
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False

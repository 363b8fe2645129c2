"""A worker that dies is followed by another one, later each time, until it is told to stop."""

import logging
import os
import signal
import subprocess
import time

from recsys.database.session import upgrade
from recsys.lifecycle import child, worker_process
from recsys.lifecycle.checks.host import worker_runs
from recsys.lifecycle.worker_process import WorkerProcess


def until(condition, seconds=60.0):
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds
        time.sleep(0.05)


def test_a_killed_worker_is_replaced_and_the_next_one_stops(settings, monkeypatch, caplog):
    monkeypatch.setattr(worker_process, "PAUSE", 0.1)
    upgrade(settings)
    worker = WorkerProcess(settings)
    try:
        until(lambda: worker_runs(settings))
        first = worker.process.pid
        os.kill(first, signal.SIGKILL)
        until(lambda: worker.process.pid != first and worker_runs(settings))
        assert "the worker ended with code -9" in caplog.text
    finally:
        worker.stop()
    assert worker.process.poll() is not None
    assert not worker_runs(settings)


def test_one_that_dies_at_once_is_started_ever_later(settings, monkeypatch, caplog):
    monkeypatch.setattr(worker_process, "LOOK", 0.01)
    monkeypatch.setattr(worker_process, "PAUSE", 0.02)
    monkeypatch.setattr(child.sys, "executable", "/bin/false")
    with caplog.at_level(logging.ERROR):
        worker = WorkerProcess(settings)
        until(lambda: len(caplog.messages) >= 3)
        worker.stop()
    pauses = [record.args[1] for record in caplog.records if record.name == worker_process.__name__]
    assert pauses[:3] == [0.04, 0.08, 0.16]


def test_that_none_can_be_started_is_said_and_tried_again(settings, monkeypatch, caplog):
    monkeypatch.setattr(worker_process, "LOOK", 0.01)
    monkeypatch.setattr(worker_process, "PAUSE", 0.01)
    monkeypatch.setattr(child.sys, "executable", "/bin/false")
    worker = WorkerProcess(settings)
    monkeypatch.setattr(subprocess, "Popen", _refuse)
    until(lambda: caplog.text.count("no worker could be started") >= 2)
    monkeypatch.undo()
    monkeypatch.setattr(worker_process, "LOOK", 0.01)
    upgrade(settings)
    until(lambda: worker_runs(settings))
    worker.stop()


def _refuse(*_given, **_named):
    raise BlockingIOError(11, "Resource temporarily unavailable")

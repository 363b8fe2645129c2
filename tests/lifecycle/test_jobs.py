"""A retraining as a job: held while it runs, told as it ends, found after a kill, and started by asking or by time."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from made_training import change

from recsys.database import jobs, models
from recsys.database.jobs import DONE, FAILED, RETRAIN, RUNNING, WAITING, LostError, OneRunsError
from recsys.database.session import Sessions, writing
from recsys.database.tables import JobRow
from recsys.domain import RecsysError
from recsys.lifecycle import jobs as room
from recsys.lifecycle import schedule
from recsys.lifecycle.jobs import fail_killed, retrain_now, this_process
from recsys.lifecycle.retrain import Retrained
from recsys.settings import Settings

HOUR = schedule.HOUR
RESULT = Retrained("v1", True, "not worse", {"auc": 0.7}, None)


def newest(sessions: Sessions) -> JobRow:
    with sessions() as session:
        return jobs.newest(session, 1)[0]


def until(condition, seconds: float = 120.0) -> None:
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds
        time.sleep(0.05)


def pretend(monkeypatch: pytest.MonkeyPatch, work) -> None:
    """Let a retraining be this work, which gets its report and how to finish."""
    monkeypatch.setattr(room, "retrain", lambda *_, report, finish, **__: work(report, finish))
    monkeypatch.setattr(room, "BEAT", 0.02)


def test_signs_of_life_and_progress_are_written_and_the_result_at_the_end(
    sessions: Sessions, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []

    def work(report, finish) -> Retrained:
        report("towers", 1, 3)
        until(lambda: newest(sessions).progress == {"stage": "towers", "done": 1, "total": 3})
        running = newest(sessions)
        assert (running.status, running.owner) == (RUNNING, this_process())
        until(lambda: (newest(sessions).heard_at or 0.0) > (running.heard_at or 0.0))
        with pytest.raises(OneRunsError, match=f"{running.job_id} is running on {this_process()}"):
            retrain_now(sessions, settings)
        return finished(sessions, finish)

    pretend(monkeypatch, work)
    assert retrain_now(sessions, settings, report=lambda *given: told.append(given)) == RESULT
    assert told == [("towers", 1, 3)]
    assert (newest(sessions).status, newest(sessions).result) == (DONE, vars(RESULT))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RecsysError("The log is empty."), "The log is empty."),
        (KeyboardInterrupt(), room.STOPPED),
        (ValueError("x"), "ValueError: x"),
    ],
    ids=["explained", "stopped", "a mistake"],
)
def test_a_failure_is_told(
    sessions: Sessions, settings: Settings, monkeypatch: pytest.MonkeyPatch, error: BaseException, said: str
) -> None:
    def work(_report, _finish) -> Retrained:
        raise error

    pretend(monkeypatch, work)
    with pytest.raises(type(error)):
        retrain_now(sessions, settings)
    assert (newest(sessions).status, newest(sessions).error) == (FAILED, said)


def test_who_lost_the_job_is_stopped_and_changes_nothing(
    sessions: Sessions, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(report, finish) -> Retrained:
        change(sessions, "UPDATE jobs SET owner = 'other:2'")
        with pytest.raises(LostError):
            finished(sessions, finish)
        until(lambda: _refused(report))
        report("heads", 2, 3)
        raise AssertionError("the work went on")

    pretend(monkeypatch, work)
    with pytest.raises(LostError):
        retrain_now(sessions, settings)
    assert (newest(sessions).status, newest(sessions).owner) == (RUNNING, "other:2")


def finished(sessions: Sessions, finish) -> Retrained:
    """As a retraining ends: in the transaction that promotes."""
    with writing(sessions) as session:
        finish(session, RESULT)
    return RESULT


def test_an_interruption_after_the_end_changes_nothing_of_it(
    sessions: Sessions, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(_report, finish) -> Retrained:
        finished(sessions, finish)
        raise KeyboardInterrupt

    pretend(monkeypatch, work)
    with pytest.raises(KeyboardInterrupt):
        retrain_now(sessions, settings)
    assert (newest(sessions).status, newest(sessions).result, newest(sessions).error) == (DONE, vars(RESULT), None)


def test_an_interruption_at_the_very_start_leaves_no_job_running(
    sessions: Sessions, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was taken, and nobody has heard so yet."""

    def stopped(_sessions: Sessions, job_id: str) -> None:
        assert newest(sessions).status == RUNNING
        raise KeyboardInterrupt

    monkeypatch.setattr(room, "Lease", stopped)
    with pytest.raises(KeyboardInterrupt):
        retrain_now(sessions, settings)
    assert (newest(sessions).status, newest(sessions).error) == (FAILED, room.STOPPED)


def _refused(report) -> bool:
    try:
        report("heads", 1, 3)
    except LostError:
        return True
    return False


def test_a_job_of_a_process_that_is_no_more_fails_at_the_next_look(sessions: Sessions, settings: Settings) -> None:
    host = this_process().rpartition(":")[0]
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for owner, status in ((this_process(), RUNNING), (f"another-{host}:1", RUNNING), (f"{host}:{ended.pid}", FAILED)):
        with writing(sessions) as session:
            job = jobs.begin(session, RETRAIN, owner, time.time())
        fail_killed(sessions)
        assert newest(sessions).status == status
        change(sessions, "DELETE FROM jobs WHERE job_id = :job", job=job) if status == RUNNING else None
    assert f"{host}:{ended.pid} was killed" in (newest(sessions).error or "")


def test_when_the_schedule_is_due(sessions: Sessions) -> None:
    now = 1e9

    def due(every: float, at: float) -> bool:
        with sessions() as session:
            return schedule.due(session, every, at)

    assert not due(0.0, now)
    assert due(24.0, now)  # there is no version yet
    with writing(sessions) as session:
        models.add_version(session, version="v", at=now, since=None, until=None, metrics={})
    assert (due(24.0, now + 23.9 * HOUR), due(24.0, now + 24 * HOUR)) == (False, True)
    with writing(sessions) as session:
        job = jobs.begin(session, RETRAIN, "host:1", now)
    assert not due(24.0, now + 50 * HOUR)  # it runs
    with writing(sessions) as session:
        jobs.finish(session, job, "host:1", now + HOUR, {})
    assert (due(24.0, now + 23.9 * HOUR), due(24.0, now + 24 * HOUR)) == (False, True)
    change(sessions, "UPDATE jobs SET status = 'failed'")
    assert (due(24.0, now + 1.9 * HOUR), due(24.0, now + 2 * HOUR), due(0.5, now + 1.5 * HOUR)) == (False, True, True)


@contextmanager
def following(sessions: Sessions, settings: Settings) -> Iterator[None]:
    stop = threading.Event()
    thread = schedule.follow_jobs(sessions, settings, stop)
    yield
    stop.set()
    thread.join(60)
    assert not thread.is_alive()


def test_the_worker_runs_what_waits_in_a_process_of_its_own(sessions: Sessions, settings: Settings) -> None:
    """A real process, on a log that is too short."""
    with writing(sessions) as session:
        job = jobs.ask(session, RETRAIN, time.time())
    with following(sessions, settings.model_copy(update={"title_encoder": "", "image_encoder": ""})):
        until(lambda: newest(sessions).status == FAILED)
    ended = newest(sessions)
    assert ended.job_id == job
    assert "no impression to judge" in (ended.error or "")
    assert ended.owner is not None
    assert ended.owner != this_process()


class Impatient(threading.Event):
    """Waits for nothing, notes for how long it should have, and is set after so many waits."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most, self.waits = most, list[float]()

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0.0)
        return len(self.waits) > self.most


def test_after_a_database_that_was_away_jobs_are_looked_for_as_often_as_before(
    sessions: Sessions, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter([RecsysError("away"), RecsysError("away"), False, False])

    def wanted(*_: object) -> bool:
        found = next(looks)
        if isinstance(found, RecsysError):
            raise found
        return found

    monkeypatch.setattr(schedule, "_wanted", wanted)
    stop = Impatient(4)
    schedule.follow_jobs(sessions, settings, stop).join(30)
    every = schedule.EVERY
    assert stop.waits == [every, 2 * every, 4 * every, every, every]


SLEEPER = """
import os, sys, time
from recsys.lifecycle import jobs
jobs.retrain = lambda *_, **__: time.sleep(600)
jobs.main()
"""


def test_a_stopped_worker_hands_its_job_back_and_a_killed_one_is_reported(
    sessions: Sessions, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    popen = subprocess.Popen
    monkeypatch.setattr(schedule, "PATIENCE", 120.0)
    monkeypatch.setattr(
        schedule.subprocess, "Popen", lambda _command, **named: popen([sys.executable, "-c", SLEEPER], **named)
    )
    every = settings.model_copy(update={"retrain_every": 24.0})  # nobody asks: it is due
    with following(sessions, every):
        until(lambda: _status(sessions) == RUNNING)
        assert os.getpriority(os.PRIO_PROCESS, _number(sessions)) >= room.NICENESS
    assert (newest(sessions).status, newest(sessions).owner) == (WAITING, None)
    with following(sessions, every):
        until(lambda: _status(sessions) == RUNNING)
        os.kill(_number(sessions), signal.SIGKILL)
        until(lambda: _status(sessions) == FAILED)
    assert "was killed" in (newest(sessions).error or "")


def _status(sessions: Sessions) -> str | None:
    with sessions() as session:
        return next((job.status for job in jobs.newest(session, 1)), None)


def _number(sessions: Sessions) -> int:
    return int((newest(sessions).owner or "").rpartition(":")[2])

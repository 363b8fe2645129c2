"""Starts the retrainings that were asked for or are due, each in a process of its own, and says how they ended."""

import logging
import os
import subprocess
import sys
import threading
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from recsys.database import jobs, models
from recsys.database.jobs import RETRAIN
from recsys.database.session import Sessions, writing
from recsys.domain import RecsysError, Timestamp
from recsys.lifecycle.jobs import bury_dead
from recsys.settings import Settings

log = logging.getLogger(__name__)

COMMAND = [sys.executable, "-m", "recsys.lifecycle.jobs"]
EVERY = 0.5  # seconds between two looks for what was asked
HOUR = 3600.0
AFTER_FAILURE = 1.0  # hours after which a retraining of the schedule is tried again
PATIENCE = 6.0  # seconds that a retraining gets to clear away what it has begun; the worker itself gets little more
LONGEST_PAUSE = 60.0  # seconds between two looks while they fail
MOST_FAILURES = 7  # that are counted
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def follow_jobs(sessions: Sessions, settings: Settings, stop: threading.Event) -> threading.Thread:
    """Run jobs from a thread of its own until ``stop`` is set, which stops the one that runs as well."""
    thread = threading.Thread(target=_follow, args=[sessions, settings, stop], name="recsys-jobs", daemon=True)
    thread.start()
    return thread


def due(session: Session, every: float, now: Timestamp) -> bool:
    """Whether a schedule of so many hours (0: none) has a retraining run now."""
    if every <= 0:
        return False
    last = next(iter(jobs.newest(session, 1, RETRAIN)), None)
    if last is None:
        versions = models.versions(session)
        return not versions or now >= versions[-1].created_at + every * HOUR
    if last.status == jobs.FAILED:
        return now >= (last.finished_at or last.created_at) + min(every, AFTER_FAILURE) * HOUR
    return last.status == jobs.DONE and now >= last.created_at + every * HOUR


def _follow(sessions: Sessions, settings: Settings, stop: threading.Event) -> None:
    child: subprocess.Popen[bytes] | None = None
    failures = 0  # one after the other; a process that ends before it took its job would be started for ever
    while not stop.wait(min(EVERY * 2**failures, LONGEST_PAUSE)):
        try:
            if child is not None and child.poll() is not None:
                failures = min(failures + 1, MOST_FAILURES) if child.returncode else 0
                child = None
            elif child is None:
                bury_dead(sessions)
                child = _started(settings) if _wanted(sessions, settings) else None
        except (RecsysError, SQLAlchemyError, OSError) as error:
            failures = min(failures + 1, MOST_FAILURES)
            log.warning("jobs could not be looked for, trying again: %s", error)
    if child is not None:
        _stop(child)


def _wanted(sessions: Sessions, settings: Settings) -> bool:
    """Whether a job waits; the schedule asks for one when it is due."""
    with sessions() as session:
        now = jobs.clock(session)
        if jobs.waits(session, RETRAIN, now):
            return True
        if not due(session, settings.retrain_every, now):
            return False
    with suppress(jobs.OneRunsError), writing(sessions) as session:
        job_id = jobs.ask(session, RETRAIN, now)
        log.info("the schedule asks for a retraining: job %s", job_id)
    return True


def _started(settings: Settings) -> subprocess.Popen[bytes]:
    """A process that takes the job which waits. It ends when this one does, however that ends."""
    process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, env={**os.environ, **ONE_THREAD})
    assert process.stdin is not None
    process.stdin.write(settings.model_dump_json().encode() + b"\n")
    process.stdin.flush()
    return process


def _stop(child: subprocess.Popen[bytes]) -> None:
    """End a retraining, which hands its job back to wait for the next worker."""
    child.terminate()
    try:
        child.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    assert child.stdin is not None
    child.stdin.close()

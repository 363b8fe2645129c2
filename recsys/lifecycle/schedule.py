"""Starts the retrainings that were asked for or are due, each in a process of its own, and says how they ended."""

import logging
import subprocess
import threading
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from recsys.database import jobs, models
from recsys.database.jobs import RETRAIN
from recsys.database.session import Sessions, writing
from recsys.domain import RecsysError, Timestamp
from recsys.lifecycle import child
from recsys.lifecycle.jobs import fail_killed
from recsys.settings import Settings

log = logging.getLogger(__name__)

JOBS = "recsys.lifecycle.jobs"
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
    running: subprocess.Popen[bytes] | None = None  # ends when this process does, however that ends
    dead, failures = 0, 0  # one after the other; a process that ends before it took its job would be started for ever
    while not stop.wait(min(EVERY * 2 ** max(dead, failures), LONGEST_PAUSE)):
        try:
            if running is not None and running.poll() is not None:
                dead = min(dead + 1, MOST_FAILURES) if running.returncode else 0
                running = None
            elif running is None:
                fail_killed(sessions)
                running = child.start(JOBS, settings, ONE_THREAD) if _wanted(sessions, settings) else None
            failures = 0
        except (RecsysError, SQLAlchemyError, OSError) as error:
            failures = min(failures + 1, MOST_FAILURES)
            log.warning("jobs could not be looked for, trying again: %s", error)
    if running is not None:
        child.stop(running, PATIENCE)  # it hands its job back, to wait for the next worker


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

"""Runs a retraining as a job: held by heartbeats, with its progress told, in this process or in one of its own.

``python -m recsys.lifecycle.jobs`` is such a process; the worker starts it, see ``recsys.lifecycle.child``.
"""

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from recsys.database import jobs
from recsys.database.jobs import RETRAIN
from recsys.database.session import Sessions, open_sessions, writing
from recsys.domain import RecsysError, Timestamp
from recsys.lifecycle import child
from recsys.lifecycle.retrain import Retrained, retrain
from recsys.processes import is_alive
from recsys.progress import StageProgress, untold
from recsys.settings import Settings

log = logging.getLogger("recsys.lifecycle.jobs")  # also where it runs as __main__

BEAT = 1.0  # seconds between two heartbeats
NICENESS = 5  # beyond the worker's own
STOPPED = "It was stopped by hand."
KILLED = "Its process {owner} was killed, or could not write why it ended: ask again."


class Lease:
    """A job that this process runs; a thread of its own sends heartbeats."""

    def __init__(self, sessions: Sessions, job_id: str) -> None:
        self.sessions, self.job_id, self.owner = sessions, job_id, this_process()
        self._progress: dict[str, Any] | None = None
        self._lost: jobs.LostError | None = None
        self._over = threading.Event()

    def report(self, stage: str, done: int, total: int) -> None:
        """Note how far the work is.

        Raises:
            LostError: when the job was taken from this process meanwhile.
        """
        self._progress = {"stage": stage, "done": done, "total": total}
        if self._lost is not None:
            raise self._lost

    def finish(self, session: Session, done: Retrained) -> None:
        """End the job in the transaction that changes what is live, so that a kill leaves both or neither.

        Raises:
            LostError: when the job is not this process's any more, which must then change nothing.
        """
        jobs.finish(session, self.job_id, self.owner, jobs.clock(session), asdict(done))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Send heartbeats meanwhile."""
        thread = threading.Thread(target=self._beat, name="recsys-lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _beat(self) -> None:
        while not self._over.wait(BEAT):
            try:
                with writing(self.sessions) as session:
                    jobs.hear(session, self.job_id, self.owner, jobs.clock(session), self._progress)
            except jobs.LostError as error:
                self._lost = error
                return
            except (RecsysError, SQLAlchemyError) as error:  # busy or away: the lease lasts for many beats
                log.warning("no heartbeat could be sent: %s", error)


def retrain_now(
    sessions: Sessions,
    settings: Settings,
    *,
    seed: int = 0,
    warm: bool = True,
    report: StageProgress = untold,
) -> Retrained:
    """Retrain in this process, as a job that nobody else may run meanwhile.

    Raises:
        OneRunsError: when a retraining runs already, here or on another machine.
        RecsysError: see ``retrain``; the job says so too.
    """
    fail_killed(sessions)
    done = _run(sessions, settings, jobs.begin, STOPPED, seed=seed, warm=warm, report=report)
    assert done is not None  # ``begin`` gives a job, or raises
    return done


def main() -> None:
    """Run the retraining that waits, if one does and nobody else was faster."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        settings = child.begin(at_end_of_input=lambda: os.kill(os.getpid(), signal.SIGTERM))
        os.nice(NICENESS)
        sessions = open_sessions(settings)
        done = _run(sessions, settings.model_copy(update={"threads": 1}), jobs.take, None)
        if done is not None:
            log.info("%s", done.sentence)
    except RecsysError as error:
        log.error("the retraining failed: %s", error)  # noqa: TRY400 - the sentence says it all
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGTERM)


def fail_killed(sessions: Sessions) -> None:
    """Mark a job as failed whose process, on this machine, is no more."""
    with sessions() as session:
        job = jobs.running(session, RETRAIN)
    if job is None or job.owner is None or not _dead(job.owner):
        return
    with suppress(jobs.LostError), writing(sessions) as session:
        jobs.finish(session, job.job_id, job.owner, jobs.clock(session), KILLED.format(owner=job.owner))
        log.warning("job %s failed: its process %s was killed", job.job_id, job.owner)


def this_process() -> str:
    """The owner of what this process runs: its host and number."""
    return f"{_host()}:{os.getpid()}"


def _run(
    sessions: Sessions,
    settings: Settings,
    obtain: Callable[[Session, str, str, Timestamp], str | None],
    stopped: str | None,
    *,
    seed: int = 0,
    warm: bool = True,
    report: StageProgress = untold,
) -> Retrained | None:
    """Retrain as the job that ``obtain`` gives, if any; one that is interrupted ends as ``stopped``, see ``_end``."""
    try:
        with writing(sessions) as session:
            job_id = obtain(session, RETRAIN, this_process(), jobs.clock(session))
        return None if job_id is None else _held(Lease(sessions, job_id), settings, seed, warm, report)
    except KeyboardInterrupt:  # wherever: a job that was taken but this instant must not wait for its lease to end
        _end(sessions, stopped)
        raise


def _held(lease: Lease, settings: Settings, seed: int, warm: bool, report: StageProgress) -> Retrained:
    """Retrain under a lease, and write why where it fails."""

    def tell(stage: str, done: int, total: int) -> None:
        lease.report(stage, done, total)
        report(stage, done, total)

    try:
        with lease.held():
            return retrain(lease.sessions, settings, seed=seed, warm=warm, report=tell, finish=lease.finish)
    except Exception as error:
        _end(lease.sessions, str(error) if isinstance(error, RecsysError) else f"{type(error).__name__}: {error}")
        raise


def _end(sessions: Sessions, why: str | None) -> None:
    """Write why this process's job failed, or (None) let it wait for another process; nothing where it has none."""
    try:
        with writing(sessions) as session:
            job = jobs.running(session, RETRAIN)
            if job is None or job.owner != this_process():
                return
            if why is None:
                jobs.hand_back(session, job.job_id, job.owner)
            else:
                jobs.finish(session, job.job_id, job.owner, jobs.clock(session), why)
    except (RecsysError, SQLAlchemyError) as error:  # the database is busy or away: the lease ends by itself
        log.warning("the end of the job could not be written: %s", error)


def _host() -> str:
    """Where this process's number means something: containers that share a name count their processes apart."""
    with suppress(OSError):
        number = Path("/proc/self/ns/pid").readlink().name.strip("pid:[]")
        return f"{socket.gethostname()}/{number}"
    return socket.gethostname()


def _dead(owner: str) -> bool:
    host, _, number = owner.rpartition(":")
    return host == _host() and not is_alive(int(number))


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: what is cleared away now must not be interrupted
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()

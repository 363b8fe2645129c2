"""Work that runs in a process of its own, one of a kind at a time: asked for, taken, heard of, and ended.

Who runs a job holds it by heartbeats. A job that is silent for longer than ``LEASE`` is abandoned: whoever wants the
next one marks it as failed, and another may run. Times are those of ``clock``.
"""

import secrets
import time
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from recsys.database.bulk import one_at_a_time
from recsys.database.tables import JobRow
from recsys.domain import NotKnownError, NotPossibleError, RecsysError, Timestamp

RETRAIN = "retrain"  # the kind there is
LEASE = 60.0  # seconds without a heartbeat
WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"
ABANDONED = "Its process ({owner}) sent no heartbeat for {silence:.0f} seconds: ask again."


class OneRunsError(NotPossibleError):
    """Another job of that kind waits or runs."""

    def __init__(self, job: JobRow) -> None:
        state = f"is running on {job.owner}" if job.status == RUNNING else "is waiting for a worker"
        super().__init__(f"One {job.kind} at a time: job {job.job_id} {state}.")
        self.job_id = job.job_id


class LostError(RecsysError):
    """A job went on without heartbeats until it counted as abandoned, or was taken from its process."""


def clock(session: Session) -> Timestamp:
    """The time that all machines which share the database agree on: its own, or this machine's where it has none."""
    if session.get_bind().dialect.name == "postgresql":
        return float(session.scalar(select(func.extract("epoch", func.clock_timestamp()))) or 0.0)
    return time.time()


def ask(session: Session, kind: str, at: Timestamp) -> str:
    """Have a worker run a job, and return its id.

    Raises:
        OneRunsError: when one of that kind waits or runs already.
    """
    job = _free(session, kind, at)
    if job is not None:
        raise OneRunsError(job)
    return _add(session, kind, at).job_id


def take(session: Session, kind: str, owner: str, at: Timestamp) -> str | None:
    """Take the job that waits, for a process to run; None when none waits, or one runs already."""
    job = _free(session, kind, at)
    return None if job is None or job.status == RUNNING else _begin(job, owner, at)


def begin(session: Session, kind: str, owner: str, at: Timestamp) -> str:
    """Take the job that waits, or a new one.

    Raises:
        OneRunsError: when one of that kind runs.
    """
    job = _free(session, kind, at) or _add(session, kind, at)
    if job.status == RUNNING:
        raise OneRunsError(job)
    return _begin(job, owner, at)


def hear(session: Session, job_id: str, owner: str, at: Timestamp, progress: dict[str, Any] | None = None) -> None:
    """Note a heartbeat of a job's owner, and how far it has come.

    Raises:
        LostError: when the job is not the owner's any more; it must not change anything then.
    """
    job = _owned(session, job_id, owner)
    job.heard_at = at
    if progress is not None:
        job.progress = progress


def finish(session: Session, job_id: str, owner: str, at: Timestamp, result: dict[str, Any] | str) -> None:
    """End a job with its result, or with the sentence that says why it failed.

    Raises:
        LostError: when the job is not the owner's any more.
    """
    job = _owned(session, job_id, owner)
    job.finished_at = at
    if isinstance(result, str):
        job.status, job.error = FAILED, result
    else:
        job.status, job.result = DONE, result


def hand_back(session: Session, job_id: str, owner: str) -> None:
    """Let a job wait for another process, since its own was told to stop.

    Raises:
        LostError: when the job is not the owner's any more.
    """
    job = _owned(session, job_id, owner)
    job.status, job.owner, job.started_at, job.heard_at, job.progress = WAITING, None, None, None, None


def running(session: Session, kind: str) -> JobRow | None:
    """The job of a kind that runs, or is believed to."""
    return session.scalar(select(JobRow).where(JobRow.kind == kind, JobRow.status == RUNNING))


def get(session: Session, job_id: str) -> JobRow:
    """A job.

    Raises:
        NotKnownError: when there is none of that id.
    """
    job = session.get(JobRow, job_id)
    if job is None:
        raise NotKnownError(f"There is no job {job_id!r}.")
    return job


def newest(session: Session, limit: int, kind: str | None = None) -> list[JobRow]:
    """The jobs asked for last, the newest first."""
    of_kind = select(JobRow).where(JobRow.kind == kind) if kind else select(JobRow)
    return list(session.scalars(of_kind.order_by(JobRow.created_at.desc(), JobRow.job_id).limit(limit)))


def waits(session: Session, kind: str, at: Timestamp) -> bool:
    """Whether a job waits and may be taken; reads only, so that a worker may look often."""
    job = _unfinished(session, kind)
    return job is not None and (job.status == WAITING or abandoned(job, at) is not None)


def abandoned(job: JobRow, at: Timestamp) -> str | None:
    """Why a job that is listed as running failed; None for one that is alive, or does not run."""
    silence = at - max(job.heard_at or 0.0, job.started_at or 0.0)
    if job.status != RUNNING or silence <= LEASE:
        return None
    return ABANDONED.format(owner=job.owner, silence=silence)


def _free(session: Session, kind: str, at: Timestamp) -> JobRow | None:
    """The job of a kind that waits or runs, after one that was abandoned is marked so. Others wait meanwhile."""
    one_at_a_time(session, f"jobs {kind}")
    job = _unfinished(session, kind, locked=True)
    if job is not None and (why := abandoned(job, at)):
        job.status, job.finished_at, job.error = FAILED, at, why
        session.flush()
        job = _unfinished(session, kind, locked=True)
    return job


def _unfinished(session: Session, kind: str, *, locked: bool = False) -> JobRow | None:
    """The one that runs, else the one that waits; ``locked`` against a heartbeat at this very moment."""
    rows = select(JobRow).where(JobRow.kind == kind, JobRow.status.in_((WAITING, RUNNING)))
    rows = rows.order_by(JobRow.status, JobRow.created_at).limit(1)  # "running" < "waiting"
    return session.scalar(rows.with_for_update() if locked else rows)


def _add(session: Session, kind: str, at: Timestamp) -> JobRow:
    job = JobRow(job_id=f"{kind}-{secrets.token_hex(6)}", kind=kind, status=WAITING, created_at=at)
    session.add(job)
    session.flush()
    return job


def _begin(job: JobRow, owner: str, at: Timestamp) -> str:
    job.status, job.owner, job.started_at, job.heard_at = RUNNING, owner, at, at
    return job.job_id


def _owned(session: Session, job_id: str, owner: str) -> JobRow:
    job = session.get(JobRow, job_id, populate_existing=True, with_for_update=True)
    if job is None or job.status != RUNNING or job.owner != owner:
        raise LostError(f"Job {job_id} is not run by {owner} any more: nothing was changed.")
    return job

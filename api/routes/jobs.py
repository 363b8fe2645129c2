"""Retraining as a job: asked for here, run by the worker, looked at here."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from api.deps import WRITES, SessionsDep, SettingsDep
from api.fields import PathId, instant
from api.paths import path_to
from api.problems import MEDIA_TYPE, Problem, documented, without_paths
from api.routes.models import finite
from api.security import needs
from recsys.database import jobs
from recsys.database.jobs import RETRAIN
from recsys.database.session import writing
from recsys.database.tables import JobRow
from recsys.domain import Timestamp
from recsys.settings import Settings

MOST_JOBS = 100  # of one answer

router = APIRouter()


class JobAskedOut(BaseModel):
    """A job that a worker will run."""

    job_id: str
    status: str


class JobRunsProblem(Problem):
    """Another job waits or runs; this is its id."""

    job_id: str


class JobOut(BaseModel):
    """A job: how far it is, and what came of it."""

    job_id: str
    kind: str
    status: str = Field(description="waiting, running, done or failed")
    created_at: datetime
    started_at: datetime | None
    heard_at: datetime | None = Field(description="the last heartbeat")
    finished_at: datetime | None
    owner: str | None = Field(description="host and process that run it")
    progress: dict[str, Any] | None = Field(description="stage, and how many of how many parts of it are done")
    result: dict[str, Any] | None = Field(description="of a retraining: version, promoted, why and metrics")
    error: str | None


class JobsOut(BaseModel):
    """The jobs asked for last, the newest first."""

    jobs: list[JobOut]


@router.post(
    "/retrain",
    status_code=202,
    responses={
        409: {
            "description": "One waits or runs already",
            "content": {MEDIA_TYPE: {"schema": JobRunsProblem.model_json_schema()}},
        }
    },
    response_model=JobAskedOut,
    dependencies=[needs("admin"), WRITES],
)
def retrain(sessions: SessionsDep, request: Request, response: Response) -> JobAskedOut | Response:
    """Have the worker retrain; the job, which `Location` names, says what came of it."""
    try:
        with writing(sessions) as session:
            job_id = jobs.ask(session, RETRAIN, jobs.clock(session))
        response.headers["Location"] = path_to(request, "get_job", job_id=job_id)
        return JobAskedOut(job_id=job_id, status=jobs.WAITING)
    except jobs.OneRunsError as error:
        problem = JobRunsProblem(title="Conflict", status=409, detail=str(error), job_id=error.job_id)
        return Response(problem.model_dump_json(exclude_none=True), 409, media_type=MEDIA_TYPE)


@router.get("/jobs", dependencies=[needs("admin")])
def list_jobs(
    sessions: SessionsDep, settings: SettingsDep, limit: Annotated[int, Query(ge=1, le=MOST_JOBS)] = 20
) -> JobsOut:
    """The jobs asked for last, the newest first."""
    with sessions() as session:
        now = jobs.clock(session)
        return JobsOut(jobs=[_out(job, now, settings) for job in jobs.newest(session, limit)])


@router.get("/jobs/{job_id}", responses=documented(404), dependencies=[needs("admin")])
def get_job(job_id: PathId, sessions: SessionsDep, settings: SettingsDep) -> JobOut:
    """A job: its status, progress, and result or error."""
    with sessions() as session:
        return _out(jobs.get(session, job_id), jobs.clock(session), settings)


def _out(job: JobRow, now: Timestamp, settings: Settings) -> JobOut:
    """A job as it is; nobody may be there to write that one which is silent has failed."""
    silent = jobs.abandoned(job, now)
    why = silent or job.error
    return JobOut(
        job_id=job.job_id,
        kind=job.kind,
        status=jobs.FAILED if silent else job.status,
        created_at=instant(job.created_at),
        started_at=_instant(job.started_at),
        heard_at=_instant(job.heard_at),
        finished_at=_instant(job.finished_at),
        owner=job.owner,
        progress=job.progress,
        result=finite(job.result),
        error=None if why is None else without_paths(why, settings),
    )


def _instant(at: Timestamp | None) -> datetime | None:
    return None if at is None else instant(at)

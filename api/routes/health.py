"""Whether the process is alive, and whether it is ready to recommend."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.deps import LiveDep, SettingsDep
from api.problems import documented, without_paths
from recsys.domain import NotReadyError

router = APIRouter()

BEHIND = 5.0  # seconds without a look at the log's end: it is looked for four times a second


class HealthOut(BaseModel):
    """The process is alive, or ready."""

    status: str
    model_version: str | None = None
    degraded: Literal[True] | None = Field(None, description="only there while the database does not answer")
    trouble: str | None = Field(None, description="why this process does not serve what was promoted; else not there")
    behind: float | None = Field(
        None, description="seconds since the log was last read to its end; only there from 5 s on"
    )


@router.get("/healthz", response_model_exclude_none=True)
async def alive() -> HealthOut:
    """Answers as long as the process does."""
    return HealthOut(status="alive")


@router.get("/readyz", response_model_exclude_none=True, responses=documented(503))
async def ready(live: LiveDep, settings: SettingsDep) -> HealthOut:
    """Answers 200 once a model is live and the log has been read; else 503 with the reason.

    It stays 200 when the database is away or slow, or the log is folded anew, and says so: the process answers from
    what it knows, and a balancer that took it away would mostly take away all processes at once.
    """
    if live.model is None:
        raise NotReadyError(live.trouble or "No model is live yet: run `recsys train`, or promote a version.")
    if not live.caught_up:
        raise NotReadyError("The log is still being read: wait a moment.")
    return HealthOut(
        status="ready",
        model_version=live.model.version,
        degraded=True if live.database.is_open else None,
        trouble=None if live.trouble is None else without_paths(live.trouble, settings),
        behind=round(live.waited, 1) if live.waited > BEHIND else None,
    )

"""Whether the process is alive, and whether it is ready to recommend."""

from fastapi import APIRouter

from api.deps import LiveDep
from api.problems import documented
from api.schemas import HealthOut
from recsys.domain import NotReadyError

router = APIRouter()


@router.get("/healthz", response_model_exclude_none=True)
async def alive() -> HealthOut:
    """Answers as long as the process does."""
    return HealthOut(status="alive")


@router.get("/readyz", response_model_exclude_none=True, responses=documented(503))
async def ready(live: LiveDep) -> HealthOut:
    """Answers 200 once a model is live and the log has been read; else 503 with the reason.

    A process goes on without the database, and says so.
    """
    if live.model is None:
        raise NotReadyError(live.trouble or "No model is live yet: run `recsys train`, or promote a version.")
    if not live.caught_up:
        raise NotReadyError("The log is still being read: wait a moment.")
    return HealthOut(status="ready", model_version=live.model.version, degraded=True if live.database.is_open else None)

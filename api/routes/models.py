"""Model versions: which there are, how good they are, and which one answers."""

from math import isfinite
from typing import Any

from fastapi import APIRouter

from api.deps import SessionsDep, SettingsDep
from api.fields import PathId
from api.problems import documented
from api.schemas import LiveOut, ModelOut, ModelsOut
from recsys.database import models
from recsys.database.tables import ModelVersionRow
from recsys.domain import NotKnownError, NotPossibleError, NotReadyError, RecsysError
from recsys.lifecycle import train, versions

router = APIRouter(prefix="/models")


@router.get("")
def list_models(sessions: SessionsDep) -> ModelsOut:
    """All versions, oldest first, with their metrics."""
    with sessions() as session:
        live, rows = models.live_version(session), models.versions(session)
    return ModelsOut(live=live, versions=[_out(row, live) for row in rows])


@router.post("/rollback", responses=documented(409))
def rollback(sessions: SessionsDep, settings: SettingsDep) -> LiveOut:
    """Go back to the version that was live before; every process serves it within a second."""
    return LiveOut(live=versions.rollback(sessions, settings))


@router.post("/{version}/promote", responses=documented(404, 409))
def promote(version: PathId, sessions: SessionsDep, settings: SettingsDep) -> LiveOut:
    """Make a version live, if its files are whole; every process serves it within a second."""
    try:
        train.promote(sessions, settings, version)
    except (NotKnownError, NotReadyError):
        raise
    except RecsysError as error:
        raise NotPossibleError(str(error)) from error
    return LiveOut(live=version)


def _out(row: ModelVersionRow, live: str | None) -> ModelOut:
    return ModelOut.model_validate({**_finite(versions.describe(row)), "live": row.version == live})


def _finite(value: Any) -> Any:
    """Metrics for JSON, which has no NaN: a figure that does not exist is null."""
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not isfinite(value) else value

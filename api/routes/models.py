"""Model versions: which there are, how good they are, and which one answers."""

from datetime import datetime
from math import isfinite
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.deps import WRITES, SessionsDep, SettingsDep
from api.fields import PathId, instant
from api.problems import conflicts, documented
from api.security import WhoDep, needs
from recsys.database import models
from recsys.database.tables import ModelVersionRow
from recsys.evaluation import traffic
from recsys.lifecycle import versions

router = APIRouter(prefix="/models")


class TrafficOut(BaseModel):
    """What readers made of the lists of a version; robots, and lists that nobody confirmed as seen, are left out."""

    users: int
    impressions: int = Field(description="lists that were seen")
    clicked: int = Field(description="of these, lists in which something was opened")
    clicks: int = Field(description="articles that were opened in them")
    ctr: float | None = Field(description="clicked / impressions")
    confidence: tuple[float, float] | None = Field(description="95% interval of the CTR, with users as units")


class ComparisonOut(BaseModel):
    """The experiment that runs: two versions on the traffic since it began."""

    version: str
    live: str
    share: float = Field(description="of the users that get the version")
    since: datetime = Field(description="when the share was set, or the live version went live if that was later")
    traffic: dict[str, TrafficOut] = Field(description="of both versions, since then")
    difference: float | None = Field(description="CTR of the version less that of the live one")
    confidence: tuple[float, float] | None = Field(description="95% interval of the difference")
    p_value: float | None = Field(description="two-sided, over users")
    significant: bool | None = Field(description="p_value below 0.05; null while too little was seen to say")


class ModelOut(BaseModel):
    """One model version."""

    version: str
    live: bool
    status: str = Field(description="candidate, promoted or rejected")
    reason: str | None
    created_at: datetime
    since: datetime | None = Field(description="begin of the log that it was trained on")
    until: datetime | None = Field(description="end of the log that it was trained on")
    metrics: dict[str, Any]
    traffic: TrafficOut


class ModelsOut(BaseModel):
    """All model versions, oldest first."""

    live: str | None
    experiment: ComparisonOut | None = Field(description="null where none runs")
    versions: list[ModelOut]


class LiveOut(BaseModel):
    """Which version is live now."""

    live: str


@router.get("", dependencies=[needs("read")])
def list_models(sessions: SessionsDep, settings: SettingsDep) -> ModelsOut:
    """All versions, oldest first, with their metrics and what readers made of their lists."""
    limit = settings.robot_clicks_per_hour
    with sessions() as session:
        live, rows = models.live_version(session), models.versions(session)
        seen, running = traffic.traffic(session, robot_limit=limit), traffic.comparison(session, robot_limit=limit)
    listed = [_out(row, live, seen.get(row.version, traffic.NOTHING)) for row in rows]
    return ModelsOut(live=live, experiment=None if running is None else _comparison(running), versions=listed)


@router.post("/rollback", responses=documented(409), dependencies=[needs("admin"), WRITES])
def rollback(sessions: SessionsDep, settings: SettingsDep, who: WhoDep) -> LiveOut:
    """Go back to the version that was live before; every process serves it within a second."""
    return LiveOut(live=versions.rollback(sessions, settings, who=who))


@router.post("/{version}/promote", responses=documented(404, 409), dependencies=[needs("admin"), WRITES])
def promote(version: PathId, sessions: SessionsDep, settings: SettingsDep, who: WhoDep) -> LiveOut:
    """Make a version live, if its files are whole; every process serves it within a second."""
    with conflicts():
        versions.promote(sessions, settings, version, who=who)
    return LiveOut(live=version)


def _out(row: ModelVersionRow, live: str | None, seen: dict[str, Any]) -> ModelOut:
    described = finite(versions.describe(row))
    return ModelOut.model_validate({**described, "live": row.version == live, "traffic": seen})


def _comparison(running: traffic.Comparison) -> ComparisonOut:
    return ComparisonOut.model_validate({**vars(running), "since": instant(running.since)})


def finite(value: Any) -> Any:
    """Metrics for JSON, which has no NaN: a figure that does not exist is null."""
    if isinstance(value, dict):
        return {name: finite(part) for name, part in value.items()}
    if isinstance(value, list):
        return [finite(part) for part in value]
    return None if isinstance(value, float) and not isfinite(value) else value

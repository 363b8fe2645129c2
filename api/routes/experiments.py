"""The experiment: a second version that answers a share of the users beside the live one."""

import time
from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from api.deps import WRITES, LiveDep, SessionsDep, SettingsDep
from api.fields import Id, instant
from api.problems import conflicts, documented, without_paths
from api.security import WhoDep, needs
from recsys.database import experiments, models
from recsys.database.session import writing
from recsys.lifecycle.loading import check_version
from recsys.serving import experiment
from recsys.serving.live import Live
from recsys.settings import Settings

router = APIRouter(prefix="/experiment", dependencies=[needs("admin")])


class ExperimentIn(BaseModel):
    """Which version is tried, on how many."""

    model_config = ConfigDict(extra="forbid")

    version: Id
    share: float = Field(gt=0, le=1, description="of the users; whoever has the version keeps it while this only grows")


class ExperimentOut(BaseModel):
    """What is tried now, and whether this process serves it."""

    version: str | None = Field(description="null where everybody gets the live version")
    share: float = Field(description="of the users")
    since: datetime | None = Field(description="when the share was set: its figures begin then")
    from_setting: bool = Field(description="whether RECSYS_EXPERIMENT says so; then only that changes it")
    trouble: str | None = Field(description="why everybody gets the live version all the same")


@router.get("")
def get_experiment(sessions: SessionsDep, settings: SettingsDep, live: LiveDep) -> ExperimentOut:
    """The experiment that runs; its figures stand in `GET /v1/models`."""
    with sessions() as session:
        return _out(session, settings, live)


@router.put("", responses=documented(404, 409), dependencies=[WRITES])
def put_experiment(
    body: ExperimentIn, sessions: SessionsDep, settings: SettingsDep, live: LiveDep, who: WhoDep
) -> ExperimentOut:
    """Give a version a share of the users, if its files are whole and of the encoders that the settings name.

    Every process serves it within a second. The same again changes nothing; another share begins the figures anew.
    """
    experiment.check_free(settings)
    with sessions() as session:
        models.get_version(session, body.version)
    with conflicts():
        check_version(settings, body.version)
    with writing(sessions) as session:
        experiments.start(session, body.version, body.share, at=time.time(), who=who)
    live.follow_versions()
    with sessions() as session:
        return _out(session, settings, live)


@router.delete("", status_code=204, responses=documented(404, 409), dependencies=[WRITES])
def end_experiment(sessions: SessionsDep, settings: SettingsDep, who: WhoDep) -> None:
    """Everybody gets the live version again, within a second."""
    experiment.check_free(settings)
    with writing(sessions) as session:
        experiments.end(session, at=time.time(), who=who)


def _out(session: Session, settings: Settings, live: Live) -> ExperimentOut:
    running = experiments.running(session)
    trouble = experiment.trouble(settings, live, running)
    return ExperimentOut(
        version=None if running is None else running.version,
        share=0.0 if running is None else running.share,
        since=None if running is None else instant(running.since),
        from_setting=experiments.is_from_setting(session),
        trouble=None if trouble is None else without_paths(trouble, settings),
    )

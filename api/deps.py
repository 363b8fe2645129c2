"""What routes depend on, as annotated types."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from recsys.database.session import Sessions
from recsys.serving.live import Live
from recsys.serving.recommender import Recommender
from recsys.settings import Settings


@dataclass(frozen=True)
class Running:
    """What lives as long as the application."""

    settings: Settings
    sessions: Sessions
    live: Live
    recommender: Recommender


def _running(request: Request) -> Running:
    return cast(Running, request.app.state.running)


RunningDep = Annotated[Running, Depends(_running)]


def _settings(running: RunningDep) -> Settings:
    return running.settings


def _sessions(running: RunningDep) -> Sessions:
    return running.sessions


def _live(running: RunningDep) -> Live:
    return running.live


def _recommender(running: RunningDep) -> Recommender:
    return running.recommender


SettingsDep = Annotated[Settings, Depends(_settings)]
SessionsDep = Annotated[Sessions, Depends(_sessions)]
LiveDep = Annotated[Live, Depends(_live)]
RecommenderDep = Annotated[Recommender, Depends(_recommender)]

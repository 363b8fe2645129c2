"""What routes depend on, as annotated types.

What only hands something on is ``async``: FastAPI would hand other functions to a thread each time.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from api.admission import Admission
from api.keyring import Keyring
from api.searches import Searches
from recsys.database.session import Sessions
from recsys.serving.live import Live
from recsys.serving.recommender import Recommender
from recsys.serving.watch import Watch
from recsys.settings import Settings


@dataclass(frozen=True)
class Running:
    """What lives as long as the application."""

    settings: Settings
    sessions: Sessions
    live: Live
    recommender: Recommender
    keyring: Keyring
    watch: Watch
    admission: Admission
    writers: Admission
    searches: Searches


async def _running(request: Request) -> Running:
    return cast(Running, request.app.state.running)


RunningDep = Annotated[Running, Depends(_running)]


async def _settings(running: RunningDep) -> Settings:
    return running.settings


async def _sessions(running: RunningDep) -> Sessions:
    return running.sessions


async def _live(running: RunningDep) -> Live:
    return running.live


async def _recommender(running: RunningDep) -> Recommender:
    return running.recommender


async def _admitted(running: RunningDep) -> AsyncIterator[None]:
    async with running.admission.admitted():
        yield


async def _writing(running: RunningDep) -> AsyncIterator[None]:
    async with running.writers.admitted():
        yield


def _settled(running: RunningDep) -> None:
    running.recommender.served.flush()


SettingsDep = Annotated[Settings, Depends(_settings)]
SessionsDep = Annotated[Sessions, Depends(_sessions)]
LiveDep = Annotated[Live, Depends(_live)]
RecommenderDep = Annotated[Recommender, Depends(_recommender)]
ADMITTED = Depends(_admitted)  # of routes that take the processor; until the answer is sent, which takes it too
WRITES = Depends(_writing)  # of routes that write to the database, which may be locked
SETTLED = Depends(_settled)  # of routes that must know what this process answered a moment ago

"""Makes the FastAPI application: its routes, and what runs while it is up."""

import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from api import problems
from api.deps import Running
from api.paths import RawPath
from api.routes import articles, events, health, models, recommendations, similar, users
from recsys import __version__
from recsys.database.session import open_sessions
from recsys.domain import RecsysError
from recsys.encoders import expected_ids
from recsys.serving.live import Live
from recsys.serving.recommender import Recommender
from recsys.settings import Settings

log = logging.getLogger(__name__)

DESCRIPTION = "News recommendations from click logs, headlines and pictures."


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application on the database that the settings name; it starts without a model, too.

    Raises RecsysError at start when the database has no up-to-date schema.
    """
    app = FastAPI(title="recsys", version=__version__, description=DESCRIPTION, lifespan=_lifespan)
    app.state.settings = settings or Settings()
    app.add_middleware(RawPath)
    problems.install(app)
    app.include_router(health.router, tags=["health"])
    for resource in (recommendations, events, articles, similar, users, models):
        name = resource.__name__.rpartition(".")[2]
        app.include_router(resource.router, prefix="/v1", tags=[name], responses=problems.documented(422, 503))
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    sessions = open_sessions(settings)
    live = Live(sessions, settings, expected_ids(settings), until=time.time())
    recommender = Recommender(sessions, settings, live)
    _warm_up(recommender)
    live.start()
    app.state.running = Running(settings, sessions, live, recommender)
    yield
    live.stop()
    sessions.kw["bind"].dispose()


def _warm_up(recommender: Recommender) -> None:
    """Answer once, so that no reader waits for code that is compiled at its first use."""
    try:
        recommender.recommend("", limit=1, log=False)
    except RecsysError as error:
        log.warning("recommendations are not ready: %s", error)

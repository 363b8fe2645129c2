"""Makes the FastAPI application: its routes, and what runs while it is up."""

import logging
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from api import problems
from api.admission import Admission
from api.deps import Running
from api.keyring import Keyring
from api.limits import Limits
from api.memory import settle_memory, share_arenas
from api.orphans import end_with_parent
from api.paths import HeadAsGet, RawPath
from api.requests import Requests, Routed
from api.routes import (
    articles,
    audit,
    data,
    events,
    experiments,
    health,
    jobs,
    metrics,
    models,
    pages,
    recommendations,
    rules,
    search,
    similar,
    users,
)
from api.searches import Searches
from api.security import Access
from recsys import __version__
from recsys.database.session import BUSY, open_sessions
from recsys.domain import RecsysError
from recsys.encoders import expected_ids
from recsys.serving.experiment import apply_setting
from recsys.serving.live import Live
from recsys.serving.recommender import Recommender
from recsys.serving.watch import Watch
from recsys.settings import Settings

log = logging.getLogger(__name__)

ANYWHERE = (408, 413, 414)  # statuses of problems that every route may answer
COMMON = (401, 403, *ANYWHERE, 422, 503)  # and those below /v1
RESOURCES = (recommendations, events, articles, similar, search, users, models, audit, rules, jobs, experiments, data)
WRITERS = 8  # requests that write at once: SQLite has one writer, and each that waits for it holds one of 40 threads
SWITCH = 0.0001  # seconds until a thread lets others have the interpreter, for which an answer comes back often
DESCRIPTION = "News recommendations from click logs, headlines and pictures."


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application on the database that the settings name; it starts without a model, too.

    Raises RecsysError at start when the database has no up-to-date schema.
    """
    app = FastAPIOffline(
        title="recsys", version=__version__, description=DESCRIPTION, lifespan=_lifespan, redoc_url=None
    )
    app.state.settings = settings or Settings()
    app.add_middleware(Routed)  # the innermost
    app.add_middleware(RawPath)
    app.add_middleware(HeadAsGet)
    app.add_middleware(Limits)
    app.add_middleware(Access)
    app.add_middleware(Requests)  # the outermost: refusals are noted too
    problems.install(app)
    for resource in (health, metrics):
        app.include_router(resource.router, tags=["health"], responses=problems.documented(*ANYWHERE))
    app.include_router(pages.router)
    app.mount("/assets", pages.assets)
    for resource in RESOURCES:
        name = resource.__name__.rpartition(".")[2]
        app.include_router(resource.router, prefix="/v1", tags=[name], responses=problems.documented(*COMMON))
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    sys.setswitchinterval(SWITCH)
    end_with_parent()
    share_arenas()
    sessions = open_sessions(settings)
    apply_setting(sessions, settings)
    live = Live(sessions, settings, expected_ids(settings), until=time.time())
    recommender = Recommender(sessions, settings, live)
    _warm_up(recommender)
    settle_memory()
    live.start()
    recommender.served.start()
    keyring = Keyring(sessions)
    keyring.start()
    watch = Watch(sessions, live, recommender.recent)
    watch.start()
    app.state.running = Running(
        settings,
        sessions,
        live,
        recommender,
        keyring,
        watch,
        admission=Admission(settings.answers_at_once, settings.most_waiting),
        writers=Admission(WRITERS, settings.most_waiting, BUSY),
        searches=Searches(settings),
    )
    yield
    recommender.served.stop()
    watch.stop()
    keyring.stop()
    live.stop()
    sessions.kw["bind"].dispose()


def _warm_up(recommender: Recommender) -> None:
    """Answer once, so that no reader waits for code that is compiled at its first use."""
    try:
        recommender.recommend("", limit=1, log=False)
    except RecsysError as error:
        log.warning("recommendations are not ready: %s", error)

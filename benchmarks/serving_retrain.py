"""Answers while a retraining runs: requests at a fixed rate before it, and in its first minutes."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from serving_fresh import Client
from serving_load import at_rate
from serving_server import Server
from sqlalchemy import delete

from recsys.database.session import open_sessions, writing
from recsys.database.tables import JobRow
from recsys.domain import RecsysError
from recsys.settings import Settings

Figures = dict[str, Any]
CALM, BUSY = "HTTP, a quarter of the peak", "HTTP, a quarter of the peak, while it retrains"
PATIENCE = 60.0  # seconds until a job that nobody began counts as lost
STARTED = 5.0  # seconds that the job's process is given to load its libraries


def rows(
    server: Server, users: int, rate: float, seconds: float, runs: int, median: Callable[[list[Figures]], Figures]
) -> Iterator[Figures]:
    """Answers at a rate without and with a retraining; of the latter only runs that ended before it did.

    Raises:
        RecsysError: when the retraining does not begin, or is over too soon.
    """
    yield {"name": CALM} | median([at_rate(server.port, users, rate, seconds) for _ in range(runs)])
    client = Client(server)
    job = f"/v1/jobs/{client.ask('POST', '/v1/retrain')['job_id']}"
    until = time.monotonic() + PATIENCE
    while client.ask("GET", job)["status"] == "waiting" and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(STARTED)
    busy = []
    for _ in range(runs):
        run = at_rate(server.port, users, rate, seconds)
        if client.ask("GET", job)["status"] == "running":
            busy.append(run)
    if not busy:
        raise RecsysError("The retraining was over before anything could be measured: generate more articles.")
    yield {"name": BUSY} | median(busy)


def forget(settings: Settings) -> None:
    """Let no later server of this home go on with the retraining."""
    sessions = open_sessions(settings)
    with writing(sessions) as session:
        session.execute(delete(JobRow))
    sessions.kw["bind"].dispose()

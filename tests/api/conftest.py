"""One trained newspaper for all tests of the API; each test works on its own copy of the folder."""

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import made_site
import pytest
import uvicorn
from fastapi.testclient import TestClient

from api.app import create_app
from recsys.database.session import upgrade
from recsys.settings import Settings


@dataclass(frozen=True)
class Newspaper:
    home: Path
    live: str  # model version
    candidate: str  # model version


@pytest.fixture(scope="session")
def newspaper(tmp_path_factory: pytest.TempPathFactory) -> Newspaper:
    home = tmp_path_factory.mktemp("newspaper") / "var"
    live, candidate = made_site.build(Settings(home=home, _env_file=None), time.time())
    return Newspaper(home, live, candidate)


@pytest.fixture
def site(settings: Settings, newspaper: Newspaper) -> Settings:
    """Settings on a copy of the newspaper."""
    shutil.copytree(newspaper.home, settings.home)
    return settings


@pytest.fixture
def client(site: Settings) -> Iterator[TestClient]:
    """The API on a copy of the newspaper."""
    with TestClient(create_app(site), raise_server_exceptions=False) as running:
        yield running


@pytest.fixture
def bare(settings: Settings) -> Iterator[TestClient]:
    """The API on an empty database: no article, no model."""
    upgrade(settings)
    with TestClient(create_app(settings), raise_server_exceptions=False) as running:
        yield running


@pytest.fixture
def http(site: Settings) -> Iterator[httpx.Client]:
    """A client of a server on a free port of this machine."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(64)  # connections wait here until the server takes them
    app = create_app(site)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, args=[[listening]])
    thread.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=30) as client:
        client.app = app
        yield client
    server.should_exit = True
    thread.join()
    listening.close()

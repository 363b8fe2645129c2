"""One trained newspaper for all tests of the API; each test works on its own copy of the folder."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import made_site
import pytest
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

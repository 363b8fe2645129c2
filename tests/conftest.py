"""What tests of every room share: settings on a temporary home, and a database whose schema is up to date."""

import os
from collections.abc import Iterator
from pathlib import Path

import made_postgres
import pytest

from recsys.database.session import Sessions, open_sessions, upgrade
from recsys.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The defaults on a temporary home, whatever the developer's own environment says."""
    for name in [name for name in os.environ if name.startswith("RECSYS_")]:
        monkeypatch.delenv(name)
    return Settings(home=tmp_path / "var", _env_file=None)


@pytest.fixture
def sessions(settings: Settings) -> Iterator[Sessions]:
    """An empty SQLite database with today's schema."""
    upgrade(settings)
    opened = open_sessions(settings)
    yield opened
    opened.kw["bind"].dispose()


@pytest.fixture(scope="session")
def postgres() -> Iterator[made_postgres.Server]:
    """A PostgreSQL server of this test process, started when the first test asks for it."""
    with made_postgres.running() as server:
        yield server

"""Every test of this room runs on both databases."""

from collections.abc import Iterator

import made_postgres
import pytest

from recsys.database.session import Sessions, open_sessions, upgrade
from recsys.settings import Settings


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Settings]:
    """Settings with a database that has no schema yet, unless the test asks for ``sessions``."""
    if request.param == "sqlite":
        yield settings
        return
    server: made_postgres.Server = request.getfixturevalue("postgres")
    with server.database(migrated="sessions" in request.fixturenames) as url:
        yield settings.model_copy(update={"database_url": url})


@pytest.fixture
def sessions(settings: Settings) -> Iterator[Sessions]:
    """An empty database with today's schema."""
    if not settings.database_url:
        upgrade(settings)
    opened = open_sessions(settings)
    yield opened
    opened.kw["bind"].dispose()


@pytest.fixture
def on_sqlite(settings: Settings) -> bool:
    """Which of the two it is."""
    return not settings.database_url

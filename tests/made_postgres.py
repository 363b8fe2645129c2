"""A real PostgreSQL server for the tests of one process, and databases on it that no other test has touched."""

import itertools
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import URL, Connection, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from recsys.database.session import upgrade
from recsys.settings import Settings

REQUIRED = bool(os.environ.get("RECSYS_TESTS_REQUIRE_ALL"))  # set where no test may be skipped for want of a server
TEMPLATE = "migrated"
# Nothing here has to survive a crash. Autovacuum's transactions would hold followers back at moments of its own choice.
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}


@dataclass(frozen=True)
class Server:
    """A running server."""

    url: URL  # of its administrator
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    @contextmanager
    def database(self, *, migrated: bool = True) -> Iterator[str]:
        """The URL of a new database, with today's schema or empty; it is dropped afterwards."""
        name = f"test_{next(self.numbers)}"
        self.run(f"CREATE DATABASE {name}" + (f" TEMPLATE {TEMPLATE}" if migrated else ""))
        try:
            yield as_given(self.url.set(database=name))
        finally:
            self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def run(self, *statements: str) -> None:
        """Have the administrator run statements."""
        with self._connection() as connection:
            for statement in statements:
                connection.execute(text(statement))

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        engine = create_engine(self.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            yield connection


def as_given(url: URL) -> str:
    """The URL as a person would write it: without the name of the driver."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def running() -> Iterator[Server]:
    """Start a server with a migrated template; its data go with it.

    Skips the test, or fails it where nothing may be skipped, when PostgreSQL is not installed.
    """
    try:
        import psycopg  # noqa: F401

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where there is no XDG_RUNTIME_DIR
            from pgserver import get_server
    except ImportError as error:
        if REQUIRED:
            pytest.fail(f"PostgreSQL is not installed, and RECSYS_TESTS_REQUIRE_ALL is set: {error}")
        pytest.skip(f"PostgreSQL is not installed: {error}")
    process = get_server(Path(tempfile.mkdtemp(prefix="recsys-postgres-")), cleanup_mode="delete")
    try:
        server = Server(make_url(process.get_uri()).set(drivername="postgresql+psycopg"))
        server.run(*(f"ALTER SYSTEM SET {name} = {value}" for name, value in FAST.items()), "SELECT pg_reload_conf()")
        server.run(f"CREATE DATABASE {TEMPLATE}")
        upgrade(Settings(database_url=as_given(server.url.set(database=TEMPLATE)), _env_file=None))
        yield server
    finally:
        process.cleanup()

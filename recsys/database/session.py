"""Connections: one engine per process, and the schema brought up to date by Alembic."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from recsys.domain import NotReadyError, RecsysError
from recsys.settings import Settings, bundled

Sessions = sessionmaker[Session]


def open_engine(settings: Settings) -> Engine:
    """Connect to the database that the settings name; SQLite runs in WAL mode with foreign keys on.

    Raises:
        RecsysError: when the URL is not one, or its driver is not installed.
    """
    try:
        engine = create_engine(settings.url)
    except (ArgumentError, ModuleNotFoundError) as error:
        raise RecsysError(f"RECSYS_DATABASE_URL names a database that cannot be used: {error}.") from error
    if not settings.database_url:
        settings.home.mkdir(parents=True, exist_ok=True)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_pragmas)
        event.listen(engine, "begin", _begin)
    return engine


def open_sessions(settings: Settings) -> Sessions:
    """Sessions on a database whose schema is up to date.

    Raises:
        RecsysError: when the schema is missing or old.
    """
    engine = open_engine(settings)
    _check_schema(engine)
    return sessionmaker(engine, expire_on_commit=False)


@contextmanager
def writing(sessions: Sessions) -> Iterator[Session]:
    """One write transaction; on SQLite it takes the write lock at once, so that reading before writing is safe.

    Raises:
        NotReadyError: when the database stays busy or is out of reach.
    """
    with sessions() as session:
        try:
            if session.get_bind().dialect.name == "sqlite":
                session.connection(execution_options={"sqlite_begin": "IMMEDIATE"})
            yield session
            session.commit()
        except OperationalError as error:
            raise NotReadyError(f"The database could not be written ({error.orig}); nothing was changed.") from error


def upgrade(settings: Settings, revision: str = "head") -> str:
    """Bring the schema to ``revision`` and return the revision reached.

    Raises:
        RecsysError: when the database cannot be reached, or holds what the migrations do not expect.
    """
    engine, config = open_engine(settings), migrations_config()
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
            return MigrationContext.configure(connection).get_current_revision() or ""
    except (DBAPIError, CommandError) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise RecsysError(f"The schema of {engine.url!r} cannot be upgraded: {reason}. Nothing was changed.") from error
    finally:
        engine.dispose()


def current_revision(engine: Engine) -> str | None:
    """The Alembic revision that the database is at; None when it has no schema."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def migrations_config() -> Config:
    """Alembic's configuration, without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(bundled("migrations")).replace("%", "%%"))
    return config


def _check_schema(engine: Engine) -> None:
    from alembic.script import ScriptDirectory

    head = ScriptDirectory.from_config(migrations_config()).get_current_head()
    try:
        current = current_revision(engine)
    except DBAPIError as error:
        raise RecsysError(f"The database {engine.url!r} cannot be opened: {error.orig}.") from error
    if current != head:
        state = "has no schema yet" if current is None else f"is at schema {current}, this program needs {head}"
        raise RecsysError(f"The database {engine.url!r} {state}: run `recsys init`.")


def _set_pragmas(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's begin event says BEGIN, see _begin
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=15000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Any) -> None:
    mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {mode}")

"""Connections: one engine per process, and the schema brought up to date by Alembic."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import URL, Engine, create_engine, event, func, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, InternalError, OperationalError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import QueuePool

from recsys.database import tail
from recsys.domain import NotReadyError, RecsysError
from recsys.settings import Settings, bundled

Sessions = sessionmaker[Session]
CONNECTIONS = 50  # of one process at most, more than FastAPI has threads; PostgreSQL allows 100 unless told otherwise
KEPT = 5  # of them, when they are idle
BUSY = 15.0  # seconds that SQLite waits for another writer
PATIENCE = 15  # seconds until a server that does not answer counts as away
LOCKED = 5.0  # seconds that reading PostgreSQL waits for a lock, which only a change of the schema or the like holds
FROZEN = 60.0  # seconds after which PostgreSQL ends a write transaction of which it hears nothing more
PATIENT = select(
    func.set_config("lock_timeout", f"{BUSY:.0f}s", True),
    func.set_config("idle_in_transaction_session_timeout", f"{FROZEN:.0f}s", True),
)  # of a write transaction on PostgreSQL: as patient as one on SQLite
SILENCE = {
    "tcp_user_timeout": 5000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
}  # a cut line


def open_engine(settings: Settings) -> Engine:
    """Connect to the database that the settings name.

    SQLite runs in WAL mode with foreign keys on. On PostgreSQL a session reads one state of the database, that of its
    first query, as it does on SQLite.

    Raises:
        RecsysError: when the URL is not one, names another kind of database, or its driver is not installed.
    """
    try:
        url = make_url(settings.url)
        is_postgresql = url.drivername.startswith("postgres")
        engine = _open_postgresql(url) if is_postgresql else _open_other(url)
    except (ArgumentError, ModuleNotFoundError) as error:
        raise RecsysError(f"RECSYS_DATABASE_URL names a database that cannot be used: {error}.") from error
    if engine.dialect.name not in ("sqlite", "postgresql"):
        raise RecsysError(f"RECSYS_DATABASE_URL names {engine.dialect.name}: use SQLite or PostgreSQL.")
    if not settings.database_url:
        _make_home(settings)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_pragmas)
        event.listen(engine, "begin", _begin)
    else:
        event.listen(engine, "connect", _set_patience)
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
    """One write transaction.

    On SQLite it takes the write lock at once, so that reading before writing is safe. On PostgreSQL writers work side
    by side, and each of their queries sees what others have committed by then.

    Raises:
        NotReadyError: when the database stays busy, is out of reach or read-only, or another writer came in between.
    """
    with sessions() as session:
        is_sqlite = session.get_bind().dialect.name == "sqlite"
        mode = {"sqlite_begin": "IMMEDIATE"} if is_sqlite else {"isolation_level": "READ COMMITTED"}
        try:
            session.connection(execution_options=mode)
            if not is_sqlite:
                session.execute(PATIENT)
            yield session
            session.commit()
        except (OperationalError, InternalError, IntegrityError) as error:
            if is_sqlite and isinstance(error, IntegrityError):
                raise  # there, no other writer can be the reason
            why = _reason(error)
            raise NotReadyError(f"The database could not be written ({why}); nothing of this was kept.") from error


def upgrade(settings: Settings, revision: str = "head") -> str:
    """Bring the schema to ``revision`` and return the revision reached.

    Raises:
        RecsysError: when the database cannot be reached, or holds what the migrations do not expect.
    """
    engine, config = open_engine(settings), migrations_config()
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":  # several hosts may begin at once
                connection.execute(PATIENT)
                connection.execute(select(func.pg_advisory_xact_lock(func.hashtext("schema"))))
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
            tail.mend(connection)
            return MigrationContext.configure(connection).get_current_revision() or ""
    except (DBAPIError, CommandError) as error:
        why = _reason(error) if isinstance(error, DBAPIError) else error
        raise RecsysError(f"The schema of {engine.url!r} cannot be upgraded: {why}. Nothing was changed.") from error
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


def _reason(error: DBAPIError) -> str:
    """What the database says about an error, on one line."""
    return str(error.orig).strip().partition("\n")[0]


def _make_home(settings: Settings) -> None:
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecsysError(f"RECSYS_HOME cannot be a folder at {settings.home}: {error.strerror}.") from error


def _open_other(url: URL) -> Engine:
    """With as many connections: writers who wait for SQLite's lock hold theirs, and readers must not wait for those."""
    return create_engine(
        url, poolclass=QueuePool, pool_size=KEPT, max_overflow=CONNECTIONS - KEPT, hide_parameters=True
    )


def _open_postgresql(url: URL) -> Engine:
    """A server closes idle connections when it restarts, so each is tried before it is used."""
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    wanted = {"connect_timeout": PATIENCE, **SILENCE}
    patience = {name: value for name, value in wanted.items() if name not in url.query}
    try:
        return create_engine(
            url, isolation_level="REPEATABLE READ", pool_pre_ping=True, pool_size=KEPT, max_overflow=CONNECTIONS - KEPT,
            connect_args=patience, hide_parameters=True,
        )  # fmt: skip
    except ImportError as error:
        raise RecsysError(
            f"The driver of {url.drivername} is not installed: pip install 'recsys[postgres]' ({error})."
        ) from error


def _check_schema(engine: Engine) -> None:
    from alembic.script import ScriptDirectory

    head = ScriptDirectory.from_config(migrations_config()).get_current_head()
    try:
        current = current_revision(engine)
    except DBAPIError as error:
        raise RecsysError(f"The database {engine.url!r} cannot be opened: {_reason(error)}.") from error
    if current != head:
        state = "has no schema yet" if current is None else f"is at schema {current}, this program needs {head}"
        raise RecsysError(f"The database {engine.url!r} {state}: run `recsys init`.")


def _set_pragmas(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's begin event says BEGIN, see _begin
    for pragma in (f"busy_timeout={BUSY * 1000:.0f}", "synchronous=NORMAL", "foreign_keys=ON", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")
    if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):  # it lasts; to set it again takes a lock
        connection.execute("PRAGMA journal_mode=WAL")


def _set_patience(connection: Any, _record: Any) -> None:
    connection.execute(f"SET lock_timeout = {LOCKED * 1000:.0f}")
    connection.commit()


def _begin(connection: Any) -> None:
    mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {mode}")

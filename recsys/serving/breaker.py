"""Whether the database is asked: after a failure it is left alone, so that no reader waits for it, until it is back."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionError
from sqlalchemy.orm import Session

from recsys.database.session import Sessions

log = logging.getLogger(__name__)

PATIENCE = 1.0  # seconds that a query of an answer may take
RETRY = 1.0  # seconds after which one request tries the database again
UNANSWERED = (InterfaceError, InternalError, OperationalError, NoConnectionError)


class Breaker:
    """One for a process; safe among threads."""

    def __init__(self) -> None:
        self.is_open = False  # True while the database is not asked
        self.is_followed = False  # whether somebody looks all the time if it is back, so that no request has to
        self._lock = threading.Lock()
        self._try_at = 0.0

    def may_ask(self) -> bool:
        """Whether a request may ask the database; while it is away one in a second may, where nobody else tries."""
        if not self.is_open:
            return True
        with self._lock:
            if self.is_followed or time.monotonic() < self._try_at:
                return False
            self._try_at = time.monotonic() + RETRY
            return True

    def failed(self, error: Exception) -> None:
        """Note that the database did not answer."""
        with self._lock:
            was_open, self.is_open, self._try_at = self.is_open, True, time.monotonic() + RETRY
        if not was_open:
            log.error("the database does not answer, so answers go on without it: %s", reason(error))

    def answered(self) -> None:
        """Note that the database answered."""
        if self.is_open:
            self.is_open = False
            log.warning("the database answers again")


@contextmanager
def impatient(sessions: Sessions) -> Iterator[Session]:
    """A session to answer from: a server that takes too long for a query counts as away.

    Reading SQLite in WAL mode waits for nobody.
    """
    with sessions() as session:
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text(f"SET LOCAL statement_timeout = {PATIENCE * 1000:.0f}"))
        yield session


def reason(error: Exception) -> str:
    """What the database said, on one line."""
    said = error.orig if isinstance(error, DBAPIError) else error
    return str(said).strip().partition("\n")[0]

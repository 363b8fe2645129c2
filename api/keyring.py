"""The API keys in use, as each process knows them: read every half a second, so that no request waits for them."""

import asyncio
import logging
import threading
import time

from sqlalchemy.exc import SQLAlchemyError

from recsys.database import keys
from recsys.database.keys import Caller
from recsys.database.session import Sessions
from recsys.domain import RecsysError

log = logging.getLogger(__name__)

EVERY = 0.5  # seconds between two looks: a revoked key is out, and a new one in, after about so long
PATIENCE = 1.0  # seconds that a request with an unknown key waits for the next look: the key may be new
STEP = 0.02  # seconds


class Keyring:
    """Follows the keys in a thread. While the database is away the last known keys go on to count."""

    def __init__(self, sessions: Sessions) -> None:
        """Read the keys; raises what the database raises."""
        self._sessions = sessions
        self._callers = _read(sessions)
        self._begun = self._looks = 0  # looks at the database that were begun, and that were done
        self._wanted, self._stopped = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._follow, name="keyring", daemon=True)

    @property
    def empty(self) -> bool:
        """Whether there is no key in use at all."""
        return not self._callers

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._wanted.set()
        self._thread.join()

    async def caller(self, key: str) -> Caller | None:
        """Whose key this is; None for one that is unknown or revoked.

        It is looked up by its sha256: how long that takes says nothing about the keys that there are.
        """
        digest = keys.digest(key)
        if digest not in self._callers:
            await self._look()
        return self._callers.get(digest)

    async def _look(self) -> None:
        """Have the thread look at once, and wait for a look that began after now."""
        awaited, until = self._begun + 1, time.monotonic() + PATIENCE
        self._wanted.set()
        while self._looks < awaited and time.monotonic() < until:
            await asyncio.sleep(STEP)

    def _follow(self) -> None:
        while not self._stopped.is_set():
            self._wanted.wait(EVERY)
            self._wanted.clear()
            self._begun += 1
            begun = self._begun
            try:
                self._callers = _read(self._sessions)
            except (SQLAlchemyError, RecsysError) as error:
                log.warning("the API keys could not be read, the last known ones count: %s", error)
            except Exception:  # without this thread a revoked key would go on to count
                log.exception("the API keys could not be read, the last known ones count")
            self._looks = begun
            self._stopped.wait(STEP)  # however many unknown keys are tried, the database is asked 50 times a second


def _read(sessions: Sessions) -> dict[str, Caller]:
    with sessions() as session:
        return keys.callers(session)

"""How many requests are worked on at once, and how many may wait for that: beyond it a client is told to come back.

More threads than cores make every answer late, and a thread that waits for the database is missing elsewhere. Those who
wait do so in the event loop, where they cost nothing.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import CapacityLimiter

from recsys.domain import NotReadyError

FULL = "More came at once than this server can take: ask again in a second."


class Admission:
    """The door of what takes the processor, or a lock of the database; for one event loop."""

    def __init__(self, at_once: int, most_waiting: int, patience: float | None = None) -> None:
        """``patience``: seconds after which one who waits is told to come back; None: never."""
        self.most_waiting, self.patience = most_waiting, patience
        self.waiting = 0
        self.threads = CapacityLimiter(at_once)  # of their own: all others may be waiting for a lock of the database
        self._places = asyncio.Semaphore(at_once)

    @asynccontextmanager
    async def admitted(self) -> AsyncIterator[None]:
        """Hold one of the places.

        Raises:
            NotReadyError: when too many wait already, or it took too long.
        """
        if self._places.locked() and self.waiting >= self.most_waiting:
            raise NotReadyError(FULL)
        self.waiting += 1
        try:
            async with asyncio.timeout(self.patience):
                await self._places.acquire()
        except TimeoutError as error:
            raise NotReadyError(FULL) from error
        finally:
            self.waiting -= 1
        try:
            yield
        finally:
            self._places.release()

"""How many requests are computed at once, and how many may wait for that: beyond it a client is told to come back.

More threads than cores make every answer late. Those who wait do so in the event loop, where they cost nothing.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from recsys.domain import NotReadyError


class Admission:
    """The door of what takes the processor; for one event loop."""

    def __init__(self, at_once: int, most_waiting: int) -> None:
        self.most_waiting = most_waiting
        self.waiting = 0
        self._places = asyncio.Semaphore(at_once)

    @asynccontextmanager
    async def admitted(self) -> AsyncIterator[None]:
        """Hold one of the places.

        Raises:
            NotReadyError: when too many wait already.
        """
        if self._places.locked() and self.waiting >= self.most_waiting:
            raise NotReadyError("More readers came at once than this server can answer: ask again in a second.")
        self.waiting += 1
        try:
            await self._places.acquire()
        finally:
            self.waiting -= 1
        try:
            yield
        finally:
            self._places.release()

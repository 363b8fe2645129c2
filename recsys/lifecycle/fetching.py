"""Fetches the pictures that articles name by an http(s) address, several at once, beside the encoding.

A picture that came is put among the fetched ones, and the encoders look at its articles again. One that did not come
is tried again, ever later, and given up in the end: until its article changes, or the process starts anew.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush

from sqlalchemy.exc import SQLAlchemyError

from recsys.database import articles
from recsys.database.session import Sessions, writing
from recsys.database.unpictured import look_again, set_broken, unpictured
from recsys.domain import RecsysError
from recsys.encoders import expected_ids
from recsys.encoders.fetch import fetch
from recsys.encoders.fetched import Fetched
from recsys.encoders.pictures import BrokenPictureError, quiet_pillow
from recsys.progress import StageProgress
from recsys.settings import Settings

log = logging.getLogger(__name__)

AT_ONCE = 8
EVERY = 0.5  # seconds between two looks at the catalogue
PAUSES = (30.0, 300.0, 3600.0, 6 * 3600.0, 24 * 3600.0)  # seconds before each further try


@dataclass
class Queue:
    """Addresses to fetch, those of the newest articles first, and which articles they are wanted for."""

    pauses: tuple[float, ...] = field(default_factory=lambda: PAUSES)
    _keys: dict[str, set[int]] = field(default_factory=dict)
    _tries: dict[str, int] = field(default_factory=dict)
    _fresh: list[str] = field(default_factory=list)
    _later: list[tuple[float, str]] = field(default_factory=list)  # a heap by when they are due

    def __len__(self) -> int:
        """How many addresses are waited for."""
        return len(self._keys)

    def add(self, address: str, key: int) -> None:
        """An article wants this picture."""
        if address not in self._keys:
            self._fresh.append(address)
        self._keys.setdefault(address, set()).add(key)

    def take(self, now: float) -> str | None:
        """What to fetch next; None when nothing is due."""
        if self._fresh:
            return self._fresh.pop()
        return heappop(self._later)[1] if self._later and self._later[0][0] <= now else None

    def came(self, address: str) -> set[int]:
        """It is here; returns who wanted it."""
        self._tries.pop(address, None)
        return self._keys.pop(address)

    def failed(self, address: str, now: float) -> set[int]:
        """It did not come: it is due again after a pause, or given up; returns who wanted it."""
        tries = self._tries.get(address, 0)
        if tries == len(self.pauses):
            return self.came(address)
        self._tries[address] = tries + 1
        heappush(self._later, (now + self.pauses[tries], address))
        return self._keys[address]


@dataclass
class Fetching:
    """Follows the catalogue and fetches what its articles want."""

    sessions: Sessions
    settings: Settings
    queue: Queue = field(default_factory=Queue)
    tried: int = 0
    _running: dict[asyncio.Task[str | None], str] = field(default_factory=dict)
    _mark: int | None = None

    def __post_init__(self) -> None:
        self._store = Fetched(self.settings.fetched)
        self._hosts = frozenset(name.strip().lower() for name in self.settings.fetch_hosts.split(",") if name.strip())
        self._encoder_id = expected_ids(self.settings)["image"]

    async def follow(self, stop: threading.Event) -> None:
        """Fetch what comes until told to stop; a database or a disk that fails is tried again."""
        looked = -EVERY
        while not stop.is_set():
            try:
                if time.monotonic() - looked >= EVERY:
                    self._look()
                    looked = time.monotonic()
                self._begin()
                await self._end()
            except (SQLAlchemyError, RecsysError, OSError) as error:
                log.warning("what became of pictures could not be noted, everything is looked at again: %s", error)
                self._mark = None
                await asyncio.sleep(EVERY)
            except Exception:  # one article's picture must not keep all others from being fetched
                log.exception("pictures could not be fetched, the next look comes later")
                await asyncio.sleep(EVERY)
        for task in self._running:
            task.cancel()

    async def once(self, report: StageProgress) -> None:
        """Try everything that is wanted now, once."""
        self._look()
        total = len(self.queue)
        while self._begin() or self._running:
            await self._end()
            report("pictures", self.tried, total)

    def _look(self) -> None:
        """Take down what is wanted by articles that are new or were changed since the last look."""
        with self.sessions() as session:
            mark = articles.last_change(session)
            if mark == self._mark:
                return
            keys = None if self._mark is None else articles.changed_after(session, self._mark)
            found = unpictured(session, self._encoder_id, keys)
        here: list[int] = []
        for row in found:
            if self._store.file(row.address) is None:
                self.queue.add(row.address, row.key)
            elif row.passed_over:
                here.append(row.key)
        self._write(here, {})
        self._mark = mark

    def _begin(self) -> bool:
        """Start as many tries as there is room for; False when nothing was due, or there was no room."""
        before = len(self._running)
        while len(self._running) < AT_ONCE and (address := self.queue.take(time.monotonic())) is not None:
            self._running[asyncio.create_task(self._try(address))] = address
        return len(self._running) > before

    async def _try(self, address: str) -> str | None:
        """Fetch and keep a picture; why not, where that failed."""
        try:
            with quiet_pillow():
                data = await fetch(address, self._hosts)
            self._store.keep(address, data)
        except (BrokenPictureError, OSError) as error:
            return str(error)
        return None

    async def _end(self) -> None:
        """Wait a moment for tries to end, and tell the database of those that did."""
        if not self._running:
            await asyncio.sleep(EVERY)
            return
        done, _ = await asyncio.wait(self._running, timeout=EVERY, return_when=asyncio.FIRST_COMPLETED)
        came: set[int] = set()
        failed: dict[str, set[int]] = {}
        for task in done:
            address, why = self._running.pop(task), task.result()
            if why is None:
                came |= self.queue.came(address)
            else:
                log.info("a picture could not be fetched: %s", why)
                failed[address] = set(self.queue.failed(address, time.monotonic()))
        self.tried += len(done)
        self._write(came, failed)

    def _write(self, came: Collection[int], failed: Mapping[str, Collection[int]]) -> None:
        if came or failed:
            with writing(self.sessions) as session:
                look_again(session, came)
                set_broken(session, self._encoder_id, failed)


def fetch_pictures(sessions: Sessions, settings: Settings, report: StageProgress) -> None:
    """Fetch the pictures that are wanted now, each tried once."""
    if settings.fetch_pictures and settings.image_encoder:
        asyncio.run(Fetching(sessions, settings).once(report))


def follow_pictures(sessions: Sessions, settings: Settings, stop: threading.Event) -> threading.Thread:
    """Fetch pictures as they are wanted, in a thread of its own, until told to stop."""

    def run() -> None:
        if settings.fetch_pictures and settings.image_encoder:
            asyncio.run(Fetching(sessions, settings).follow(stop))

    thread = threading.Thread(target=run, name="pictures", daemon=True)
    thread.start()
    return thread

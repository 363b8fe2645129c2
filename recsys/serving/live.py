"""The world and the model of one process, kept up to date with the database by a background thread."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle

import numpy as np
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from recsys.columns import Ints
from recsys.database import articles, tail
from recsys.database.experiments import Experiment
from recsys.database.merges import Aliases
from recsys.database.session import Sessions
from recsys.domain import RecsysError, Timestamp
from recsys.features.marks import Scratch, scratch_for
from recsys.pipeline.checkpoint import resume
from recsys.pipeline.follow import SETTLED, Follower, warm_up
from recsys.pipeline.ground import Ground, ground_of
from recsys.pipeline.model import Model
from recsys.pipeline.situation import Reader, World
from recsys.serving.breaker import UNANSWERED, Breaker
from recsys.serving.cards import Cards
from recsys.serving.user_cache import UserCache
from recsys.serving.versions import Versions
from recsys.settings import Settings

__all__ = ["EVERY", "SETTLED", "Live"]

log = logging.getLogger(__name__)

EVERY = 0.25  # seconds between two looks at the database
PATIENCE = 1.0  # seconds that a request waits for a fold to end
ROOM = 1024  # user and article keys that scratch memory is ahead of the database


class Live:
    """What requests are answered from. ``lock`` is held while the state is read or written."""

    _scratch: Scratch

    def __init__(self, sessions: Sessions, settings: Settings, encoders: dict[str, str], *, until: Timestamp = np.inf):
        """Load everything known before ``until``; see ``start`` for following the log from there."""
        self.sessions, self.settings, self.encoders = sessions, settings, encoders
        self.lock = threading.RLock()
        self._reading = threading.Lock()  # a stretch of the log must not be folded twice
        self._choosing = threading.Lock()  # a version must not be loaded twice
        self._known = Follower(encoders, settings.live_hours, settings.robot_clicks_per_hour, self.lock)
        self._versions = Versions(settings, encoders, self.lock)
        self._grounds: dict[str, Ground] = {}
        self.cards = Cards()
        self.cached_users = UserCache(settings.cached_histories)
        self.database = Breaker()
        self.caught_up = False
        self._read_at = time.monotonic()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        with ThreadPoolExecutor(1, "recsys-ahead") as beside, self.sessions() as session:
            beside.submit(self._versions.read_ahead, sessions)  # a second of a start is disk and FAISS
            if not resume(session, self._known, settings.checkpoint, until):
                self._known.begin(session, until)
            self.cards.read(session)
        warm_up(self.world)
        self._scratch = self._new_scratch()
        self.follow_versions()

    @property
    def world(self) -> World:
        """The articles as this process knows them."""
        return self._known.world

    @property
    def model(self) -> Model | None:
        """The promoted version, or the last before it that could be loaded."""
        return self._versions.live

    @model.setter
    def model(self, model: Model | None) -> None:
        self._versions.live = model

    @property
    def models(self) -> dict[str, Model]:
        """The loaded versions by name: the live one, and the one that the experiment in force names."""
        return self._versions.models

    @property
    def experiment(self) -> Experiment | None:
        """The experiment in force."""
        return self._versions.experiment

    @property
    def trouble(self) -> str | None:
        """Why a version that should be served is not."""
        return self._versions.trouble

    @property
    def clock(self) -> Timestamp:
        """When the newest event in the fold became known; -inf before the first."""
        return self._known.clock

    @property
    def fast(self) -> Ints:
        """Keys of the users who click faster than people do, as far as this process knows."""
        return self._known.fast

    @property
    def aliases(self) -> Aliases:
        """Keys of merged articles, and of those that they are part of, as far as this process knows."""
        return self._known.aliases

    def behind(self, session: Session) -> int:
        """How many events of the log are not in the fold yet."""
        return tail.count_behind(session, self._known.held.place)

    def unread(self, session: Session) -> list[int]:
        """Keys of the articles that changed since this process last read the catalogue."""
        return articles.changed_after(session, self._known.changes)

    @property
    def waited(self) -> float:
        """Seconds since the log was last read to its end."""
        return time.monotonic() - self._read_at

    def start(self) -> None:
        """Follow log and catalogue, and beside them which versions are served, until ``stop``."""
        self.database.is_followed = True
        steps = {"recsys-live": (self._read, self._prepare), "recsys-versions": (self._choose,)}
        self._threads = [threading.Thread(target=self._repeat, args=steps[n], name=n, daemon=True) for n in steps]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the background threads."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self.database.is_followed = False

    def refresh(self, now: Timestamp | None = None) -> None:
        """Read what is new: articles and vectors, events, and which versions are served."""
        self.read_on(now)
        self.follow_versions()

    def read_on(self, now: Timestamp | None = None) -> None:
        """Read articles, vectors and events that are new."""
        with self._reading:
            with self.sessions() as session:
                self.cached_users.follow(session)
                self._known.follow_catalogue(session, self._describe)
                self._known.follow_log(session, time.time() if now is None else now)
            self.caught_up, self._read_at = True, time.monotonic()

    def read_catalogue(self) -> None:
        """Read articles that are new at this very moment, unless a fold takes longer than a request may wait."""
        if not self._reading.acquire(timeout=PATIENCE):
            return
        try:
            with self.sessions() as session:
                self._known.follow_catalogue(session, self._describe)
        finally:
            self._reading.release()

    def follow_versions(self) -> None:
        """Serve the versions that are to be served now."""
        with self._choosing:
            self._versions.follow(self.sessions, lambda: self.world.catalogue)

    def reader(self) -> Reader:
        """The world with scratch memory; to be used while ``lock`` is held."""
        if len(self._scratch.last_shown) < len(self.world.catalogue) or len(self._scratch.marks) < self._known.users:
            self._scratch = self._new_scratch()
        return Reader(self.world, self._scratch)

    def ground(self, model: Model, at: Timestamp) -> Ground:
        """What all requests of about this instant have in common; to be used while ``lock`` is held."""
        known = self._grounds.get(model.version)
        if known is None or not known.serves(model.views, self.world, at):
            known = self._grounds[model.version] = ground_of(model.views, self.world, at)
        return known

    def _prepare(self) -> None:
        """Renew the grounds of the served versions before they are too old, so that hardly a reader waits for it.

        Made without the lock: only this thread folds, and a search sees one state of an index.
        """
        world, now, grounds = self.world, time.time(), self._grounds
        next_look = now + 1.5 * EVERY
        made = {
            version: ground_of(model.views, world, now)
            for version, model in self.models.items()
            if version not in grounds or not grounds[version].serves(model.views, world, next_look)
        }
        with self.lock:
            known = self._grounds | made  # a version may have come meanwhile
            self._grounds = {version: known[version] for version in self.models if version in known}

    def _repeat(self, *steps: Callable[[], None]) -> None:
        """One step after the other, apart in time: each makes the answers beside it wait for the interpreter."""
        for step in cycle(steps):
            if self._stop.wait(EVERY / len(steps)):
                return
            try:
                step()
            except (SQLAlchemyError, RecsysError) as error:  # busy, or away: answer from what is known, and try again
                if isinstance(error, UNANSWERED):
                    self.database.failed(error)
                log.warning("the database could not be followed, trying again: %s", error)
            except Exception:  # without these threads nobody would ever learn anything new
                log.exception("the database could not be followed, trying again")

    def _read(self) -> None:
        before = self.world
        self.read_on()
        self.database.answered()
        if self.world is not before:  # no ground serves any more: the next reader would make one
            self._prepare()

    def _choose(self) -> None:
        """A log that is folded anew takes long, and no version waits for that."""
        before = self.models
        self.follow_versions()
        if self._reading.locked():  # perhaps for minutes
            self.database.answered()
        if self.models.keys() != before.keys():
            with self.lock:  # so that no reader waits for it
                for model in self.models.values():
                    self.ground(model, time.time())

    def _describe(self, session: Session, keys: Ints) -> None:
        """Read cards and vectors of articles that changed."""
        self.cards.read(session, keys.tolist())
        self._versions.put(self.sessions, keys)

    def _new_scratch(self) -> Scratch:
        return scratch_for(len(self.world.catalogue) + ROOM, self._known.users + ROOM)

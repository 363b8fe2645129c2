"""The world and the model of one process, kept up to date with the database by a background thread."""

import logging
import threading
import time

import numpy as np
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from recsys.columns import EventLog, Ints
from recsys.database import articles, events, merges, models, robots, tail
from recsys.database.bulk import chunks
from recsys.database.session import Sessions
from recsys.database.tail import Extent
from recsys.database.types import MICROSECOND
from recsys.domain import RecsysError, Timestamp
from recsys.features.features import attributes_of
from recsys.features.history import UserView
from recsys.features.marks import Scratch, scratch_for
from recsys.features.replay import fold_live
from recsys.features.state import TASTE, grown
from recsys.pipeline.content import changed_encoders
from recsys.pipeline.load import TITLE, load_content, load_dataset, signatures, user_room, world_of
from recsys.pipeline.load_users import load_views
from recsys.pipeline.model import Model
from recsys.pipeline.situation import Reader, World
from recsys.settings import Settings
from recsys.snapshots.snapshot import read_snapshot

log = logging.getLogger(__name__)

EVERY = 0.25  # seconds between two looks at the database
SETTLED = 0.1  # seconds after which no more events of a stamp are expected
BLOCK = 4096  # articles indexed at once
ROOM = 1024  # user and article keys that scratch memory is ahead of the database


class Live:
    """What requests are answered from. ``lock`` is held while the state is read or written."""

    world: World
    model: Model | None
    _scratch: Scratch
    _held: Extent  # the events in the fold
    _clock: Timestamp  # of the newest of them
    _aliases: merges.Aliases  # merged articles as they are in the fold
    _fast: Ints  # keys of the users who click too fast, as far as is known; flagged ones are looked up

    def __init__(self, sessions: Sessions, settings: Settings, encoders: dict[str, str], *, until: Timestamp = np.inf):
        """Load everything known before ``until``; see ``start`` for following the log from there."""
        self.sessions, self.settings, self.encoders = sessions, settings, encoders
        self.lock = threading.RLock()
        self._reading = threading.Lock()  # a stretch of the log must not be folded twice
        self.model = None
        self.caught_up = False
        self.trouble: str | None = None  # why the newest model could not be loaded
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._load(until)
        self._follow_model()

    def start(self) -> None:
        """Follow the log, the catalogue and the live version until ``stop``."""
        self._thread = threading.Thread(target=self._run, name="recsys-live", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the background thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def refresh(self, now: Timestamp | None = None) -> None:
        """Read what is new: articles and vectors, events, and which version is live."""
        with self._reading:
            with self.sessions() as session:
                self._follow_catalogue(session)
                self._follow_log(session, time.time() if now is None else now)
            self._follow_model()
            self.caught_up = True

    def reader(self) -> Reader:
        """The world with scratch memory; to be used while ``lock`` is held."""
        if len(self._scratch.last_shown) < len(self.world.catalogue) or len(self._scratch.marks) < self._users:
            self._scratch = self._new_scratch()
        return Reader(self.world, self._scratch)

    def _run(self) -> None:
        while not self._stop.wait(EVERY):
            try:
                self.refresh()
            except (SQLAlchemyError, RecsysError) as error:  # busy, or away: answer from what is known, and try again
                log.warning("the log could not be followed, trying again: %s", error)

    def _load(self, until: Timestamp) -> None:
        with self.sessions() as session:
            if self.model is None:  # else what changed meanwhile is still to be indexed
                self._changes = articles.last_change(session)
            place = tail.end_of_log(session)
            aliases = merges.aliases(session)  # before the log: a merge that comes between is seen at the next look
            titles = {name: encoder for name, encoder in self.encoders.items() if name == TITLE}
            limit = self.settings.robot_clicks_per_hour
            data = load_dataset(session, titles, until=until, place=place, robot_limit=limit)
            clock = events.newest(session, Extent(place, until))
        world = world_of(data, self.settings.live_hours)
        with self.lock:
            self.world, self._users, self._clock = world, data.users, clock
            self._aliases, self._fast = aliases, data.robots.fast
            self._held = Extent(place, min(until, clock + MICROSECOND))
            self._scratch = self._new_scratch()

    def _new_scratch(self) -> Scratch:
        return scratch_for(len(self.world.catalogue) + ROOM, self._users + ROOM)

    def _follow_catalogue(self, session: Session) -> None:
        newest = articles.last_change(session)
        if newest == self._changes:
            return
        changed = np.array(sorted(articles.changed_after(session, self._changes)), np.int64)
        catalogue = articles.load_catalogue(session)
        content = load_content(session, self.encoders, changed)
        titles = np.zeros((len(catalogue), TASTE), np.float32)
        old = self.world.attributes.signatures
        titles[: len(old)] = old
        titles[changed] = signatures(content, len(changed)) if TITLE in self.encoders else 0.0
        with self.lock:
            state = grown(self.world.state, len(catalogue))
            self.world = World(state, catalogue, attributes_of(catalogue, titles), self.world.live_hours)
            if self.model is not None:
                self._index(session, self.model, changed)
        self._changes = newest

    def _follow_log(self, session: Session, now: Timestamp) -> None:
        """Fold what became known, up to a moment ago; a stretch that reaches back behind the fold is folded anew."""
        until = now - SETTLED
        wanted = Extent(tail.end_of_log(session), max(until, self._held.until))
        new = events.read_new(session, self._held, wanted)
        times = np.concatenate([new.impressions.known_at, new.clicks.known_at])
        merged = merges.aliases(session) != self._aliases
        if merged or times.min(initial=np.inf) <= self._clock:
            why = "articles were merged" if merged else "events reach back behind the fold"
            log.info("%s: folding the log anew", why)
            self._load(until)
            return
        if len(times) > 0:
            self._fold(session, self._as_folded(session, new, wanted.until), float(times.min()))
            self._clock = float(times.max())
        self._held = wanted

    def _as_folded(self, session: Session, new: EventLog, until: Timestamp) -> EventLog:
        """A stretch with merged articles under one key and without robots, those included who became one in it.

        What a robot did before it was known as one stays in this process's counters until the next full fold.
        """
        limit = self.settings.robot_clicks_per_hour
        self._fast = np.union1d(self._fast, robots.newly_fast(session, new.clicks, limit, until))
        users = np.union1d(new.impressions.user, new.clicks.user)
        left_out = np.union1d(self._fast, robots.flagged(session, users.tolist()))
        return merges.as_today(robots.without(new, left_out), self._aliases)

    def _fold(self, session: Session, new: EventLog, first: Timestamp) -> None:
        users: dict[int, UserView] = {}
        for some in chunks(np.unique(new.clicks.user).tolist()):
            users |= load_views(session, some, first)
        with self.lock:
            self._users = max(self._users, user_room(session))
            fold_live(self.world.state, self.world.attributes, new, users)

    def _follow_model(self) -> None:
        with self.sessions() as session:
            version = models.live_version(session)
            if version is None or (self.model is not None and self.model.version == version):
                self.trouble = None
                return
            present = np.flatnonzero(self.world.catalogue.expires_at > -np.inf)
            try:
                model = read_snapshot(self.settings.snapshots / version, lambda ids: articles.keys_of(session, ids))
                self._index(session, model, present[~np.isin(present, model.views.learned.keys)])
            except RecsysError as error:
                if self.trouble != str(error):
                    log.error("version %s is not served: %s", version, error)  # noqa: TRY400 - the sentence says it all
                self.trouble = str(error)
                return
            with self.lock:
                self.model, self.trouble = model, None
            self._index(session, model, present)  # some were rewritten after the training
        if changed := changed_encoders(model.encoders, self.encoders):
            log.warning(
                "version %s reads %s vectors of encoders that the settings do not name: articles that come now are "
                "without them until `recsys retrain`",
                version,
                " and ".join(changed),
            )

    def _index(self, session: Session, model: Model, keys: Ints) -> None:
        """Index articles by the vectors that the model's own encoders made of them."""
        for start in range(0, len(keys), BLOCK):
            block = keys[start : start + BLOCK]
            model.views.put(load_content(session, model.encoders, block), block)

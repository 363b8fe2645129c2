"""The world and the model of one process, kept up to date with the database by a background thread."""

import logging
import threading
import time

import numpy as np
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from recsys.columns import EventLog, Ints
from recsys.database import articles, events, models
from recsys.database.session import Sessions
from recsys.domain import RecsysError, Timestamp
from recsys.features.features import attributes_of
from recsys.features.marks import Scratch, scratch_for
from recsys.features.replay import fold_live
from recsys.features.state import TASTE, grown
from recsys.pipeline.load import TITLE, load_content, load_view, load_world, signatures, user_room
from recsys.pipeline.model import Model
from recsys.pipeline.situation import Reader, World
from recsys.settings import Settings
from recsys.snapshots.snapshot import read_snapshot

log = logging.getLogger(__name__)

EVERY = 0.25  # seconds between two looks at the database
SETTLED = 0.1  # seconds after which no more events of a stamp are expected
PATIENCE = 1.0  # seconds; what becomes known so soon is waited for, what is dated later is passed over until then
BLOCK = 4096  # articles indexed at once
ROOM = 1024  # user and article keys that scratch memory is ahead of the database


class Live:
    """What requests are answered from. ``lock`` is held while the state is read or written."""

    world: World
    model: Model | None
    _scratch: Scratch
    _clock: Timestamp  # of the newest event in the fold
    _due: Timestamp  # when an event becomes known that the position in the log has already passed

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
        if len(self._scratch.last_shown) < len(self.world.catalogue) or self._scratch.marks.shape[1] < self._users:
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
            world = load_world(session, self.encoders, self.settings.live_hours, until=until)
            position = events.end_of_log(session, until=until)
            due = _earliest(events.read_log(session, since=until), position)
            users, span = user_room(session), events.time_span(session)
        with self.lock:
            self.world, self._users, self._position, self._due = world, users, position, due
            self._clock = -np.inf if span is None else min(until, span[1])
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
        new = events.read_log(session, after=self._position, until=until)
        waiting = events.read_log(session, after=self._position, since=until)
        times = np.concatenate([new.impressions.known_at, new.clicks.known_at])
        passed_over = _earliest(waiting, new.end)
        if passed_over < now + PATIENCE:
            return
        self._due = min(self._due, passed_over)
        if times.min(initial=np.inf) <= self._clock or self._due < until:
            log.info("events reach back behind the fold: folding the log anew")
            self._load(until)
            return
        if len(times) == 0:
            return
        users = {int(user): load_view(session, int(user), float(times.min())) for user in np.unique(new.clicks.user)}
        with self.lock:
            self._users = max(self._users, user_room(session))
            fold_live(self.world.state, self.world.attributes, new, users)
        self._position = tuple(np.maximum(self._position, new.end).tolist())
        self._clock = float(times.max())

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

    def _index(self, session: Session, model: Model, keys: Ints) -> None:
        """Index articles by the vectors that the model's own encoders made of them."""
        for start in range(0, len(keys), BLOCK):
            block = keys[start : start + BLOCK]
            model.views.put(load_content(session, model.encoders, block), block)


def _earliest(stretch: EventLog, end: tuple[int, int]) -> Timestamp:
    """When the first of these events becomes known that lies before this end of the log; +inf where none does."""
    shown, clicks = stretch.impressions, stretch.clicks
    passed = (shown.known_at[shown.position <= end[0]], clicks.known_at[clicks.position <= end[1]])
    return float(np.concatenate(passed).min(initial=np.inf))

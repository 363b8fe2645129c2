"""What is known of the articles as far as the database was read, and the steps that read on."""

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

import numpy as np
from sqlalchemy.orm import Session

from recsys.columns import NONE, Catalogue, ClickColumns, EventLog, Floats32, ImpressionColumns, Ints
from recsys.database import articles, merges, robots, stretches, tail
from recsys.database.tail import Extent
from recsys.database.types import MICROSECOND
from recsys.domain import Modality, Timestamp
from recsys.features.features import attributes_of
from recsys.features.history import empty_view
from recsys.features.replay import Replay, fold_live
from recsys.features.state import TASTE, ArticleState, empty_state, grown
from recsys.pipeline.load import TITLE, load_content, signatures, user_room
from recsys.pipeline.load_users import load_readers
from recsys.pipeline.situation import World

log = logging.getLogger(__name__)

SETTLED = 0.1  # seconds after which no more events of a stamp are expected
ROOM = 1024  # articles that memory is ahead of the catalogue at least
BLOCK = 4096  # articles whose titles are read at once

Indexed = Callable[[Session, Ints], None]


class Follower:
    """The world of one process. ``lock`` is held while what requests read is changed; one thread at a time follows."""

    world: World
    users: int  # more than the largest user key
    held: Extent  # the events in the fold
    clock: Timestamp  # of the newest of them
    events: int  # how many there are, robots' own included
    whole_at: Timestamp  # up to when the log was folded from its first event on, the last time that it was
    changes: int  # mark of the newest change of the catalogue that is known
    aliases: merges.Aliases  # merged articles as they are in the fold
    fast: Ints  # keys of the users who click too fast, as far as is known
    flagged: Ints  # keys of the users who were flagged at the last whole fold
    is_whole: bool  # False once a robot was found whose first steps had been counted

    def __init__(
        self,
        encoders: Mapping[Modality, str],
        live_hours: float,
        robot_limit: int,
        lock: AbstractContextManager[object],
    ):
        self.titles = encoders.get(TITLE)  # the encoder of whose vectors the signatures are made
        self.live_hours, self.robot_limit, self.lock = live_hours, robot_limit, lock
        self._state: ArticleState  # with room for more articles than ``world`` shows
        self._signatures: Floats32  # likewise

    def begin(self, session: Session, until: Timestamp) -> None:
        """Read the catalogue and fold everything known before ``until``."""
        catalogue = articles.load_catalogue(session)
        self.changes = articles.last_change(session)
        self.stand(catalogue, self.signed(session, np.arange(len(catalogue))))
        self.fold(session, until)

    def stand(self, catalogue: Catalogue, signed: Floats32) -> None:
        """Take over a catalogue and the signatures (n, TASTE) of its articles, before anything is folded."""
        self._signatures = _with_room(signed, len(catalogue))
        self._state, self.users = empty_state(roomy(len(catalogue))), 1
        self._show(self._state, catalogue, self.users)

    def fold(self, session: Session, until: Timestamp) -> None:
        """Fold everything known before ``until``, from the first event on."""
        place, self.aliases = tail.end_of_log(session), merges.aliases(session)
        raw = stretches.read_log(session, until=until, place=place)
        kept, left_out = robots.leave_out(session, merges.as_today(raw, self.aliases), self.robot_limit)
        users = user_room(session)
        replay = Replay(self.world.attributes, users, live_hours=self.live_hours)
        replay.run(kept, score_from=np.inf)
        self.take(replay.state, users)
        self.fast, self.flagged, self.is_whole = left_out.fast, robots.flagged(session), True
        self.events, self.clock = _count(raw), float(_times(raw).max(initial=-np.inf))
        self.hold(Extent(place, until))
        self.whole_at = self.held.until

    def hold(self, extent: Extent) -> None:
        """Note what is folded; a time beyond the newest event says nothing, and may lie in the future."""
        self.held = Extent(extent.place, min(extent.until, self.clock + MICROSECOND))

    def take(self, state: ArticleState, users: int) -> None:
        """Go on from another state of the same catalogue."""
        larger = grown(state, roomy(len(self.world.catalogue)))
        with self.lock:
            self._show(larger, self.world.catalogue, users)

    def follow_catalogue(self, session: Session, indexed: Indexed = lambda _session, _keys: None) -> None:
        """Read the articles that changed; ``indexed`` is told of their keys (rising) before they count as known."""
        newest = articles.last_change(session)
        if newest == self.changes:
            return
        changed = np.array(sorted(articles.changed_after(session, self.changes)), np.int64)
        catalogue = articles.updated(session, self.world.catalogue, changed.tolist())
        signed, state = self.signed(session, changed), self._state
        if len(catalogue) > len(state.stamp):
            state = grown(state, roomy(len(catalogue)))
        if len(catalogue) > len(self._signatures):
            self._signatures = _with_room(self._signatures, len(catalogue))
        with self.lock:
            self._signatures[changed] = signed
            self._show(state, catalogue, self.users)
        indexed(session, changed)
        self.changes = newest

    def signed(self, session: Session, keys: Ints) -> Floats32:
        """Title signatures (n, TASTE) of these articles (n,), rising; zeros where the title has no vector yet."""
        signed = np.zeros((len(keys), TASTE), np.float32)
        for start in range(0, len(keys), BLOCK):
            block = keys[start : start + BLOCK]
            content = load_content(session, {TITLE: self.titles} if self.titles else {}, block)
            signed[start : start + BLOCK] = signatures(content, len(block))
        return signed

    def _show(self, state: ArticleState, catalogue: Catalogue, users: int) -> None:
        """Let requests see this state, which has room for more articles than the catalogue."""
        size = len(catalogue)
        view = ArticleState._make(array[:size] for array in state)
        attributes = attributes_of(catalogue, self._signatures[:size])
        self._state, self.users = state, users
        self.world = World(view, catalogue, attributes, self.live_hours)

    def follow_log(self, session: Session, now: Timestamp) -> None:
        """Fold what became known, up to a moment ago; what reaches back behind the fold makes it begin anew."""
        until = now - SETTLED
        if why := self.advance(session, Extent(tail.end_of_log(session), max(until, self.held.until))):
            log.info("%s: folding the log anew", why)
            self.fold(session, until)

    def advance(self, session: Session, wanted: Extent) -> str | None:
        """Fold what ``wanted`` has and the fold has not; where that cannot be, return the reason and do nothing."""
        if merges.aliases(session) != self.aliases:
            return "articles were merged"
        new = stretches.read_new(session, self.held, wanted)
        times = _times(new)
        if times.min(initial=np.inf) <= self.clock:
            return "events reach back behind the fold"
        if len(times) > 0:
            self._fold(session, self._as_folded(session, new, wanted.until), float(times.min()))
            self.clock, self.events = float(times.max()), self.events + _count(new)
        self.held = wanted
        return None

    def _as_folded(self, session: Session, new: EventLog, until: Timestamp) -> EventLog:
        """A stretch with merged articles under one key and without robots, those included who became one in it.

        What a robot did before it was known as one stays in this process's counters until the next whole fold.
        """
        found = robots.newly_fast(session, new.clicks, self.robot_limit, until)
        flagged = robots.flagged(session, np.union1d(new.impressions.user, new.clicks.user).tolist())
        news = np.setdiff1d(found, self.fast).size + np.setdiff1d(flagged, self.flagged).size
        self.is_whole = self.is_whole and news == 0
        self.fast = np.union1d(self.fast, found)
        return merges.as_today(robots.without(new, np.union1d(self.fast, flagged)), self.aliases)

    def _fold(self, session: Session, new: EventLog, first: Timestamp) -> None:
        users = load_readers(session, np.unique(new.clicks.user).tolist(), first)
        room = user_room(session)  # asked before the lock is taken: no request waits for the database
        with self.lock:
            self.users = max(self.users, room)
            fold_live(self.world.state, self.world.attributes, new, users)


def warm_up(world: World) -> None:
    """Fold a list and a click into a state that is thrown away: the code of the first events is compiled now.

    Readers would wait for it, since the state is locked meanwhile: for seconds after an installation.
    """
    one, at, small, none = np.ones(1, np.int64), np.ones(1), np.zeros(1, np.int8), np.full(1, NONE)
    shown = ImpressionColumns(one, one, at, np.array([0, 1]), np.zeros(1, np.int64), small, small, small, none)
    clicks = ClickColumns(
        position=one, user=one, article=np.zeros(1, np.int64), at=at, known_at=at + 1, weight=at, dwell=at,
        backfilled=small, impression=one, page=small, device=small,
    )  # fmt: skip
    fold_live(empty_state(1), world.attributes, EventLog(shown, clicks), {1: empty_view()})


def roomy(articles: int) -> int:
    """How many articles to have room for, so that one more does not copy everything; memory not used costs nothing."""
    return articles + max(ROOM, articles // 8)


def _with_room(signed: Floats32, articles: int) -> Floats32:
    larger = np.zeros((roomy(articles), TASTE), np.float32)
    larger[: len(signed)] = signed
    return larger


def _count(stretch: EventLog) -> int:
    return len(stretch.impressions) + len(stretch.clicks)


def _times(stretch: EventLog) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    return np.concatenate([stretch.impressions.known_at, stretch.clicks.known_at])

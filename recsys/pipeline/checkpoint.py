"""Checkpoints of what a follower knows: a process starts from one, and reads on from where it ends.

One is used only where it gives, to the bit, what a fold of the whole log gives: of the same fold, database, robots and
merged articles, with not one event too few or too many.
"""

import hashlib
import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from recsys.database import articles, merges, robots, tail
from recsys.database.tables import ArticleRow, ClickRow, ImpressionRow
from recsys.database.tail import TABLES, Extent, Place
from recsys.domain import RecsysError, Timestamp
from recsys.features import VERSION
from recsys.features.checkpoint import Arrays, Checkpoint, load_checkpoint, save_state
from recsys.features.state import TASTE
from recsys.pipeline.follow import Follower, roomy
from recsys.pipeline.load import user_room

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Origin:
    """What a checkpoint was made of; one of another origin says nothing here."""

    fold: str  # version of the code
    titles: str | None  # the encoder of the signatures
    robot_limit: int
    robots: str  # hash of the flagged users
    aliases: str  # hash of the merged articles
    events: int  # how many the extent holds
    newest: str  # hash of the newest rows of the extent: databases differ in them


@dataclass(frozen=True)
class Mark:
    """Where a checkpoint ends."""

    origin: Origin
    until: Timestamp
    clock: Timestamp
    whole_at: Timestamp
    changes: int


class _UnusableError(Exception):
    """A checkpoint that must not be used, with the reason."""


def write_checkpoint(session: Session, follower: Follower, path: Path) -> None:
    """Write what a follower knows; one that no longer is what a whole fold would give folds the log anew first.

    Raises:
        RecsysError: when the disk does not take it; a checkpoint that is there stays.
    """
    if _has_strayed(session, follower):
        log.info("articles were merged, readers erased or robots found: folding the log anew for the checkpoint")
        follower.fold(session, follower.held.until)
    world, held, place = follower.world, follower.held, follower.held.place
    mark = Mark(origin_of(session, follower), held.until, follower.clock, follower.whole_at, follower.changes)
    beside: Arrays = {"signatures": world.attributes.signatures, "fast": follower.fast}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_state(world.state, path, (place.impression, place.click), notes=json.dumps(asdict(mark)), beside=beside)
    except (OSError, SafetensorError) as error:
        raise RecsysError(f"The checkpoint {path} could not be written: {error}.") from error


def resume(session: Session, follower: Follower, path: Path, until: Timestamp) -> bool:
    """Let a follower begin with the checkpoint and read on until a time; where it cannot, log why and return False."""
    if not path.exists():
        return False
    try:
        _resume(session, follower, load_checkpoint(path), until)
    except (RecsysError, _UnusableError) as error:
        log.warning("folding the whole log, without the checkpoint: %s", error)
        return False
    return True


def _resume(session: Session, follower: Follower, saved: Checkpoint, until: Timestamp) -> None:
    mark = _mark(saved)
    end, place = tail.end_of_log(session), Place(*saved.position)
    if until < mark.until or end.impression < place.impression or end.click < place.click:
        raise _UnusableError("it lies ahead of the clock or of the log")
    follower.held, follower.clock, follower.events = Extent(place, mark.until), mark.clock, mark.origin.events
    follower.aliases, follower.flagged = merges.aliases(session), robots.flagged(session)
    follower.fast, follower.is_whole, follower.whole_at = saved.beside["fast"], True, mark.whole_at
    _check(mark.origin, origin_of(session, follower, saved.articles))
    _take(session, follower, saved, mark.changes)
    if why := follower.advance(session, Extent(end, until)):
        raise _UnusableError(why)
    if not follower.is_whole:
        raise _UnusableError("a reader turned out to be a robot")
    follower.hold(follower.held)


def _take(session: Session, follower: Follower, saved: Checkpoint, changes: int) -> None:
    """The catalogue as it is now; signatures of what did not change since are those that were saved."""
    newest, catalogue = articles.last_change(session), articles.load_catalogue(session)
    if newest < changes or len(catalogue) < saved.articles:
        raise _UnusableError("it knows more articles than the catalogue")
    signed = np.zeros((len(catalogue), TASTE), np.float32)
    signed[: saved.articles] = saved.beside["signatures"]
    changed = np.array(sorted(articles.changed_after(session, changes)), np.int64)
    signed[changed] = follower.signed(session, changed)
    follower.changes = newest
    follower.stand(catalogue, signed)
    follower.take(saved.state(roomy(len(catalogue))), user_room(session))


def _mark(saved: Checkpoint) -> Mark:
    try:
        notes = json.loads(saved.notes)
        mark = Mark(**{**notes, "origin": Origin(**notes["origin"])})
        layout = [(saved.beside[name].ndim, saved.beside[name].dtype.str) for name in ("signatures", "fast")]
    except (ValueError, TypeError, KeyError) as error:
        raise _UnusableError(f"it was written by another version of recsys ({error})") from error
    if layout != [(2, "<f4"), (1, "<i8")] or saved.beside["signatures"].shape != (saved.articles, TASTE):
        raise _UnusableError("it was written by another version of recsys")
    return mark


def _check(made: Origin, here: Origin) -> None:
    """Refuse a checkpoint of another origin."""
    other = [name for name, value in asdict(here).items() if value != getattr(made, name)]
    if other:
        raise _UnusableError(f"it was made of something else than is here now ({', '.join(other)})")


def origin_of(session: Session, follower: Follower, size: int | None = None) -> Origin:
    """What a checkpoint of this follower's state would be made of, as the database has it now."""
    return Origin(
        fold=VERSION,
        titles=follower.titles,
        robot_limit=follower.robot_limit,
        robots=_digest(robots.flagged(session).tolist()),
        aliases=_digest(sorted(merges.aliases(session).items())),
        events=_count(session, follower.held),
        newest=_digest(_newest(session, follower.held, size or len(follower.world.catalogue))),
    )


def _has_strayed(session: Session, follower: Follower) -> bool:
    """Whether a fold of the whole log would know something else by now."""
    return (
        not follower.is_whole
        or merges.aliases(session) != follower.aliases
        or robots.flagged(session).tolist() != follower.flagged.tolist()
        or _count(session, follower.held) != follower.events
    )


def _count(session: Session, extent: Extent) -> int:
    counts = (select(func.count()).select_from(row).where(tail.within(session, row, extent)) for row in TABLES)
    return sum(session.scalar(count) or 0 for count in counts)


def _newest(session: Session, extent: Extent, size: int) -> list[str | None]:
    """Ids of the newest impression, click and article of what was folded."""
    impression = select(ImpressionRow.impression_id).where(tail.within(session, ImpressionRow, extent))
    click = select(ClickRow.event_id).where(tail.within(session, ClickRow, extent))
    article = select(ArticleRow.article_id).where(ArticleRow.key < size).order_by(ArticleRow.key.desc())
    return [
        session.scalar(impression.order_by(ImpressionRow.position.desc()).limit(1)),
        session.scalar(click.order_by(ClickRow.position.desc()).limit(1)),
        session.scalar(article.limit(1)),
    ]


def _digest(what: object) -> str:
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]

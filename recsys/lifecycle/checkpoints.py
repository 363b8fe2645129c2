"""Keeps a checkpoint of the state, so that processes start by loading it and reading on."""

import logging
import threading
import time

from sqlalchemy.exc import SQLAlchemyError

from recsys.database.session import Sessions
from recsys.domain import RecsysError, Timestamp
from recsys.encoders import expected_ids
from recsys.pipeline.checkpoint import resume, write_checkpoint
from recsys.pipeline.follow import SETTLED, Follower
from recsys.settings import Settings

log = logging.getLogger(__name__)

SOON = 2.0  # seconds from the worker's start to its first checkpoint
WHOLE_EVERY = 86400.0  # seconds between two folds of the whole log, which know who logged in as whom by then


class CheckpointWriter:
    """A fold of its own, from which checkpoints are written."""

    def __init__(self, sessions: Sessions, settings: Settings):
        self.sessions, self.settings = sessions, settings
        self._known: Follower | None = None

    def write(self, now: Timestamp | None = None) -> None:
        """Read on, and write a checkpoint of all that is known by now.

        Raises:
            RecsysError: when the disk does not take it.
        """
        now = time.time() if now is None else now
        with self.sessions() as session:
            known = self._known or self._fresh()
            if self._known is None and not resume(session, known, self.settings.checkpoint, now - SETTLED):
                known.begin(session, now - SETTLED)
            known.follow_catalogue(session)
            known.follow_log(session, now)
            if now - known.whole_at >= WHOLE_EVERY:
                known.fold(session, known.held.until)
            write_checkpoint(session, known, self.settings.checkpoint)
            self._known = known

    def _fresh(self) -> Follower:
        limit = self.settings.robot_clicks_per_hour
        return Follower(expected_ids(self.settings), self.settings.live_hours, limit, threading.Lock())


def follow_checkpoints(sessions: Sessions, settings: Settings, stop: threading.Event) -> threading.Thread:
    """Start a thread that writes a checkpoint soon, and then again and again until ``stop`` is set."""
    thread = threading.Thread(target=_keep, args=[sessions, settings, stop], name="recsys-checkpoints", daemon=True)
    thread.start()
    return thread


def _keep(sessions: Sessions, settings: Settings, stop: threading.Event) -> None:
    if settings.checkpoint_every == 0:
        return
    writer, pause = CheckpointWriter(sessions, settings), SOON
    while not stop.wait(pause):
        pause = settings.checkpoint_every
        try:
            writer.write()
        except (RecsysError, SQLAlchemyError, OSError) as error:
            log.warning("no checkpoint was written, next try in %.0f s: %s", pause, error)
        except Exception:  # a thread that ends would not be missed until the next start takes long
            log.exception("no checkpoint was written, next try in %.0f s", pause)

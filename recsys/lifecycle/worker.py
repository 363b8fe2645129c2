"""The background process of a host: it gives new articles their vectors, so that API processes need none."""

import fcntl
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from signal import SIGTERM, signal

from sqlalchemy.exc import SQLAlchemyError

from recsys.database import articles, served, vectors
from recsys.database.session import Sessions, open_sessions, writing
from recsys.domain import RecsysError
from recsys.encoders import Encoder, ViewEncoder, load_encoders, warm_up, with_views
from recsys.encoders.fetched import Fetched
from recsys.lifecycle import child
from recsys.lifecycle.checkpoints import follow_checkpoints
from recsys.lifecycle.encode import EncodeReport, encode_new
from recsys.lifecycle.fetching import follow_pictures
from recsys.lifecycle.schedule import follow_jobs
from recsys.lifecycle.unrecorded import clear_unrecorded
from recsys.settings import Settings

log = logging.getLogger("recsys.lifecycle.worker")  # also where it runs as __main__

LOCK = "worker.lock"
EVERY = 0.1  # seconds between two looks at the catalogue, each of which is one small query
MANY = 100  # articles that changed, from which on the whole catalogue is looked at, and readers go first
TIDY_EVERY = 3600.0  # seconds between two looks for what is too old to keep
DAY = 86400.0
FETCHED_DAYS = 7.0  # that a fetched picture is kept: for another encoder, or more augmented views
LONGEST_PAUSE = 60.0  # seconds between two tries while encoding fails
NICENESS = 10  # of all but the encoding of some new articles: readers waiting for an answer go first
GRACE = 2.0  # seconds that a checkpoint gets to be finished; one that is cut off is never seen


Polite = Callable[[], object]


class _StoppedError(Exception):
    """The worker was told to stop while it had batches before it."""


class _NewsError(Exception):
    """Articles came while the worker was busy with what can wait."""


def run_worker(settings: Settings, stop: threading.Event, polite: Polite = lambda: None) -> None:
    """Encode new articles until ``stop`` is set; of several workers on one home, one works and the others wait.

    ``polite`` lets others go before the thread that calls it, and the threads that it starts from then on.

    Raises:
        RecsysError: when the database has no up-to-date schema, or the home may not be written to.
    """
    sessions = open_sessions(settings)
    with _only_one(settings, stop) as alone:
        if alone:
            log.info("the worker encodes new articles")
            news = threading.Thread(target=_follow, args=[sessions, settings, stop, polite], name="recsys-news")
            news.start()
            polite()
            pictures = follow_pictures(sessions, settings, stop)
            retraining = follow_jobs(sessions, settings, stop)
            keeping = follow_checkpoints(sessions, settings, stop)
            news.join()
            pictures.join()
            retraining.join()
            keeping.join(GRACE)
    sessions.kw["bind"].dispose()


def main() -> None:
    """Run as a process of its own, see ``recsys.lifecycle.child``."""
    stop = threading.Event()
    signal(SIGTERM, lambda _number, _frame: stop.set())
    settings = child.begin(at_end_of_input=stop.set)
    try:
        run_worker(settings, stop, lambda: os.nice(NICENESS))  # on Linux of one thread; elsewhere all of them get it
    except RecsysError as error:
        log.error("%s", error)  # noqa: TRY400 - the sentence says it all
        sys.exit(1)


@contextmanager
def _only_one(settings: Settings, stop: threading.Event) -> Iterator[bool]:
    """Wait for this home's lock, which the system releases when its process ends; False when stopped before."""
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        file = (settings.home / LOCK).open("w")
    except OSError as error:
        raise RecsysError(f"The worker needs to write to RECSYS_HOME: {error}.") from error
    with file:
        while not (alone := _locked(file.fileno())) and not stop.wait(EVERY):
            pass
        yield alone


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _follow(sessions: Sessions, settings: Settings, stop: threading.Event, polite: Polite) -> None:
    """Encode whenever the catalogue has changed, and tidy up by the hour; what fails is tried again, ever later."""
    with ThreadPoolExecutor(1, "recsys-backlog", initializer=polite) as backlog:
        _follow_with(backlog, sessions, settings, stop)


def _follow_with(backlog: Executor, sessions: Sessions, settings: Settings, stop: threading.Event) -> None:
    """The same; ``backlog`` runs what can wait, while nothing else is encoded."""
    encoders: list[Encoder] | None = None
    seen, pause, tidy_at = -1, EVERY, 0.0
    while not stop.is_set():
        try:
            encoders = _ready(settings, stop) if encoders is None else encoders
            changes, changed = _changes(sessions, seen)
            if changes != seen:
                seen = changes if _encode(backlog, sessions, encoders, stop, changed) else seen
            if time.monotonic() >= tidy_at:
                backlog.submit(_tidy, sessions, settings).result()
                tidy_at = time.monotonic() + TIDY_EVERY
            pause = EVERY
        except _StoppedError:
            return
        except (RecsysError, SQLAlchemyError, OSError, RuntimeError) as error:  # RuntimeError: torch's, out of memory
            pause = min(2 * pause, LONGEST_PAUSE)
            log.warning("the worker failed, next try in %.0f s: %s", pause, error)
        except Exception:  # without this thread no article would be encoded any more
            pause = LONGEST_PAUSE
            log.exception("the worker failed, next try in %.0f s", pause)
        stop.wait(pause)


def _ready(settings: Settings, stop: threading.Event) -> list[Encoder]:
    """The encoders, loaded before an article waits for them.

    That takes seconds which cannot be interrupted, so a worker that is told to stop leaves the thread alone with it.
    """
    encoders = load_encoders(settings)
    loading = threading.Thread(target=_load, args=[encoders, stop], name="recsys-encoders", daemon=True)
    loading.start()
    while loading.is_alive() and not stop.is_set():
        loading.join(EVERY)
    if stop.is_set():
        raise _StoppedError
    return with_views(encoders, settings.augment)


def _load(encoders: Sequence[Encoder], stop: threading.Event) -> None:
    for encoder in encoders:
        try:
            warm_up(encoder)
        except Exception as error:
            if stop.is_set():  # whatever failed, failed as the process took down what this thread was importing
                return
            if not isinstance(error, (RecsysError, OSError, RuntimeError)):
                raise
            log.warning("the encoder of the %s is not ready: %s", encoder.modality, error)  # again when one needs it


def _tidy(sessions: Sessions, settings: Settings) -> None:
    """Forget answers that nobody confirmed as seen, in small transactions, old pictures, and what kills left."""
    Fetched(settings.fetched).forget(time.time() - FETCHED_DAYS * DAY)
    for version in clear_unrecorded(sessions, settings):
        log.info("cleared away the snapshot %s, whose training was killed before it was recorded", version)
    before, gone = time.time() - settings.served_days * DAY, served.BATCH
    while gone == served.BATCH:
        with writing(sessions) as session:
            gone = served.forget_unseen(session, before, served.BATCH)
        if gone:
            log.info("forgot %d answers that were never seen", gone)


def _changes(sessions: Sessions, seen: int) -> tuple[int, list[int] | None]:
    """Mark of the newest change of the catalogue, and keys of what changed behind a mark; None for all of it."""
    with sessions() as session:
        newest = articles.last_change(session)
        changed = articles.changed_after(session, seen) if 0 <= seen < newest else []
    return newest, changed if 0 <= seen <= newest and len(changed) < MANY else None


def _encode(
    backlog: Executor,
    sessions: Sessions,
    encoders: list[Encoder],
    stop: threading.Event,
    changed: Collection[int] | None,
) -> bool:
    """Encode what is new; False when articles came while augmented views were made, which only a training reads."""
    views = [encoder for encoder in encoders if isinstance(encoder, ViewEncoder)]
    plain = [encoder for encoder in encoders if not isinstance(encoder, ViewEncoder)]

    def heed(stage: str, _done: int, _total: int) -> None:
        if stop.is_set():
            raise _StoppedError
        if not any(stage == encoder.modality for encoder in plain) and _waiting(sessions, plain):
            raise _NewsError

    try:
        if changed is None:
            _say(backlog.submit(encode_new, sessions, plain, heed).result())
        else:
            _say(encode_new(sessions, plain, heed, changed))
        _say(backlog.submit(encode_new, sessions, views, heed, changed).result())
    except _NewsError:
        return False
    return True


def _waiting(sessions: Sessions, encoders: list[Encoder]) -> bool:
    with sessions() as session:
        return any(vectors.count_not_encoded(session, e.modality, e.encoder_id) for e in encoders)


def _say(report: EncodeReport) -> None:
    if report.looked_at:
        log.info("encoded %s, cached %s, broken %s", report.encoded, report.cached, report.broken)
    for warning in report.warnings:
        log.warning("%s", warning)


if __name__ == "__main__":
    main()

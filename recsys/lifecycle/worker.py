"""The background process of a host: it gives new articles their vectors, so that API processes need no encoders."""

import fcntl
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from logging.config import dictConfig
from signal import SIG_IGN, SIGINT, SIGTERM, signal

from sqlalchemy.exc import SQLAlchemyError

from recsys import logs
from recsys.database import articles, served, vectors
from recsys.database.session import Sessions, open_sessions, writing
from recsys.domain import RecsysError
from recsys.encoders import Encoder, ViewEncoder, load_encoders, with_views
from recsys.encoders.fetched import Fetched
from recsys.lifecycle.checkpoints import follow_checkpoints
from recsys.lifecycle.encode import EncodeReport, encode_new
from recsys.lifecycle.fetching import follow_pictures
from recsys.lifecycle.schedule import follow_jobs
from recsys.lifecycle.unrecorded import clear_unrecorded
from recsys.settings import Settings

log = logging.getLogger("recsys.lifecycle.worker")  # also where it runs as __main__

LOCK = "worker.lock"
EVERY = 0.5  # seconds between two looks at the catalogue
TIDY_EVERY = 3600.0  # seconds between two looks for what is too old to keep
DAY = 86400.0
FETCHED_DAYS = 7.0  # that a fetched picture is kept: for another encoder, or more augmented views
LONGEST_PAUSE = 60.0  # seconds between two tries while encoding fails
NICENESS = 10  # readers waiting for an answer go first
GRACE = 2.0  # seconds that a checkpoint gets to be finished; one that is cut off is never seen
PATIENCE = 10.0  # seconds that a worker gets to end its batch


class _StoppedError(Exception):
    """The worker was told to stop while it had batches before it."""


class _NewsError(Exception):
    """Articles came while the worker was busy with what can wait."""


def run_worker(settings: Settings, stop: threading.Event) -> None:
    """Encode new articles until ``stop`` is set; of several workers on one home, one works and the others wait.

    Raises:
        RecsysError: when the database has no up-to-date schema, or the home may not be written to.
    """
    sessions = open_sessions(settings)
    with _only_one(settings, stop) as alone:
        if alone:
            log.info("the worker encodes new articles")
            pictures = follow_pictures(sessions, settings, stop)
            retraining = follow_jobs(sessions, settings, stop)
            keeping = follow_checkpoints(sessions, settings, stop)
            _follow(sessions, settings, stop)
            pictures.join()
            retraining.join()
            keeping.join(GRACE)
    sessions.kw["bind"].dispose()


@dataclass(frozen=True)
class Worker:
    """A running worker process. It ends when this process does, however that ends."""

    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """End the worker: it finishes its batch, unless that takes too long."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_worker(settings: Settings) -> Worker:
    """Start a worker process with these settings."""
    command = [sys.executable, "-m", "recsys.lifecycle.worker"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(settings.model_dump_json().encode() + b"\n")
    process.stdin.flush()
    return Worker(process)


def main() -> None:
    """Run as a process of its own: settings come as a line on standard input, whose end is the order to stop."""
    signal(SIGINT, SIG_IGN)  # an interrupt at the terminal goes to the parent, which stops this process
    settings = Settings.model_validate_json(sys.stdin.buffer.readline())
    dictConfig(logs.config(settings.log_format))
    stop = threading.Event()
    signal(SIGTERM, lambda _number, _frame: stop.set())
    threading.Thread(target=_await_end_of_input, args=[stop], daemon=True).start()
    os.nice(NICENESS)
    try:
        run_worker(settings, stop)
    except RecsysError as error:
        log.error("%s", error)  # noqa: TRY400 - the sentence says it all
        sys.exit(1)


def _await_end_of_input(stop: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    stop.set()


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


def _follow(sessions: Sessions, settings: Settings, stop: threading.Event) -> None:
    """Encode whenever the catalogue has changed, and tidy up by the hour; what fails is tried again, ever later."""
    encoders: list[Encoder] = []
    seen, pause, tidy_at = -1, EVERY, 0.0
    while not stop.is_set():
        try:
            changes = _last_change(sessions)
            if changes != seen:
                encoders = encoders or with_views(load_encoders(settings), settings.augment)
                seen = changes if _encode(sessions, encoders, stop) else seen
            if time.monotonic() >= tidy_at:
                _tidy(sessions, settings)
                tidy_at = time.monotonic() + TIDY_EVERY
            pause = EVERY
        except _StoppedError:
            return
        except (RecsysError, SQLAlchemyError, OSError, RuntimeError) as error:  # RuntimeError: torch's, out of memory
            pause = min(2 * pause, LONGEST_PAUSE)
            log.warning("the worker failed, next try in %.0f s: %s", pause, error)
        stop.wait(pause)


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


def _last_change(sessions: Sessions) -> int:
    with sessions() as session:
        return articles.last_change(session)


def _encode(sessions: Sessions, encoders: list[Encoder], stop: threading.Event) -> bool:
    """Encode what is new; False when articles came while augmented views were made, which only a training reads."""
    views = [encoder for encoder in encoders if isinstance(encoder, ViewEncoder)]
    plain = [encoder for encoder in encoders if not isinstance(encoder, ViewEncoder)]

    def heed(stage: str, _done: int, _total: int) -> None:
        if stop.is_set():
            raise _StoppedError
        if not any(stage == encoder.modality for encoder in plain) and _waiting(sessions, plain):
            raise _NewsError

    try:
        _say(encode_new(sessions, plain, heed))
        _say(encode_new(sessions, views, heed))
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

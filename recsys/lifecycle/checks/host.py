"""Troubles of this host: its worker, its disk, its checkpoint and the pictures it should read."""

import fcntl
import shutil
from collections import Counter
from pathlib import Path

from recsys.database import health, jobs, vectors
from recsys.domain import is_address
from recsys.encoders.fetched import Fetched
from recsys.encoders.pictures import BrokenPictureError, decode, quiet_pillow, read_bytes
from recsys.lifecycle.checks.visit import Check, Findings, Visit, error, warning
from recsys.lifecycle.worker import LOCK
from recsys.settings import Settings

NAMED = 3  # pictures
OPENED = 50  # pictures that are opened to see why they fail
FULL, NEARLY_FULL = 200e6, 2e9  # free bytes
ASKED = 300.0  # seconds in which a worker takes the job that waits, unless it runs another one
LATE = 3600.0  # seconds that a checkpoint may lie behind the log, beside a few of its own intervals


def waiting(visit: Visit) -> Findings:
    """Articles that wait for their vectors, with nobody there to make them."""
    left = {name: vectors.count_not_encoded(visit.session, name, encoder) for name, encoder in visit.encoders.items()}
    left = {name: number for name, number in left.items() if number}
    if not left:
        return
    counted = ", ".join(f"{number:,} without a vector of the {name}" for name, number in left.items())
    if worker_runs(visit.settings):
        yield warning(f"Articles wait to be encoded: {counted}.", "The worker is at it; its log says how far it is.")
    else:
        yield warning(
            f"Articles wait to be encoded ({counted}), and no worker runs on this home.",
            "Start `recsys serve`, whose worker encodes them, or run `recsys encode`.",
        )


def asked(visit: Visit) -> Findings:
    """A retraining that waits, with nobody there who would begin it."""
    job = next(iter(jobs.newest(visit.session, 1, jobs.RETRAIN)), None)
    if job is None or job.status != jobs.WAITING or visit.now < job.created_at + ASKED:
        return
    waits = f"Job {job.job_id}, a retraining, waits since {(visit.now - job.created_at) / 60:,.0f} minutes"
    if worker_runs(visit.settings):
        yield warning(
            f"{waits}, though a worker runs on this home.", "The log of `recsys serve` says what of jobs fails."
        )
    else:
        yield warning(
            f"{waits}, and no worker runs on this home.",
            "Start `recsys serve`, whose worker runs it, or run `recsys retrain`.",
        )


def pictures(visit: Visit) -> Findings:
    """Pictures that cannot be read, and why the newest of them cannot."""
    encoder = visit.encoders.get("image")
    if encoder is None:
        return
    looked_at, failed = health.pictures_read(visit.session, encoder)
    if not failed:
        return
    unread = health.unread_pictures(visit.session, encoder, OPENED)
    with quiet_pillow():
        reasons = Counter(_reason(image, Fetched(visit.settings.fetched)) for image in unread)
    told = ", ".join(f"{number} {reason}" for reason, number in reasons.most_common())
    yield warning(
        f"{failed:,} of {looked_at:,} pictures could not be read; of the newest {len(unread)}: {told}, such as "
        f"{', '.join(unread[:NAMED])}.",
        "Send pictures as files that are there (JPEG, PNG, WebP), at addresses that this host may fetch, and run "
        "`recsys encode`.",
    )


def checkpoint(visit: Visit) -> Findings:
    """A checkpoint that lies far behind the log, from which a start takes long."""
    file, every = visit.settings.checkpoint, visit.settings.checkpoint_every
    if visit.newest is None or not every or not file.exists():
        return
    behind = min(visit.now, visit.newest) - file.stat().st_mtime
    if behind > LATE + 3 * every:
        yield warning(
            f"The newest checkpoint is {behind / 3600:.1f} hours older than the log: the next start has to read all of "
            "that.",
            "See that the worker of `recsys serve` runs, and what its log says of checkpoints.",
        )


def disk(settings: Settings) -> Findings:
    """A disk that is full, or nearly."""
    folder = next(path for path in (settings.home.absolute(), *settings.home.absolute().parents) if path.exists())
    free = shutil.disk_usage(folder).free
    if free < NEARLY_FULL:
        finding = error if free < FULL else warning
        yield finding(
            f"The disk of {folder} has {free / 1e6:,.0f} MB left.",
            "Delete the folders of old versions in snapshots/, or make the disk larger.",
        )


def worker_runs(settings: Settings) -> bool:
    """Whether a worker holds the lock of this home."""
    try:
        with (settings.home / LOCK).open() as file:
            fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _reason(image: str, fetched: Fetched) -> str:
    """Why a picture cannot be read, in few words, so that reasons can be counted."""
    path: Path | None = fetched.file(image)
    if path is None:
        return "could not be fetched" if is_address(image) else "are not there"
    try:
        data = read_bytes(path)
    except BrokenPictureError:
        return "are empty, too large, or may not be read"
    try:
        decode(data)
    except BrokenPictureError:
        return "are damaged or of no known format"
    return "can be read by now"


CHECKS: tuple[Check, ...] = (waiting, asked, pictures, checkpoint)

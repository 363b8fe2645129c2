"""Snapshots on their way into the database: marked from before they are there, and cleared away after a kill.

A kill between a folder's name and its row leaves a folder that no database lists. Its mark, a locked file beside it,
tells it from one that another process is about to record, and from what somebody put there.
"""

import fcntl
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from recsys.database import models
from recsys.database.session import Sessions
from recsys.settings import Settings

MARK = ".{}.unrecorded"


@contextmanager
def marked(settings: Settings, version: str) -> Iterator[None]:
    """Keep the mark of a version until its folder is recorded, or is gone again; the system unlocks it after a kill.

    Raises:
        OSError: when it cannot be written.
    """
    settings.snapshots.mkdir(parents=True, exist_ok=True)
    mark = settings.snapshots / MARK.format(version)
    with _locked(mark) as file:
        file.write(_database(settings))
        file.flush()
        try:
            yield
            unmark(settings, version)
        finally:
            if not (settings.snapshots / version).exists():
                unmark(settings, version)


def unmark(settings: Settings, version: str) -> None:
    """Take the mark away: the version is recorded, or its folder is gone."""
    (settings.snapshots / MARK.format(version)).unlink(missing_ok=True)


def clear_unrecorded(sessions: Sessions, settings: Settings) -> list[str]:
    """Remove the folders whose processes ended before they were recorded, and return their versions."""
    cleared = []
    before, behind = MARK.split("{}")
    for mark in settings.snapshots.glob(MARK.format("*")):
        version = mark.name.removeprefix(before).removesuffix(behind)
        with suppress(FileNotFoundError), mark.open("r+") as file:  # another process may be faster
            if not _free(file) or file.read() not in ("", _database(settings)):
                continue
            with sessions() as session:
                known = version in {row.version for row in models.versions(session)}
            if not known and (settings.snapshots / version).exists():
                shutil.rmtree(settings.snapshots / version)
                cleared.append(version)
            mark.unlink(missing_ok=True)
    return cleared


@contextmanager
def _locked(mark: Path) -> Iterator[IO[str]]:
    """Make and lock a file; again where it was cleared away between the two."""
    while True:
        with mark.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if mark.exists():
                yield file
                return


def _free(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _database(settings: Settings) -> str:
    """Which database a mark is about; another one that shares the folder must not judge it."""
    return hashlib.sha256(settings.url.encode()).hexdigest()

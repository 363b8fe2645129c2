"""Writes a folder whole or not at all, and clears away what killed processes left half written."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL = ".{}.partial"


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder to write to, which gets the name ``folder`` once the disk holds all of it.

    Its lock tells other processes that somebody is writing it; the system releases that when a process ends.

    Raises:
        OSError: when the disk does not take it, or such a folder is there already.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    _clear(folder.parent)
    partial = folder.with_name(PARTIAL.format(folder.name))
    descriptor = _claim(partial)
    try:
        yield partial
        for path in partial.iterdir():
            sync(path)
        sync(partial)
        partial.rename(folder)
        sync(folder.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        os.close(descriptor)


def sync(path: Path) -> None:
    """Have the disk hold a file, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _claim(partial: Path) -> int:
    """Make the folder and lock it; again where another process cleared it away between the two."""
    while True:
        partial.mkdir()
        try:
            descriptor = os.open(partial, os.O_RDONLY)
        except FileNotFoundError:
            continue
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if partial.exists():
            return descriptor
        os.close(descriptor)


def _clear(parent: Path) -> None:
    """Remove the temporary folders that nobody is writing."""
    for partial in parent.glob(PARTIAL.format("*")):
        try:
            descriptor = os.open(partial, os.O_RDONLY)
        except FileNotFoundError:  # its writer was faster
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(partial, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)

"""The fold over the log: state at an instant, ranking features of it, and its replay over history."""

import hashlib
import os
from pathlib import Path

from numba.core import config


def _version() -> str:
    """A hash of all the sources of the fold: what folds otherwise has another one."""
    here = Path(__file__).parent
    sources = [*sorted(here.glob("*.py")), here.parent / "columns.py"]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]


VERSION = _version()


def _cache_by_source() -> None:
    """Keep compiled code under the hash of all the sources it comes from.

    numba looks at the file of a function alone, not at those it calls: after a change in one file it would go on
    with the old code from another. What the user set as NUMBA_CACHE_DIR stays the place, with a folder in it.
    """
    here = Path(__file__).parent
    beside = here / "__pycache__" if os.access(here, os.W_OK) else Path.home() / ".cache" / "recsys" / "numba"
    config.CACHE_DIR = str(Path(config.CACHE_DIR or beside) / VERSION)  # type: ignore[attr-defined]


_cache_by_source()

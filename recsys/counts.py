"""What was counted while an answer was made, for whoever asks: candidates by source, articles left out by reason.

The companion of ``recsys.stages``: pure functions of the pipeline say what they found, and nothing is kept unless
somebody counts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Counts = dict[tuple[str, str], int]  # (what, which) -> how many

_counted: ContextVar[Counts | None] = ContextVar("counted", default=None)


@contextmanager
def counting() -> Iterator[Counts]:
    """What is counted by everything that runs inside."""
    counts: Counts = {}
    token = _counted.set(counts)
    try:
        yield counts
    finally:
        _counted.reset(token)


def is_counting() -> bool:
    """Whether somebody counts, so that a figure which has to be worked out is worked out only then."""
    return _counted.get() is not None


def count(what: str, which: str = "", number: int = 1) -> None:
    """Add to a count; without anybody who counts it is nothing."""
    counts = _counted.get()
    if counts is not None and number:
        counts[what, which] = counts.get((what, which), 0) + number

"""How long the stages of an answer took, for whoever asks: a benchmark, or a process's metrics.

Pure functions of the pipeline say where a stage begins and ends. Nothing is measured unless somebody records, and then
it belongs to the thread (or task) that does.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_recorded: ContextVar[dict[str, float] | None] = ContextVar("recorded", default=None)


@contextmanager
def recording() -> Iterator[dict[str, float]]:
    """Seconds by stage of everything that runs inside; who records around it gets them too."""
    seconds: dict[str, float] = {}
    around = _recorded.get()
    token = _recorded.set(seconds)
    try:
        yield seconds
    finally:
        _recorded.reset(token)
        if around is not None:
            for name, took in seconds.items():
                around[name] = around.get(name, 0.0) + took


@contextmanager
def stage(name: str) -> Iterator[None]:
    """A stage; where one is entered several times its seconds add up."""
    seconds = _recorded.get()
    if seconds is None:
        yield
        return
    started = time.perf_counter()
    try:
        yield
    finally:
        seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - started

"""Commands in processes of their own that kill themselves, without any warning, at a chosen place of the program.

The processes are forked from one that has imported the program, since importing it takes seconds.
"""

import functools
import importlib
import multiprocessing
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["recsys.lifecycle.retrain", "recsys.ingest.importer", "recsys.cli", "recsys.encoders.image", "torch._dynamo"]
)


@dataclass(frozen=True)
class Place:
    """Behind (or before) the n-th call of a function."""

    module: str
    name: str
    before: bool = False
    nth: int = 1


def killed_at(place: Place, home: Path, *arguments: object) -> None:
    """Run a command that kills itself there; that it got there and was killed is checked."""
    process = FORKS.Process(target=_run, args=(place, str(home), [str(argument) for argument in arguments]))
    process.start()
    process.join(600)
    assert process.exitcode == -signal.SIGKILL, process.exitcode


def _run(place: Place, home: str, arguments: list[str]) -> None:
    from recsys.cli import main
    from recsys.ingest import importer
    from recsys.lifecycle import train
    from recsys.training.heads import HeadConfig
    from recsys.training.towers import FitConfig

    importer.CHUNK = 30
    train.fit = functools.partial(train.fit, towers=FitConfig(max_steps=5, batch=128), heads=HeadConfig(epochs=1))
    os.environ["RECSYS_HOME"] = home
    _set_trap(place)
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - until the end of the process
    sys.argv = ["recsys", *arguments]
    main()


def _set_trap(place: Place) -> None:
    owner: Any = importlib.import_module(place.module)
    *holders, name = place.name.split(".")
    for holder in holders:
        owner = getattr(owner, holder)
    function, calls = getattr(owner, name), [0]

    def trapped(*given: Any, **named: Any) -> Any:
        calls[0] += 1
        result = None if place.before else function(*given, **named)
        if calls[0] == place.nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*given, **named) if place.before else result

    setattr(owner, name, trapped)

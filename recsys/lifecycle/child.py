"""Processes that a process of recsys starts: settings come as a line on standard input, and its end says stop.

So a child ends when its parent does, however that ends, and no setting (the database's password, say) is in a command
line. The parent itself stops a child by SIGTERM.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from logging.config import dictConfig
from signal import SIG_IGN, SIGINT, signal

from recsys import logs
from recsys.settings import Settings


def start(module: str, settings: Settings, environment: Mapping[str, str] | None = None) -> "subprocess.Popen[bytes]":
    """Run a module, with these variables besides this process's own.

    Raises:
        OSError: where the system starts no further process.
    """
    command = [sys.executable, "-m", module]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, env={**os.environ, **(environment or {})})
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # of one that died at once, which its exit code tells
        process.stdin.write(settings.model_dump_json().encode() + b"\n")
        process.stdin.flush()
    return process


def stop(process: "subprocess.Popen[bytes]", patience: float) -> None:
    """End a child in order; after so many seconds by force."""
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # of one that died before it had read its settings
        process.stdin.close()


def begin(at_end_of_input: Callable[[], object]) -> Settings:
    """In the child: its settings. It writes logs from now on, and is told where its input ends, from another thread."""
    signal(SIGINT, SIG_IGN)  # an interrupt at the terminal goes to the parent, which stops its children
    settings = Settings.model_validate_json(sys.stdin.buffer.readline())
    dictConfig(logs.config(settings.log_format))
    threading.Thread(target=_await_end_of_input, args=[at_end_of_input], daemon=True).start()
    return settings


def _await_end_of_input(then: Callable[[], object]) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    then()

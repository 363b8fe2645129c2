"""The worker as the process that started it sees it: another one is started where it dies, and stopped at the end."""

import logging
import subprocess
import sys
import threading
import time
from contextlib import suppress

from recsys.settings import Settings

log = logging.getLogger(__name__)

LOOK = 0.5  # seconds between two looks whether the worker is there
PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds until another worker starts; twice as many each time that it died young
STEADY = 60.0  # seconds from which on a worker did not die young
PATIENCE = 10.0  # seconds that a worker gets to end its batch


class Worker:
    """A running worker process, or the next one. It ends when this process does, however that ends."""

    def __init__(self, settings: Settings):
        """Start it with these settings."""
        self.process = _started(settings)
        self._settings, self._is_stopping = settings, threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="recsys-keeper", daemon=True)
        self._keeper.start()

    def stop(self) -> None:
        """End the worker: it finishes its batch, unless that takes too long."""
        self._is_stopping.set()
        self._keeper.join()
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _keep(self) -> None:
        started, pause = time.monotonic(), PAUSE
        while not self._is_stopping.wait(LOOK):
            if self.process.poll() is None:
                continue
            pause = PAUSE if time.monotonic() - started > STEADY else min(2 * pause, LONGEST_PAUSE)
            log.error("the worker ended with code %s; another one starts in %.0f s", self.process.returncode, pause)
            if not self._is_stopping.wait(pause):
                started = time.monotonic()
                self._start_again()

    def _start_again(self) -> None:
        try:
            self.process = _started(self._settings)
        except OSError as error:  # no memory for it, or no process left: tried again
            log.error("no worker could be started: %s", error)  # noqa: TRY400 - the sentence says it all


def _started(settings: Settings) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen([sys.executable, "-m", "recsys.lifecycle.worker"], stdin=subprocess.PIPE)
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # of one that died at once, which is seen soon
        process.stdin.write(settings.model_dump_json().encode() + b"\n")
        process.stdin.flush()
    return process

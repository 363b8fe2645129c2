"""The worker as the process that started it sees it: another one is started where it dies, and stopped at the end."""

import logging
import threading
import time

from recsys.lifecycle import child
from recsys.settings import Settings

log = logging.getLogger(__name__)

WORKER = "recsys.lifecycle.worker"
LOOK = 0.5  # seconds between two looks whether the worker is there
PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds until another worker starts; twice as many each time that it died young
STEADY = 60.0  # seconds from which on a worker did not die young
PATIENCE = 10.0  # seconds that a worker gets to end its batch


class WorkerProcess:
    """A running worker process, or the next one. It ends when this process does, however that ends."""

    def __init__(self, settings: Settings):
        """Start it with these settings."""
        self.process = child.start(WORKER, settings)
        self._settings, self._is_stopping = settings, threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, name="recsys-supervisor", daemon=True)
        self._supervisor.start()

    def stop(self) -> None:
        """End the worker: it finishes its batch, unless that takes too long."""
        self._is_stopping.set()
        self._supervisor.join()
        child.stop(self.process, PATIENCE)

    def _supervise(self) -> None:
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
            self.process = child.start(WORKER, self._settings)
        except OSError as error:  # no memory for it, or no process left: tried again
            log.error("no worker could be started: %s", error)  # noqa: TRY400 - the sentence says it all

"""Processes of a server with several: each ends when the one that started it does, however that ends."""

import logging
import os
import threading
from multiprocessing import parent_process
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from signal import SIGTERM

log = logging.getLogger(__name__)


def end_with_parent() -> None:
    """Watch the process that started this one, where multiprocessing did: orphans would hold the port for ever."""
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_await_end, args=[parent], name="recsys-parent", daemon=True).start()


def _await_end(parent: BaseProcess) -> None:
    wait([parent.sentinel])
    log.error("the process that started this one is gone: ending too")
    os.kill(os.getpid(), SIGTERM)  # uvicorn answers what it has begun, and ends

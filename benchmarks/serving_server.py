"""The real server, ``recsys serve`` on a free port of this machine, as a process that is measured and may be killed."""

import http.client
import os
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from recsys.domain import RecsysError
from recsys.settings import Settings

HOST = "127.0.0.1"
PATIENCE = 900.0  # seconds until a server that is not ready counts as broken
WORKER = "recsys.lifecycle.worker"
HELPER = "multiprocessing.resource_tracker"


@dataclass
class Server:
    """A running server; ``ready`` is how many seconds it took until it was."""

    process: "subprocess.Popen[bytes]"
    port: int
    ready: float = 0.0

    def tree(self) -> list[psutil.Process]:
        """The process and all that it started."""
        try:
            parent = psutil.Process(self.process.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def background(self) -> list[psutil.Process]:
        """The background worker."""
        return [process for process in self.tree() if WORKER in _command(process)]

    def api(self) -> list[psutil.Process]:
        """The processes that answer: the server's children, or itself where it has no others than helpers."""
        others = {process.pid for process in self.background()}
        others |= {child.pid for process in self.background() for child in _children(process)}
        parent, *rest = self.tree() or [None]
        answering = [p for p in rest if p is not None and p.pid not in others and HELPER not in _command(p)]
        return answering or ([parent] if parent is not None else [])

    def resident(self) -> float:
        """MB of the largest process that answers."""
        return max((process.memory_info().rss / 1e6 for process in self.api()), default=0.0)

    def stop(self) -> None:
        """End it and everything that it started."""
        started = self.tree()
        self.process.terminate()
        _, left = psutil.wait_procs(started, timeout=30)
        for process in left:
            process.kill()
        self.process.wait()


@contextmanager
def serving(settings: Settings, workers: int = 1, port: int | None = None) -> Iterator[Server]:
    """A server that is ready.

    Raises:
        RecsysError: when it ends before it is ready, or takes too long.
    """
    server = start(settings, workers, port or free_port())
    try:
        wait_until_ready(server)
        yield server
    finally:
        server.stop()


def start(settings: Settings, workers: int, port: int) -> Server:
    """Start a server, whose output goes to a file in its home."""
    program = str(Path(sysconfig.get_path("scripts")) / "recsys")
    command = [sys.executable, program, "serve", "--port", str(port), "--workers", str(workers)]
    with log_of(settings).open("ab") as log:
        process = subprocess.Popen(command, env=environment(settings), stdout=log, stderr=log, cwd=settings.home)
    return Server(process, port)


def wait_until_ready(server: Server) -> None:
    """Ask until it says that it is ready, and note the seconds since its start."""
    began = time.perf_counter()
    while not _is_ready(server.port):
        if server.process.poll() is not None or time.perf_counter() - began > PATIENCE:
            raise RecsysError("The server did not come up: its output is in serve.log, in the folder of --home.")
        time.sleep(0.05)
    server.ready = time.time() - psutil.Process(server.process.pid).create_time()


def environment(settings: Settings) -> dict[str, str]:
    """The variables that give another process what differs from the defaults in these settings."""
    names = settings.model_fields_set
    own = {f"RECSYS_{name.upper()}": str(getattr(settings, name)) for name in names}
    return {name: value for name, value in os.environ.items() if not name.startswith("RECSYS_")} | own


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def log_of(settings: Settings) -> Path:
    """Where the output of a server goes."""
    return settings.home / "serve.log"


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.NoSuchProcess:
        return []

"""The API's processes are replaced when they die, and all end when they are told to, whatever one of them does."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

SERVER = """
import uvicorn
from recsys.cli.processes import run_api

async def app(scope, receive, send):
    message = await receive()
    await send({"type": message["type"] + ".complete"})

if __name__ == "__main__":
    run_api(uvicorn.Config("server:app", port=0, workers=2, timeout_worker_healthcheck=60))
"""
SOON = 20.0  # seconds; far fewer than the 60 that a silent process gets


@pytest.fixture
def server(tmp_path) -> Iterator["subprocess.Popen[bytes]"]:
    (tmp_path / "server.py").write_text(SERVER)
    with subprocess.Popen([sys.executable, "server.py"], cwd=tmp_path, stderr=subprocess.DEVNULL) as started:
        until(lambda: len(running(started.pid)) == 2)
        try:
            yield started
        finally:
            left = running(started.pid)
            started.kill()
            for child in left:
                os.kill(child, signal.SIGKILL)


def running(parent: int) -> set[int]:
    """Processes of the server below this one, but for Python's own that keeps track of what they share."""
    children = map(int, _read(f"/proc/{parent}/task/{parent}/children").split())
    return {child for child in children if "spawn_main" in _read(f"/proc/{child}/cmdline")}


def _read(path: str) -> str:
    try:
        with open(path) as file:  # noqa: PTH123
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return ""  # of a process that ended


def until(condition) -> None:
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < SOON
        time.sleep(0.05)


def test_one_that_is_killed_after_it_was_asked_for_a_sign_of_life_is_replaced_at_once(server):
    before = running(server.pid)
    killed = min(before)
    os.kill(killed, signal.SIGSTOP)
    time.sleep(1.5)  # the supervisor asks twice a second, and waits by now
    os.kill(killed, signal.SIGKILL)
    until(lambda: len(running(server.pid) - {killed}) == 2)
    server.send_signal(signal.SIGTERM)
    until(lambda: server.poll() is not None)
    assert server.returncode == 0


def test_all_end_when_the_server_is_told_to(server):
    time.sleep(1)
    children = running(server.pid)
    server.send_signal(signal.SIGINT)
    until(lambda: server.poll() is not None)
    assert server.returncode == 0
    assert not [child for child in children if _read(f"/proc/{child}/cmdline")]

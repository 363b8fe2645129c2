"""Versions change hands while readers ask, by processes that are killed at any instant: nobody is turned away.

Two servers follow one database, each with a model of its own in memory. Promotions and rollbacks come from processes
that do nothing else and end by SIGKILL.
"""

import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import httpx
import pytest
import uvicorn
from api_calls import until

from api.app import create_app
from recsys.database import models
from recsys.database.session import open_sessions, writing
from recsys.snapshots.manifest import read_manifest

SECONDS = 30.0  # until every process serves what is live: one on an idle machine
KILLS, SWAPS = 3, 3

SWAPPER = """
import sys, time
from pathlib import Path
from recsys.database.session import open_sessions, writing
from recsys.lifecycle.versions import make_live, rollback
from recsys.settings import Settings
settings = Settings(home=Path(sys.argv[1]), _env_file=None)
sessions = open_sessions(settings)
while True:
    with writing(sessions) as session:
        make_live(session, sys.argv[2], "swapped", who="test")
    print("promoted", flush=True)
    time.sleep(0.4)
    rollback(sessions, settings, who="test")
    print("rolled back", flush=True)
    time.sleep(0.4)
"""


@contextmanager
def served(settings):
    """The address of a server of its own."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        server = uvicorn.Server(uvicorn.Config(create_app(settings), log_level="warning"))
        thread = threading.Thread(target=server.run, args=[[listening]])
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


class Readers:
    """Threads that ask both servers for recommendations, one after the other, until told to stop."""

    def __init__(self, addresses, count=2):
        self.stop, self.failures = threading.Event(), []
        self.seen = {address: set() for address in addresses}
        self.newest = dict.fromkeys(addresses)
        self.threads = [threading.Thread(target=self._ask, args=[number]) for number in range(count)]

    def _ask(self, number):
        with httpx.Client(timeout=60) as client:
            while not self.stop.is_set():
                for address in self.seen:
                    self._one(client, address, number)

    def _one(self, client, address, number):
        try:
            answer = client.get(f"{address}/v1/users/u{number}/recommendations", params={"limit": 5})
        except httpx.HTTPError as error:
            self.failures.append(repr(error))
            return
        if answer.status_code != 200 or len(answer.json()["items"]) != 5:
            self.failures.append(answer.text)
            return
        self.newest[address] = answer.json()["model_version"]
        self.seen[address].add(self.newest[address])

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()


def live(sessions):
    with sessions() as session:
        return models.live_version(session)


def killed_while_swapping(site, version, after):
    """Swap in a process until it is killed, which comes somewhere in its swaps."""
    command = [sys.executable, "-c", SWAPPER, str(site.home), version]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    for _ in range(SWAPS):
        assert process.stdout.readline()
    time.sleep(after)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()


@pytest.fixture
def readers(site):
    with served(site) as one, served(site) as two, Readers([one, two]) as asking:
        until(lambda: all(asking.newest.values()), SECONDS)
        yield asking


def test_nobody_is_turned_away_while_versions_are_swapped_and_their_swappers_killed(site, newspaper, readers):
    sessions = open_sessions(site)
    for number in range(KILLS):
        killed_while_swapping(site, newspaper.candidate, 0.15 * number)
        version = live(sessions)
        read_manifest(site.snapshots / version)
        until(lambda version=version: set(readers.newest.values()) == {version}, SECONDS)
    for version in (newspaper.candidate, newspaper.live):
        with writing(sessions) as session:
            models.promote(session, version, time.time(), "test")
        until(lambda version=version: set(readers.newest.values()) == {version}, SECONDS)
    both = {newspaper.live, newspaper.candidate}
    assert list(readers.seen.values()) == [both, both]

    weights = site.snapshots / newspaper.candidate / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with writing(sessions) as session:  # behind the back of the check that `recsys promote` makes
        models.promote(session, newspaper.candidate, time.time(), "test")
    time.sleep(1.0)
    assert set(readers.newest.values()) == {newspaper.live}
    assert readers.failures == []

"""Readers who look at every answer while a server is being hit, and wrk beside them."""

import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from serving_load import run_wrk
from serving_names import user_id
from serving_server import HOST

READERS, CONNECTIONS = 3, 4
AFTER = 15.0  # seconds after a kill in which a request that began before it may still fail
BROKEN = "connection broken"


class Readers:
    """Threads that ask until they are stopped; ``wrong`` says what should not have been answered.

    ``gently`` is with pauses and without wrk, where the machine has other things to do.
    """

    def __init__(self, port: int, users: int, versions: Sequence[str], *, gently: bool = False) -> None:
        self.port, self.users, self.versions, self.gently = port, users, versions, gently
        self.answers: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._lock, self._stop, self._calm_at = threading.Lock(), threading.Event(), 0.0

    @contextmanager
    def reading(self) -> Iterator[None]:
        """While inside, they read."""
        threads = [threading.Thread(target=self._read) for _ in range(READERS)]
        threads += [] if self.gently else [threading.Thread(target=self._load)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    @contextmanager
    def shaken(self) -> Iterator[None]:
        """While inside, and a little longer, connections may break."""
        self._calm_at = float("inf")
        yield
        self._calm_at = time.monotonic() + AFTER

    def _read(self) -> None:
        while not self._stop.is_set():
            path = f"/v1/users/{user_id(random.randint(1, self.users))}/recommendations"
            status, headers, body = request(self.port, "GET", path)
            fault = self.fault(status, headers, body)
            with self._lock:
                self.answers[str(status) if status else BROKEN] += 1
                if fault:
                    self.wrong.append(fault)
            if status != 200 or self.gently:
                time.sleep(0.1)

    def fault(self, status: int, headers: dict[str, str], body: bytes) -> str | None:
        """What is wrong with an answer, if anything."""
        if status == 0:
            return None if time.monotonic() < self._calm_at else "a connection broke though nobody was killed"
        if status == 503:
            return None if "retry-after" in headers else f"a 503 without Retry-After: {body.decode()[:200]}"
        if status != 200:
            return f"an answer with {status}: {body.decode()[:200]}"
        answer = json.loads(body)
        with self._lock:
            self.seen[answer["model_version"]] += 1
        whole = answer["model_version"] in self.versions and len(answer["items"]) == 10
        return None if whole else f"half an answer: {body.decode()[:200]}"

    def _load(self) -> None:
        """wrk has no eye for a server that is down, so it is started again and again."""
        while not self._stop.is_set():
            if time.monotonic() < self._calm_at - AFTER:
                time.sleep(0.2)
                continue
            said = run_wrk(self.port, self.users, CONNECTIONS, 2.0)
            with self._lock:
                self.answers["200 to wrk"] += said["ok"]
                if said["other"]:
                    self.wrong.append(f"{said['other']} answers to wrk were neither 200 nor 503")


def request(port: int, method: str, path: str, body: Any = None) -> tuple[int, dict[str, str], bytes]:
    """Status (0: none), headers by lower-case name, and body, on a connection of its own."""
    connection = http.client.HTTPConnection(HOST, port, timeout=20)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, headers, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, {}, b""
    finally:
        connection.close()

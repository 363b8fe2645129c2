"""Readers who click: a process that posts lists and clicks at a fixed rate and notes which of them were taken.

Run as a child: ``python benchmarks/serving_events.py PORT ARTICLES USERS RATE BATCH [FILE]``. It ends at the end of its
standard input. Every event that was answered with 202 has its id in the file, one in a line.
"""

import http.client
import json
import random
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from serving_names import SHOWN, article_id, user_id

HOST = "127.0.0.1"
RATE = 100.0  # events a second
BATCH = 5  # events in each POST: a list, and clicks
JSON = {"Content-Type": "application/json"}
TAKEN, NOTHING = "202", "no answer"
PAUSE = 0.2  # seconds until another try where nobody answers

Event = dict[str, Any]


@contextmanager
def posting(port: int, articles: int, users: int, rate: float = RATE, file: Path | None = None) -> Iterator[list[Any]]:
    """While inside, events arrive; afterwards the list holds how many were answered with which status."""
    said: list[Any] = []
    given = [str(part) for part in (port, articles, users, rate, BATCH, *([file] if file else []))]
    child = subprocess.Popen([sys.executable, __file__, *given], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield said
    finally:
        out, _ = child.communicate()
        said.append(json.loads(out))


def run(port: int, articles: int, users: int, rate: float, batch: int, file: Path | None) -> dict[str, int]:
    """Post until told to stop; returns how many events got which status ."""
    stop = threading.Event()
    threading.Thread(target=_await_end_of_input, args=[stop], daemon=True).start()
    statuses: dict[str, int] = {}
    connection, due = http.client.HTTPConnection(HOST, port, timeout=20), time.monotonic()
    with (file or Path("/dev/null")).open("w") as taken:
        while not stop.wait(max(0.0, due - time.monotonic())):
            due += batch / rate
            events = made(articles, users, batch)
            status = post(connection, events)
            statuses[status] = statuses.get(status, 0) + len(events)
            if status == NOTHING:  # a server that is down is not to be flooded when it comes back
                due = time.monotonic() + PAUSE
            if status == TAKEN:
                taken.writelines(f"{event['event_id']}\n" for event in events)
                taken.flush()
    return statuses


def made(articles: int, users: int, batch: int) -> list[Event]:
    """A list that somebody saw, and clicks of others."""
    now = datetime.now(UTC).isoformat()
    shown = random.sample(range(1, articles + 1), SHOWN)
    seen = {"type": "impression", "items": [article_id(key) for key in shown]}
    clicks = [{"type": "click", "article_id": article_id(random.randint(1, articles))} for _ in range(batch - 1)]
    return [
        {"event_id": uuid.uuid4().hex, "user_id": user_id(random.randint(1, users)), "at": now} | event
        for event in (seen, *clicks)
    ]


def post(connection: http.client.HTTPConnection, events: list[Event]) -> str:
    """Status of the answer; what the server rejected of them is a fault of this program."""
    try:
        connection.request("POST", "/v1/events", json.dumps({"events": events}), JSON)
        answer = connection.getresponse()
        said = answer.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        return NOTHING
    if answer.status == 503 and not answer.getheader("Retry-After"):
        return "503 without Retry-After"
    if str(answer.status) == TAKEN and json.loads(said)["rejected"]:
        raise SystemExit(f"events were rejected: {said.decode()}")
    return str(answer.status)


def _await_end_of_input(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()


if __name__ == "__main__":
    port, articles, users, rate, batch, *files = sys.argv[1:]
    done = run(int(port), int(articles), int(users), float(rate), int(batch), Path(files[0]) if files else None)
    print(json.dumps(done))

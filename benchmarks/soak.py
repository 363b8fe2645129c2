"""Does anything get lost under trouble: ``python benchmarks/soak.py [--minutes 10] [--json FILE]``.

A server with two processes answers wrk and readers who look at every answer, while another process posts events and
remembers the id of each that got a 202. Meanwhile versions are promoted and rolled back, processes that answer and the
background worker are killed with -9, and the whole server is restarted, or killed and started again.

At the end every event with a 202 must be in the database exactly once, every answer must have been a 200 of a whole
version, or a 503 with Retry-After, and no connection may have broken but beside a kill; else the exit code is 1.
"""

import argparse
import random
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from quality import tables, write_json
from rich.console import Console
from serving import site
from serving_catalogue import Sizes
from serving_events import TAKEN, posting
from serving_server import Server, free_port, start, wait_until_ready
from soak_readers import Readers, request

from recsys.domain import RecsysError
from recsys.evaluation.report import table
from recsys.settings import Settings

SOAK = "what happened"
SIZES, WORKERS = Sizes(500, 2000, history=10, lists=2), 2
PAUSE = 4.0  # seconds between two blows, at most
GENTLE = 1.0  # the same, with no load to speak of
BLOWS = ("promote", "promote", "rollback", "kill_api", "kill_worker", "restart", "kill_all")
EVENTS = (TAKEN, "503", "no answer")  # what may become of an event

Row = dict[str, Any]


class Site:
    """A server that can be hit, and what was done to it."""

    def __init__(self, settings: Settings, sizes: Sizes, versions: Sequence[str], *, gently: bool) -> None:
        self.settings, self.versions, self.port = settings, versions, free_port()
        self.blows: Counter[str] = Counter()
        self.readers = Readers(self.port, sizes.users, versions, gently=gently)
        self.server = self._start()

    def promote(self) -> None:
        """Another version goes live, or the same once more."""
        request(self.port, "POST", f"/v1/models/{random.choice(self.versions)}/promote")

    def rollback(self) -> None:
        """The version before; refused where there is none."""
        request(self.port, "POST", "/v1/models/rollback")

    def kill_api(self) -> None:
        """One process that answers; the others go on, and the server makes a new one."""
        with self.readers.shaken():
            random.choice(self.server.api()).kill()
            self._until_answering()

    def kill_worker(self) -> None:
        """The background worker."""
        for process in self.server.background():
            process.kill()

    def restart(self) -> None:
        """As an operator does it."""
        with self.readers.shaken():
            self.server.stop()
            self.server = self._start()

    def kill_all(self) -> None:
        """As a machine without power does it."""
        with self.readers.shaken():
            for process in self.server.tree():
                process.kill()
            self.server.process.wait()
            self.server = self._start()

    def hit(self, blow: str) -> None:
        """One of BLOWS."""
        self.blows[blow] += 1
        getattr(self, blow)()

    def _start(self) -> Server:
        server = start(self.settings, WORKERS, self.port)
        wait_until_ready(server)
        return server

    def _until_answering(self) -> None:
        until = time.monotonic() + 60.0
        while len(self.server.api()) < WORKERS and time.monotonic() < until:
            time.sleep(0.1)
        wait_until_ready(self.server)


def soak(
    settings: Settings,
    sizes: Sizes,
    versions: Sequence[str],
    seconds: float,
    blows: Sequence[str] = (),
    *,
    gently: bool = False,
) -> tuple[list[Row], list[str]]:
    """Run it, with these blows first and then with any; returns what happened, and what was wrong."""
    pause = GENTLE if gently else PAUSE
    file, place = settings.home / "taken.txt", Site(settings, sizes, versions, gently=gently)
    try:
        with place.readers.reading(), posting(place.port, sizes.articles, sizes.users, file=file) as events:
            until, planned = time.monotonic() + seconds, list(blows)
            while time.monotonic() < until or planned:
                time.sleep(random.uniform(pause / 4, pause))
                place.hit(planned.pop(0) if planned else random.choice(BLOWS))
            time.sleep(pause)
    finally:
        place.server.stop()
    lost, twice = compared(settings.home / "recsys.db", file)
    return _judged(place, events[0], lost, twice)


def compared(database: Path, file: Path) -> tuple[list[str], list[str]]:
    """Ids of events that got a 202 and are not in the database, and of those that are in it more than once."""
    with sqlite3.connect(database) as connection:
        rows = connection.execute(
            "SELECT event_id FROM clicks UNION ALL SELECT impression_id FROM impressions"
        ).fetchall()
    connection.close()
    there, taken = Counter(name for (name,) in rows), file.read_text().split()
    return [name for name in taken if not there[name]], [name for name in taken if there[name] > 1]


def _judged(place: Site, events: dict[str, int], lost: list[str], twice: list[str]) -> tuple[list[Row], list[str]]:
    readers = place.readers
    counts = {"answers": readers.answers, "versions in them": readers.seen, "events": events, "blows": place.blows}
    rows = [{"table": SOAK, "of": of, "what": k, "times": v} for of, count in counts.items() for k, v in count.items()]
    rows += [{"table": SOAK, "of": "events with a 202", "what": k, "times": len(v)}
             for k, v in {"lost": lost, "twice": twice}.items()]  # fmt: skip
    wrong = [*readers.wrong, *(f"event {name} was lost" for name in lost)]
    wrong += [f"event {name} is there twice" for name in twice]
    wrong += [f"{count} events were answered with {status}" for status, count in events.items() if status not in EVENTS]
    return rows, wrong if events.get(TAKEN) else [*wrong, "no event was taken at all"]


def main() -> None:
    """Parse the command, run it, print its table and write its JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--home", type=Path, help="folder that keeps what was made, to look at")
    parser.add_argument("--json", type=Path)
    options, began = parser.parse_args(), time.perf_counter()
    try:
        with tempfile.TemporaryDirectory() as folder:
            made = site(options.home or Path(folder) / "site", SIZES, versions=2)
            rows, wrong = soak(*made, 60 * options.minutes)
    except RecsysError as error:
        sys.exit(str(error))
    for title, some in tables(rows).items():
        print(f"\n{title}")
        Console(width=120).print(table(some, ["of", "what", "times"]))
    if options.json:
        write_json(options.json, rows, 1, round(time.perf_counter() - began, 1))
    sys.exit("\n".join(wrong[:20]) if wrong else 0)


if __name__ == "__main__":
    main()

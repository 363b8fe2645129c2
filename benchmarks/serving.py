"""What serving costs: ``python benchmarks/serving.py [--articles 10000 100000 1000000] [--json FILE]``.

For each size of the catalogue a newspaper is generated (readers with 50 clicks each, all articles live), and the real
server is started on this machine. wrk, a process of its own, asks for recommendations of readers drawn at random,
which are logged as served, while another process posts 100 events a second. Figures are medians of all runs; only
answers with 200 count as requests a second, and wrk's milliseconds are of all answers. Beside HTTP there are

* the same answers in a process of its own that follows the same database, with the stages' medians;
* the exact searches of the sources and both stages of the ranking head alone;
* ``prototype.py``, the least that a recommender can be, in process and over HTTP, with the same catalogue and events;
* half of the peak as a fixed rate, timed from when each request was due (no coordinated omission);
* how soon another process knows a click, an article, and that one was deleted.

The model was trained for seconds on a small newspaper: shapes are real, answers mean little. With all runs of a minute
this takes an hour for each size; ``--home`` keeps the generated newspapers for the next time.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import prototype
import serving_catalogue
import serving_fresh
import serving_inside
import serving_limits
import serving_model
import serving_retrain
from quality import tell
from serving_catalogue import Sizes
from serving_events import RATE, posting
from serving_load import at_rate, run_wrk, wrk_version
from serving_server import Server, serving

from recsys.database.session import open_sessions
from recsys.domain import RecsysError
from recsys.lifecycle.checkpoints import CheckpointWriter
from recsys.settings import Settings

ANSWERS, ALONE, FRESH = "answers", "parts of an answer in process, ms", "how soon it is known"
IMAGES_UP_TO = 100_000  # articles; beyond, titles alone
YEAR = 365 * 24.0  # hours
CONNECTIONS = (1, 4, 16, 64)
PARTS = ("load", "inside", "half", "prototype", "retrain", "fresh")

Row = dict[str, Any]


def main() -> None:
    """Parse the command, run it, print its tables and write its JSON."""
    options = _parser().parse_args()
    try:
        print(f"load by {wrk_version()}; events: {RATE:.0f} a second", file=sys.stderr)
    except RecsysError as error:
        sys.exit(str(error))
    tell(_rows(options), options.json, width=170)


def _rows(options: argparse.Namespace) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        for articles in options.articles:
            home = (options.home or Path(folder)) / f"{articles}-articles-{options.users}-users"
            settings, sizes, _ = site(home, Sizes(articles, options.users))
            yield from _size_rows(settings, sizes, options)


def site(home: Path, sizes: Sizes, versions: int = 1) -> tuple[Settings, Sizes, list[str]]:
    """A newspaper in a folder, where it may be already, with versions of a model that today's code can read."""
    image = {} if sizes.articles <= IMAGES_UP_TO else {"image_encoder": ""}
    settings = Settings(home=home.absolute(), live_hours=YEAR, _env_file=None, **image)
    if not (home / "complete").exists():
        serving_catalogue.write(settings, sizes)
        (home / "complete").touch()
    made = serving_model.there(settings)
    if len(made) < versions:
        made = serving_model.make(settings, sizes, versions)
    if not settings.checkpoint.exists():  # as the worker of a server that has run for minutes has written one
        sessions = open_sessions(settings)
        CheckpointWriter(sessions, settings).write()
        sessions.kw["bind"].dispose()
    _read_once(settings.home / "recsys.db")
    return settings, sizes, made


def _read_once(database: Path) -> None:
    """Have the system keep the file in memory, as it does after a day of serving: no row is to measure the disk."""
    with database.open("rb") as file:
        while file.read(1 << 24):
            pass


def _size_rows(settings: Settings, sizes: Sizes, options: argparse.Namespace) -> Iterator[Row]:
    measured: dict[str, Row] = {}
    with serving(settings, options.workers) as server:
        with posting(server.port, sizes.articles, sizes.users) as events:
            for row in _loaded(settings, sizes, server, options):
                measured[row["name"]] = row
                yield {"articles": sizes.articles} | row
        posted = events[0]
    if "retrain" in options.parts:
        serving_retrain.forget(settings)
    if "fresh" in options.parts:
        with serving(settings, max(2, options.workers)) as server:
            for row in serving_fresh.rows(server, sizes.users, options.tries):
                yield {"table": FRESH, "articles": sizes.articles} | row
    yield from ({"articles": sizes.articles} | row for row in serving_limits.rows(measured, posted))


def _loaded(settings: Settings, sizes: Sizes, server: Server, options: argparse.Namespace) -> Iterator[Row]:
    """The rows of one server, while events arrive."""
    users, seconds = sizes.users, options.seconds
    ready, peak = {"ready s": round(server.ready, 1)}, 0.0
    run_wrk(server.port, users, 1, min(3.0, seconds))  # not measured
    for connections in options.connections if "load" in options.parts else ():
        runs = [run_wrk(server.port, users, connections, seconds) for _ in range(options.runs)]
        row = _median(runs) | {"RSS MB": round(server.resident())} | ready
        peak = max(peak, row["requests / s"])
        yield {"table": ANSWERS, "name": f"HTTP, {connections} connection{'s' * (connections > 1)}"} | row
    if "half" in options.parts and peak:
        at_rate(server.port, users, peak / 2, min(3.0, seconds))  # what wrk left behind is worked off
        runs = [at_rate(server.port, users, peak / 2, seconds) for _ in range(options.runs)]
        yield {"table": ANSWERS, "name": "HTTP, half of the peak"} | _median(runs)
    if "inside" in options.parts:
        yield from _inside(settings, users, options)
    if "prototype" in options.parts:
        yield from _prototype(settings, users, options)
    if "retrain" in options.parts and peak:
        for row in serving_retrain.rows(server, users, peak / 4, seconds, options.runs, _median):
            yield {"table": ANSWERS} | row


def _inside(settings: Settings, users: int, options: argparse.Namespace) -> Iterator[Row]:
    runs = [serving_inside.in_child(settings, users, options.seconds) for _ in range(options.runs)]
    stages = _median([run.pop("stages") for run in runs])
    figures = _median(runs)
    whole = {name: figures.pop(name) for name in ("requests / s", "p50", "p95", "p99", "RSS MB", "ready s")}
    yield {"table": ANSWERS, "name": "in process"} | whole
    yield {"table": ALONE, "name": "stages", **stages}
    yield {"table": ALONE, "name": "exact search and both heads", **figures}


def _prototype(settings: Settings, users: int, options: argparse.Namespace) -> Iterator[Row]:
    with prototype.running(settings, users, options.seconds) as (server, inside):
        yield {"table": ANSWERS, "name": "prototype, in process"} | inside
        for connections in (c for c in options.connections if c in (1, 4)):
            runs = [run_wrk(server.port, users, connections, options.seconds) for _ in range(options.runs)]
            name = f"prototype, HTTP, {connections} connection{'s' * (connections > 1)}"
            yield {"table": ANSWERS, "name": name} | _median(runs) | {"RSS MB": round(server.resident())}


def _median(runs: Sequence[Row]) -> Row:
    """The median of each figure over the runs, errors summed."""
    found: Row = {}
    for name in (name for name in runs[0] if name not in ("ok", "other")):
        values = [run[name] for run in runs if name in run]
        found[name] = sum(values) if name in ("errors", "503") else round(float(np.median(values)), 3)
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--articles", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], metavar="N")
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each run")
    parser.add_argument("--runs", type=int, default=5, help="of which the median counts")
    parser.add_argument("--connections", type=int, nargs="+", default=list(CONNECTIONS), metavar="N")
    parser.add_argument("--workers", type=int, default=1, help="processes of the server")
    parser.add_argument(
        "--tries", type=int, default=50, help="clicks whose freshness is measured, and twice the articles"
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what to measure")
    parser.add_argument("--home", type=Path, help="folder that keeps the generated newspapers")
    parser.add_argument("--json", type=Path)
    return parser


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()

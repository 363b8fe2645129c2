"""What training costs: ``python benchmarks/training.py [--ebnerd DIR] [--scale 1 4 16] [--json FILE]``.

* Impressions per second of one epoch, beside NRMS, on the bundled sample, which is synthetic but has titles.
* With ``--ebnerd``: the seconds of ``recsys train`` on a folder's training week by stage, and how fast features replay.
* With ``--scale``: a generated log of so many times 62,500 impressions, each in a process of its own: seconds and the
  most memory that it ever held.

One thread; seconds are of the process's CPU, which on a free machine is what passes.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ebnerd
import numpy as np
import torch
import training_speed
from clock import Clock
from ebnerd import HOUR, WEEK, Week
from quality import tell
from training_scale import in_child

from recsys.columns import EventLog, between
from recsys.database import articles
from recsys.database.session import open_sessions, upgrade
from recsys.encoders import load_encoders
from recsys.features.features import Attributes
from recsys.features.replay import Replay
from recsys.ingest.importer import import_path
from recsys.lifecycle.encode import encode_new
from recsys.lifecycle.train import train
from recsys.settings import Settings, bundled
from recsys.training.fit import SAMPLED, SAMPLED_LISTS

STAGES = "recsys train on the training week, CPU seconds"
REPLAY = "replay of features, one thread"
IMPRESSIONS = 62_500  # of the generated log at 1x

Row = dict[str, Any]


def main() -> None:
    """Parse the command, run it, print its tables and write its JSON."""
    options = _parser().parse_args()
    torch.set_num_threads(1)
    tell(_rows(options), options.json, width=150)


def _rows(options: argparse.Namespace) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        if options.speed:
            yield from sample_rows(Path(folder) / "sample")
        if options.ebnerd:
            yield from week_rows(options.ebnerd, options.home or Path(folder) / "ebnerd")
    for factor in options.scale:
        yield in_child(IMPRESSIONS * factor)


def sample_rows(home: Path) -> Iterator[Row]:
    """The speed table, on titles alone."""
    settings = Settings(home=home, database_url="", image_encoder="")
    upgrade(settings)
    sessions = open_sessions(settings)
    import_path(sessions, "table", bundled("sample"))
    encoders = load_encoders(settings)
    encode_new(sessions, encoders)
    data = Week(sessions, settings, np.inf).training_set()
    with sessions() as session:
        found = articles.articles_by_key(session, range(data.content.rows))
    titles = [found[key].title or "" if key in found else "" for key in range(data.content.rows)]
    yield from training_speed.rows(data, titles)


def week_rows(folder: Path, home: Path) -> Iterator[Row]:
    """``recsys train`` on the first week of a folder by stage, and replays of its log."""
    week = ebnerd.load(folder, home)
    data, clock = week.whole, Clock()
    end = np.floor(data.log.impressions.known_at[0] / HOUR) * HOUR + WEEK
    model = train(week.sessions, week.settings, until=end, report=clock)
    clock("write")
    yield {
        "table": STAGES,
        "name": "recsys train",
        "lists": model.metrics["lists"],
        **clock.seconds,
        "total": sum(clock.seconds.values()),
    }
    yield from replay_rows(data.attributes, data.users, between(data.log, -np.inf, end))


def replay_rows(attributes: Attributes, users: int, log: EventLog) -> Iterator[Row]:
    """Rows a second with features of what was shown, with training's samples too, and when nothing is scored."""
    shown, every = int(log.impressions.offsets[-1]), max(1, len(log.impressions) // SAMPLED_LISTS)
    Replay(attributes, users).run(between(log, -float("inf"), float(log.impressions.known_at[0])))  # compiles
    for name, since, sampled in (("what was shown", 0.0, 0), ("with samples", 0.0, SAMPLED), ("folded only", 1e18, 0)):
        replay = Replay(attributes, users, sampled=sampled, sample_every=every)
        started = time.process_time()
        examples = replay.run(log, score_from=since)
        seconds = time.process_time() - started
        rows = len(examples.keys) or shown
        yield {
            "table": REPLAY,
            "name": name,
            "articles": rows,
            "CPU seconds": seconds,
            "articles / s": round(rows / seconds),
        }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speed", action=argparse.BooleanOptionalAction, default=True, help="beside NRMS")
    parser.add_argument("--ebnerd", type=Path, metavar="DIR", help="EB-NeRD folder")
    parser.add_argument("--scale", type=int, nargs="*", default=[], metavar="N", help="times 62,500 impressions")
    parser.add_argument("--home", type=Path, help="folder that keeps the imported week")
    parser.add_argument("--json", type=Path)
    return parser


if __name__ == "__main__":
    main()

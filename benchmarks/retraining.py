"""What retraining costs and gives, day by day: ``python benchmarks/retraining.py ebnerd DIR [--json FILE]``.

From the fourth day of the first week on each day's lists are ranked by three models: one trained from scratch on
everything before that day, one that went on from the day before (``recsys retrain``), and one trained on the first two
days and never again. Seconds are CPU seconds of ``recsys train``, from reading the log to the written snapshot.
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ebnerd
import numpy as np
import torch
from clock import Clock
from ebnerd import DAY, HOUR, Week
from options import add_common
from quality import tell
from threadpoolctl import threadpool_limits

from recsys.columns import Floats, Ints
from recsys.domain import RecsysError, Timestamp
from recsys.evaluation import metrics
from recsys.evaluation.bootstrap import bootstrap_mean, paired_bootstrap
from recsys.evaluation.evaluate import Judged, evaluate_shown
from recsys.lifecycle.loading import load_model
from recsys.lifecycle.train import train

DAYS, DIFFERENCES, STAGES = "by day", "difference of nDCG@10, paired over users", "CPU seconds by stage"
FIRST, LAST = 2, 7  # days that the first model knows, and days of the week
FULL, WARM, NEVER = "from scratch", "warm start", "never again"
FIGURES = ("auc", "ndcg@10")

Row = dict[str, Any]


@dataclass(frozen=True)
class Measured:
    """One model on the lists of one day."""

    name: str
    day: int  # from 1
    judged: Judged
    seconds: float | None = None  # CPU, of its training
    stages: dict[str, float] | None = None

    @property
    def row(self) -> Row:
        """Its line in the table."""
        values, users = self.judged.figures, self.judged.users
        return {
            "table": DAYS,
            "day": self.day,
            "name": self.name,
            "impressions": len(users),
            **{name: metrics.mean(values[name]) for name in FIGURES},
            "log_loss": self.judged.summary["log_loss"],
            "ece": self.judged.summary["ece"],
            "confidence": {name: bootstrap_mean(values[name], users) for name in FIGURES},
            "seconds_to_train": None if self.seconds is None else round(self.seconds, 1),
        }


def main() -> None:
    """Parse the command, run it, print its tables and write its JSON."""
    options = _parser().parse_args()
    torch.set_num_threads(options.threads)
    with threadpool_limits(options.threads), tempfile.TemporaryDirectory() as folder:
        tell(_rows(options, options.home or Path(folder)), options.json, options.threads, width=150)


def _rows(options: argparse.Namespace, home: Path) -> Iterator[Row]:
    week = ebnerd.load(options.folder, home)
    for seed in range(options.seeds):
        yield from week_rows(week, seed, options.days)


def week_rows(week: Week, seed: int, days: int) -> Iterator[Row]:
    """Rows of the first ``days`` that are compared, then the differences over all of them, then where the time goes."""
    done: list[Measured] = []
    for one in measured(week, seed, days):
        done.append(one)
        yield one.row
    yield from differences(done)
    for name in (FULL, WARM):
        yield stages(name, [one for one in done if one.name == name])


def measured(week: Week, seed: int, days: int) -> Iterator[Measured]:
    """The three models, day after day."""
    first = float(np.floor(week.whole.log.impressions.known_at[0] / HOUR) * HOUR)
    once = _trained(week, first + FIRST * DAY, seed, None)
    warm = once[0]
    for day in range(FIRST + 1, min(FIRST + 1 + days, LAST)):
        at = first + day * DAY
        version, clock = _trained(week, at, seed, None)
        yield Measured(FULL, day + 1, _judged(week, version, at), sum(clock.seconds.values()), clock.seconds)
        warm, clock = _trained(week, at, seed, warm)
        yield Measured(WARM, day + 1, _judged(week, warm, at), sum(clock.seconds.values()), clock.seconds)
        yield Measured(NEVER, day + 1, _judged(week, once[0], at))


def differences(done: list[Measured]) -> Iterator[Row]:
    """Each way less the one from scratch, by day and over all days."""
    by_name = {name: [one for one in done if one.name == name] for name in (FULL, WARM, NEVER)}
    for name in (WARM, NEVER):
        for ours, full in zip(by_name[name], by_name[FULL], strict=True):
            yield _difference(name, str(ours.day), [ours], [full])
        yield _difference(name, "all", by_name[name], by_name[FULL])


def stages(name: str, done: list[Measured]) -> Row:
    """Mean CPU seconds of a training by stage."""
    found = [one.stages or {} for one in done]
    means = {stage: float(np.mean([some.get(stage, 0.0) for some in found])) for stage in found[0]}
    return {"table": STAGES, "name": name, **{k: round(v, 1) for k, v in means.items()}, "all": sum(means.values())}


def _difference(name: str, day: str, ours: list[Measured], full: list[Measured]) -> Row:
    row: Row = {"table": DIFFERENCES, "name": f"{name} − {FULL}", "day": day, "confidence": {}}
    users: Ints = np.concatenate([one.judged.users for one in ours])
    for metric in FIGURES:
        a, b = _all(ours, metric), _all(full, metric)
        row[metric], low, high = paired_bootstrap(a, b, users)
        row["confidence"][metric] = low, high
    spent = [sum(one.seconds for one in some if one.seconds) for some in (ours, full)]
    row["share_of_seconds"] = round(spent[0] / spent[1], 3) if spent[0] else None
    return row


def _all(done: list[Measured], metric: str) -> Floats:
    return np.concatenate([one.judged.figures[metric] for one in done])


def _trained(week: Week, until: Timestamp, seed: int, start: str | None) -> tuple[str, Clock]:
    clock = Clock()
    model = train(week.sessions, week.settings, until=until, seed=seed, start=start, report=clock)
    clock("write", 1)
    begun = model.metrics["start"]["version"]
    if begun != start:
        raise RecsysError(f"no warm start: {model.metrics['start']['from_scratch_because']}")
    return model.version, clock


def _judged(week: Week, version: str, at: Timestamp) -> Judged:
    model = load_model(week.sessions, week.settings, version, week.whole)
    return evaluate_shown(model, week.window(at, at + DAY))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["ebnerd"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--days", type=int, default=LAST - FIRST - 1, help="how many of the days, from the fourth on")
    add_common(parser, seeds=1, threads=1)
    return parser


if __name__ == "__main__":
    main()

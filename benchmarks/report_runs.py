"""The trainings and evaluations behind the plots of ``report.py``: one log, cut and trained in several ways."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from recsys.columns import ClickColumns, EventLog, Floats, Floats32, between
from recsys.database.session import open_sessions, upgrade
from recsys.domain import RecsysError, Timestamp
from recsys.encoders import expected_ids, load_encoders
from recsys.encoders.device import set_threads
from recsys.evaluation import metrics
from recsys.evaluation.bootstrap import bootstrap_mean
from recsys.evaluation.curves import mean_roc, reliability
from recsys.evaluation.evaluate import replayed, scores
from recsys.features.examples import Examples
from recsys.features.features import FEATURES
from recsys.ingest.importer import import_path
from recsys.lifecycle.encode import encode_new
from recsys.lifecycle.judging import window_of
from recsys.pipeline.load import Dataset, load_dataset
from recsys.pipeline.model import Model
from recsys.settings import Settings, bundled
from recsys.training.fit import TrainingSet, fit

HOUR = 3600.0
DAY = 24 * HOUR
WEEK = 7 * DAY
TEST_DAYS = {"ebnerd": 2, "sample": 4}  # where there is no validation week
PARTS = (1 / 8, 1 / 4, 1 / 2, 1.0)  # of the training clicks, the newest ones
LATER_DAYS, FEWEST_DAYS = 7, 3  # days behind the ageing model, and days that it is at least trained on
FIGURES = ("auc", "ndcg@10")
TAKEN = (0.1, 0.2, 0.3, 0.5, 0.7)  # where the table reads the ROC curves
PEER, PEER_COLUMN = "clicks, half-life 8 h", "clicks_8h"  # needs no training, so it shows how hard a day is

Row = dict[str, Any]


@dataclass(frozen=True)
class Log:
    """A log with a test window at its end; models by the end of their training window are kept."""

    settings: Settings
    data: Dataset
    first: Timestamp
    split: Timestamp
    seed: int

    def model(self, until: Timestamp) -> Model:
        """Trained on everything known before a time."""
        return self._models(until)

    @functools.cached_property
    def _models(self) -> "functools._lru_cache_wrapper[Model]":
        return functools.cache(lambda until: trained(self.settings, self.data, until, self.seed))

    @functools.cached_property
    def test(self) -> Examples:
        """The lists from the split on."""
        return replayed(window_of(self.data, self.settings, self.split, None))


def load(kind: str, folder: Path, home: Path, seed: int) -> Log:
    """Import a log; it is tested on its second week where it has one, else on its last days."""
    settings = Settings(home=home, database_url="")
    set_threads(settings)
    upgrade(settings)
    sessions = open_sessions(settings)
    import_path(sessions, "table" if kind == "sample" else kind, bundled("sample") if kind == "sample" else folder)
    encode_new(sessions, load_encoders(settings))
    with sessions() as session:
        limit = settings.robot_clicks_per_hour
        data = load_dataset(session, expected_ids(settings), robot_limit=limit)
    times = data.log.impressions.known_at
    if len(times) == 0:
        raise RecsysError(f"{folder} holds no impression: see data/README.md for the layout.")
    first = float(np.floor(times[0] / HOUR) * HOUR)
    last = first + float(np.ceil((times[-1] - first) / DAY)) * DAY
    weeks = kind == "ebnerd" and last > first + WEEK
    return Log(settings, data, first, first + WEEK if weeks else last - TEST_DAYS[kind] * DAY, seed)


def trained(settings: Settings, data: Dataset, until: Timestamp, seed: int) -> Model:
    """The product's own training on what was known before ``until``."""
    known = replace(data, log=between(data.log, -np.inf, until))
    training = TrainingSet.of(known, settings, expected_ids(settings), until=until)
    return fit(training, version="report", seed=seed, fusion=settings.fusion)


def calibration(log: Log) -> list[Row]:
    """One row for each bin of probabilities on the test window."""
    labels, (_, chances) = log.test.labels, scores(log.model(log.split), log.test)
    users = np.repeat(log.test.user, np.diff(log.test.offsets))
    total = {"log_loss": metrics.log_loss(labels, chances), "ece": metrics.ece(labels, chances)}
    return [{"plot": "calibration", **vars(one), **total} for one in reliability(labels, chances, users)]


def roc(log: Log) -> list[Row]:
    """Mean curves over the lists of the test window, for the model and for the peer."""
    ours, _ = scores(log.model(log.split), log.test)
    rows = []
    for name, values in {"recsys": ours, PEER: _peer(log.test)}.items():
        taken, found = mean_roc(log.test.offsets, log.test.labels, values)
        area = metrics.mean(metrics.auc(log.test.offsets, log.test.labels, values))
        read = {f"found at {place:.1f}": float(np.interp(place, taken, found)) for place in TAKEN}
        rows.append({"plot": "roc", "name": name, "auc": area, **read, "curve": [taken.tolist(), found.tolist()]})
    return rows


def learning(log: Log) -> Iterator[Row]:
    """Quality on the test window as if the log had begun later, by the number of training clicks."""
    clicks = log.data.log.clicks
    times = clicks.known_at[(clicks.backfilled == 0) & (clicks.weight > 0) & (clicks.known_at < log.split)]
    for part in PARTS:
        count = max(1, round(part * len(times)))
        whole = count == len(times)
        data = log.data if whole else replace(log.data, log=begun(log.data.log, float(times[-count])))
        model = log.model(log.split) if whole else trained(log.settings, data, log.split, log.seed)
        examples = log.test if whole else replayed(window_of(data, log.settings, log.split, None))
        yield {"plot": "learning", "clicks": count, **_judged(examples, scores(model, examples)[0])}


def ageing(log: Log, retrained: int) -> Iterator[Row]:
    """Quality by day since training, beside models that are trained anew at the beginning of that day."""
    end = float(log.data.log.impressions.known_at[-1])
    before = min(LATER_DAYS - np.ceil((end - log.split) / DAY), (log.split - log.first) // DAY - FEWEST_DAYS)
    start = log.split - max(0.0, float(before)) * DAY
    examples = replayed(window_of(log.data, log.settings, start, None))
    old, _ = scores(log.model(start), examples)
    days = int(np.ceil((end - start) / DAY))
    anew = set(np.linspace(1, days - 1, min(retrained, days - 1)).round().astype(int).tolist())
    for day in range(days):
        first, last = np.searchsorted(examples.at, [start + day * DAY, start + (day + 1) * DAY])
        part, rows = examples.stretch(first, last), slice(examples.offsets[first], examples.offsets[last])
        found = {"recsys, trained once": old[rows], PEER: _peer(part)}
        if day in anew:
            found["recsys, trained that morning"] = scores(log.model(start + day * DAY), part)[0]
        for name, values in found.items():
            yield {"plot": "ageing", "name": name, "day": day + 1, "lists": len(part), **_judged(part, values)}


def begun(log: EventLog, at: Timestamp) -> EventLog:
    """The log as if it had begun at a time; histories that were handed over in bulk are handed over then."""
    clicks, handed_over = log.clicks, log.clicks.backfilled > 0
    kept = handed_over | (clicks.known_at >= at)
    known_at = np.where(handed_over, np.maximum(clicks.known_at, at), clicks.known_at)
    columns = {field.name: getattr(clicks, field.name) for field in fields(ClickColumns)} | {"known_at": known_at}
    order = np.flatnonzero(kept)[np.argsort(known_at[kept], kind="stable")]
    return EventLog(between(log, at, np.inf).impressions, ClickColumns(**{n: c[order] for n, c in columns.items()}))


def _peer(examples: Examples) -> Floats:
    return examples.features[:, FEATURES.index(PEER_COLUMN)].astype(np.float64)


def _judged(examples: Examples, values: Floats | Floats32) -> Row:
    figures = metrics.list_metrics(examples.offsets, examples.labels, values)
    intervals = {name: bootstrap_mean(figures[name], examples.user) for name in FIGURES}
    return {**{name: metrics.mean(figures[name]) for name in FIGURES}, "confidence": intervals}

"""Protocols A and A2: an EB-NeRD folder, its training window, and the lists that come after it."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from movielens import Scores, take

from recsys.columns import NONE, ClickColumns, Floats32, Ints, between
from recsys.database.session import Sessions, open_sessions, upgrade
from recsys.domain import RecsysError, Timestamp
from recsys.encoders import expected_ids, load_encoders
from recsys.evaluation.evaluate import Window
from recsys.features.examples import Examples
from recsys.features.replay import Replay
from recsys.ingest.importer import import_path
from recsys.lifecycle.encode import encode_new
from recsys.lifecycle.judging import window_of
from recsys.pipeline.histories import Windows
from recsys.pipeline.load import Dataset, load_dataset
from recsys.settings import Settings
from recsys.training.fit import TrainingSet

HOUR = 3600.0
DAY = 24 * HOUR
WEEK = 7 * DAY
WITHOUT_VALIDATION = 5 * DAY  # from the start of the only week there is to its split
DEVELOPMENT = DAY  # the end of the training window, on which peers are tuned
BLOCK = 1024  # lists scored at once


@dataclass(frozen=True)
class Week:
    """An imported folder and where its test window begins."""

    sessions: Sessions
    settings: Settings
    split: Timestamp

    @property
    def development(self) -> Timestamp:
        """Where the part of the training window begins on which peers are tuned."""
        return self.split - DEVELOPMENT

    @functools.cached_property
    def known(self) -> Dataset:
        """What is known before the split, the same for peers and for ``recsys train``."""
        return self._loaded(self.split)

    @functools.cached_property
    def whole(self) -> Dataset:
        """All of the log."""
        return self._loaded(np.inf)

    @functools.cached_property
    def lists(self) -> tuple[Examples, Examples]:
        """The lists of the training window, labelled by what was known before its end, and those of the test."""
        log, data = self.whole.log, self.whole
        replay = Replay(data.attributes, data.users, live_hours=self.settings.live_hours)
        return replay.run(between(log, -np.inf, self.split)), replay.run(between(log, self.split, np.inf))

    def window(self, since: Timestamp, until: Timestamp | None = None) -> Window:
        """A stretch to evaluate on."""
        return window_of(self.whole, self.settings, since, until)

    def clicks(self, until: Timestamp) -> ClickColumns:
        """Clicks known before a time of the training window, those of the histories included."""
        return take(self.known.log.clicks, self.known.log.clicks.known_at < until)

    def training_set(self) -> TrainingSet:
        """What ``recsys train --until`` trains on."""
        return TrainingSet.of(self.known, self.settings, expected_ids(self.settings), until=self.split)

    def _loaded(self, until: Timestamp) -> Dataset:
        limit = self.settings.robot_clicks_per_hour
        with self.sessions() as session:
            return load_dataset(session, expected_ids(self.settings), until=until, robot_limit=limit)


def load(folder: Path, home: Path, fusion: str = "gated") -> Week:
    """Import a folder; test on its validation week, or on the end of its training week where that is all there is."""
    settings = Settings(home=home, database_url="", fusion=fusion, threads=torch.get_num_threads())
    upgrade(settings)
    sessions = open_sessions(settings)
    import_path(sessions, "ebnerd", folder)
    encode_new(sessions, load_encoders(settings))
    with sessions() as session:
        log = load_dataset(session, {}).log.impressions
    if len(log) == 0:
        raise RecsysError(f"{folder} holds no impression: see data/README.md for the layout.")
    first = np.floor(log.known_at[0] / HOUR) * HOUR
    return Week(sessions, settings, first + (WEEK if log.known_at[-1] >= first + WEEK else WITHOUT_VALIDATION))


def scored(scores: Scores, lists: Examples) -> Floats32:
    """Scores (rows,) of the rows of lists by what fits on histories."""
    found = [np.zeros(0, np.float32)]
    for first, dense in _blocks(scores, lists):
        offsets = lists.offsets[first : first + len(dense) + 1]
        owner = np.repeat(np.arange(len(dense)), np.diff(offsets))
        found.append(dense[owner, lists.keys[offsets[0] : offsets[-1]]])
    return np.concatenate(found)


def window_of_history(history: Ints, ages: "np.ndarray[tuple[int, int], np.dtype[np.float64]]") -> Windows:
    """Histories (batch, h) of keys, NONE padded, with their ages in seconds."""
    return Windows(np.zeros_like(history), history, ages, history != NONE)


def _blocks(scores: Scores, lists: Examples) -> Iterator[tuple[int, Floats32]]:
    """The first of each block of lists, and the scores (block, articles) for their histories."""
    for first in range(0, len(lists), BLOCK):
        block = slice(first, min(first + BLOCK, len(lists)))
        ages = lists.at[block, None] - lists.history_at[block]
        yield first, scores(window_of_history(lists.history[block], ages))

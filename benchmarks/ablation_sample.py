"""One training of the ablation on the bundled sample, tested on the lists as they were shown.

``lists`` ranks them by the product's whole model. A modality that is left out is left out of all of it: of the towers,
of the content cosines and, for titles, of the readers' tastes; without behaviour the towers have neither ids nor
clicks. The counters of clicks and exposures always stay. ``towers`` ranks the same lists by the towers' blended score
alone, where the modalities have no counters beside them.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from ablation_rows import Measured, Prepared
from indexes import searched
from modalities import IMAGE, Condition, config_of, forgetful, seen_by, without
from movielens import Result
from sample import DAY, TEST_DAYS, load, split_of, trained, with_content
from summed import LEAST_SPREAD, Weights, best, summed

from recsys.columns import NONE, Floats, Floats32, Ints
from recsys.encoders.device import set_threads
from recsys.evaluation import metrics
from recsys.evaluation.evaluate import scores
from recsys.features.examples import Examples
from recsys.features.replay import Replay
from recsys.pipeline.content import Content
from recsys.pipeline.histories import Windows
from recsys.pipeline.load import Dataset
from recsys.pipeline.model import Model
from recsys.settings import Settings

LISTS, TOWERS = "lists", "towers"
FIGURES = ("auc", "mrr", "ndcg@10")
BLOCK = 1024  # lists whose scores are computed at once


@dataclass(frozen=True)
class Trained:
    """A model that was trained on some of the modalities, and the test lists as it sees them."""

    model: Model
    examples: Examples
    content: Content
    indexed: Ints

    def serve(self, share: float) -> None:
        """Index all articles without so large a share of their images."""
        self.model.views.put(without(self.content, IMAGE, share), self.indexed)


@dataclass(frozen=True)
class SampleTrials:
    """The sample, and where its test begins."""

    settings: Settings
    data: Dataset
    split: float

    @classmethod
    def of(cls, settings: Settings) -> "SampleTrials":
        """Import and encode it."""
        set_threads(settings)
        data = load(settings)
        return cls(settings, data, split_of(data))

    def prepare(self, condition: Condition) -> Prepared:
        """What is done once for all seeds: weights are chosen, where the condition has any."""
        if not condition.summed:
            return Prepared(lambda seed: self._measured(condition, [condition], (1.0,), seed), {})
        parts = [Condition(name, condition.group, (name,)) for name in condition.parts]
        weights = self._weights(parts)
        notes = {f"{LISTS}_weights": dict(zip(condition.parts, weights, strict=True))}
        return Prepared(lambda seed: self._measured(condition, parts, weights, seed), notes)

    def _measured(
        self, condition: Condition, parts: Sequence[Condition], weights: Weights, seed: int
    ) -> list[Measured]:
        """Train, and test with each share of the images dropped."""
        started = time.perf_counter()
        alone = [self._trained(part, self.split, np.inf, seed) for part in parts]
        seconds = time.perf_counter() - started
        return [self._tested(condition, alone, weights, share, seconds) for share in condition.dropped]

    def _tested(
        self, condition: Condition, alone: Sequence[Trained], weights: Weights, share: float, seconds: float
    ) -> Measured:
        for one in alone:
            one.serve(share)
        users = alone[0].examples.user
        found = {LISTS: [Result(_figures(alone[0].examples, summed(_logits(alone), weights)), users, seconds)]}
        if not condition.summed:
            found[TOWERS] = [Result(_figures(alone[0].examples, _blended(alone[0], condition)), users)]
        return found

    def _trained(self, condition: Condition, until: float, end: float, seed: int) -> Trained:
        """Trained on what lies before ``until``, with the test lists between that and ``end``."""
        data = with_content(self.data, seen_by(self.data.content, condition))
        model = trained(self.settings, data, until, seed, config_of(condition))
        replay = Replay(data.attributes, data.users, live_hours=self.settings.live_hours)
        examples = replay.run(data.log, score_from=until, score_until=end)
        return Trained(model, examples, data.content, data.catalogue.present)

    def _weights(self, parts: Sequence[Condition]) -> Weights:
        """The best on the last days of the training window, with seed 0 for all seeds."""
        alone = [self._trained(part, self.split - TEST_DAYS * DAY, self.split, 0) for part in parts]
        logits, examples = _logits(alone), alone[0].examples
        return best(len(parts), lambda weights: metrics.mean(_figures(examples, summed(logits, weights))["ndcg@10"]))


def _logits(alone: Sequence[Trained]) -> list[Floats32]:
    """Of the test lists' rows by each model; standardised where there are several to be summed."""
    logits = [scores(one.model, one.examples)[0] for one in alone]
    return logits if len(logits) == 1 else [standardised(some, alone[0].examples.offsets) for some in logits]


def _blended(trained: Trained, condition: Condition) -> Floats32:
    """Scores of the test lists' rows by the towers alone."""
    views, examples = trained.model.views, trained.examples
    views = replace(views, towers=forgetful(views.towers, condition))
    blended = np.zeros(len(examples.keys), np.float32)
    for first in range(0, len(examples), BLOCK):
        offsets = examples.offsets[first : first + BLOCK + 1]
        rows, lists = slice(offsets[0], offsets[-1]), np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        all_scores = searched(views, _windows(examples, slice(first, first + BLOCK)), trained.content.rows)
        blended[rows] = all_scores[lists, examples.keys[rows]]
    return blended


def _windows(examples: Examples, lists: slice) -> Windows:
    """What each list's user had clicked before."""
    article = examples.history[lists]
    mask = article != NONE
    age = np.where(mask, examples.at[lists, None] - examples.history_at[lists], 0.0)
    return Windows(np.zeros_like(article), article, age, mask)


def _figures(examples: Examples, values: Floats32) -> dict[str, Floats]:
    figures = metrics.list_metrics(examples.offsets, examples.labels, values)
    return {name: figures[name] for name in FIGURES}


def standardised(logits: Floats32, offsets: Ints) -> Floats32:
    """Logits (rows,) with mean 0 and deviation 1 within each list."""
    parts = [logits[first:last] for first, last in pairwise(offsets)]
    scaled = [(part - part.mean()) / max(part.std(), LEAST_SPREAD) for part in parts]
    return np.concatenate(scaled).astype(np.float32)

"""One training of the ablation on a MovieLens folder: protocol B, G on all films and C on films never met."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import movielens
import numpy as np
from ablation_rows import Measured, Prepared
from indexes import searched
from modalities import IMAGE, Condition, config_of, forgetful, seen_by, without
from movielens import Events, Films, Scores
from summed import Part, best_weights, weighted

from recsys.model.fusion import BEHAVIOUR
from recsys.pipeline.content import Content
from recsys.pipeline.model import views_of
from recsys.training.towers import fit_towers

WARM, COLD = "G", "C"
DEVELOPMENT = 2000  # events on which weights are chosen, at most

Served = Callable[[Content], Scores]  # what trained towers answer once they index these vectors
Fit = Callable[..., Served]  # of a seed


@dataclass(frozen=True)
class FilmTrials:
    """The folder and its test events by protocol."""

    films: Films
    tests: dict[str, list[Events]]

    @classmethod
    def of(cls, films: Films) -> "FilmTrials":
        """G, and C for each hold-out."""
        cold = [movielens.cold(films, number) for number in range(len(films.cold))]
        return cls(films, {WARM: [movielens.warm(films)], COLD: cold})

    def prepare(self, condition: Condition) -> Prepared:
        """What is done once for all seeds: weights are chosen, where the condition has any."""
        films = replace(self.films, content=seen_by(self.films.content, condition))
        trials = list[Trial]()
        for kind, tests in self.tests.items():
            if kind == WARM or condition.parts != (BEHAVIOUR,):  # of cold films it knows nothing at all
                trials += [_trial(films, kind, test, condition) for test in tests]
        notes = {f"{trial.kind}_weights_{n}": trial.weights for n, trial in enumerate(trials) if trial.weights}
        return Prepared(lambda seed: _measured(films.content, trials, condition, seed), notes)


@dataclass(frozen=True)
class Trial:
    """One test, and how towers are fitted for it with a seed."""

    kind: str
    test: Events
    fit: Fit
    weights: dict[str, float] | None = None  # of each part, where a sum is fitted


def _trial(films: Films, kind: str, test: Events, condition: Condition) -> Trial:
    cold = kind == COLD
    if not condition.summed:
        return Trial(kind, test, partial(fitted, films, test, condition, cold=cold))
    weights = chosen_weights(films, test, condition, cold=cold)
    return Trial(kind, test, partial(fitted_sum, films, test, weights, cold=cold), weights)


def _measured(content: Content, trials: list[Trial], condition: Condition, seed: int) -> list[Measured]:
    """Train for each protocol and hold-out, and test with each share of the images dropped."""
    measured = [Measured() for _ in condition.dropped]
    for trial in trials:
        started = time.perf_counter()
        serve = trial.fit(seed=seed)
        seconds = time.perf_counter() - started
        for found, share in zip(measured, condition.dropped, strict=True):
            result = movielens.measure(serve(without(content, IMAGE, share)), trial.test)
            found.setdefault(trial.kind, []).append(replace(result, seconds=seconds))
    return measured


def fitted(films: Films, test: Events, condition: Condition, *, seed: int, cold: bool) -> Served:
    """Towers of the product's own training, searched in its own indexes."""
    towers = fit_towers(films.content, test.train, until=films.split + 1, config=config_of(condition), seed=seed)
    towers = forgetful(towers, condition, cold=cold)

    def serve(content: Content) -> Scores:
        views = views_of(towers, content, films.keys)
        return lambda window: searched(views, window, films.size)

    return serve


def fitted_sum(films: Films, test: Events, weights: dict[str, float], *, seed: int, cold: bool) -> Served:
    """Towers for each part alone, and the weighted sum of their scores."""
    alone = [_part(films, test, name, seed, cold=cold) for name in weights]
    return lambda content: weighted([part(content) for part in alone], tuple(weights.values()), test.candidates)


def chosen_weights(films: Films, test: Events, condition: Condition, *, cold: bool) -> dict[str, float]:
    """The weights of the parts that are best on a development split, with seed 0 for all seeds.

    Behaviour has no say where no film was ever met.
    """
    parts = [name for name in condition.parts if not (cold and name == BEHAVIOUR)]
    inner = development(films, test, cold=cold)
    trial = _some(movielens.cold(inner, 0) if cold else movielens.warm(inner))
    alone = [_part(inner, trial, name, 0, cold=cold)(inner.content) for name in parts]
    return dict(zip(parts, best_weights(alone, trial), strict=True))


def development(films: Films, test: Events, *, cold: bool) -> Films:
    """The same protocol once more inside the training window: its last clicks, or other films taken out of it."""
    held = np.flatnonzero(test.candidates) if cold else np.zeros(0, np.int64)
    keys = np.setdiff1d(films.keys, held)
    drawn = np.random.default_rng(0).choice(keys, int(len(keys) * movielens.COLD_SHARE), replace=False)
    return replace(films, clicks=test.train, keys=keys, cold=(drawn,))


def _part(films: Films, test: Events, name: str, seed: int, *, cold: bool) -> Callable[[Content], Part]:
    """Towers of one part alone; the content they see is masked to it, before training and when serving."""
    condition = Condition(name, "parts", (name,))
    mine = replace(films, content=seen_by(films.content, condition))
    serve = fitted(mine, test, condition, seed=seed, cold=cold)

    def part(content: Content) -> Part:
        there = np.ones(films.size, np.bool_) if name == BEHAVIOUR else content.mask[name]
        return Part(serve(seen_by(content, condition)), there)

    return part


def _some(test: Events) -> Events:
    """At most DEVELOPMENT of the events, drawn at random."""
    rows = np.random.default_rng(0).permutation(len(test))[:DEVELOPMENT]
    columns = {name: getattr(test, name)[rows] for name in ("user", "at", "target", "start", "end", "negatives")}
    return replace(test, **columns, seen=[test.seen[row] for row in rows])

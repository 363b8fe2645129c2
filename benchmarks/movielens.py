"""Protocol B: titles, images and clicks of a MovieLens folder with posters, warm (G) and cold (C)."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from recsys.columns import Bools, ClickColumns, Floats, Floats32, Ints
from recsys.database import articles, stretches, vectors
from recsys.database.session import open_sessions, upgrade
from recsys.domain import RecsysError
from recsys.encoders import load_encoders
from recsys.evaluation import metrics
from recsys.evaluation.bootstrap import bootstrap_mean
from recsys.ingest import movielens
from recsys.ingest.importer import run_import
from recsys.lifecycle.encode import encode_new
from recsys.pipeline.content import Content
from recsys.pipeline.histories import Histories, Windows
from recsys.settings import Settings

TRAINING_SHARE = 0.8  # quantile of the click times at which the test begins
LEAST_EARLIER = 5  # clicks in strictly earlier seconds that a test event's user has
HISTORY = 50
NEGATIVES = 20
HOLD_OUTS = 3
COLD_SHARE = 0.2  # of the films, where the folder brings no hold-outs of its own
TIES_SEED, NEGATIVES_SEED = 0, 1
BLOCK = 1024

Scores = Callable[[Windows], Floats32]  # (batch, highest key + 1)


@dataclass(frozen=True)
class Films:
    """The imported folder; everything is addressed by article key."""

    clicks: ClickColumns  # all ratings; weight 0 below four stars
    content: Content
    keys: Ints  # of the films in the catalogue
    cold: tuple[Ints, ...]  # keys of the films in each hold-out

    @property
    def size(self) -> int:
        """Highest key + 1."""
        return self.content.rows

    @property
    def split(self) -> float:
        """The last second of training."""
        return float(np.quantile(self.clicks.at[self.clicks.weight > 0], TRAINING_SHARE))


@dataclass(frozen=True)
class Events:
    """Test events: whom to rank for, from what, and what was clicked."""

    train: ClickColumns  # what may be trained on
    histories: Histories  # what may be input, the test period included
    user: Ints  # (n,)
    at: Floats  # (n,)
    target: Ints  # (n,)
    start: Ints  # (n,) stretch of each event's input
    end: Ints  # (n,)
    candidates: Bools  # (size,) that may be ranked at all
    seen: list[Ints]  # what each event's user had rated in an earlier second
    negatives: Ints  # (n, NEGATIVES)

    def __len__(self) -> int:
        return len(self.user)


@dataclass
class Result:
    """One way of scoring, measured on one set of events."""

    figures: dict[str, Floats]  # (n,) by metric
    users: Ints  # (n,)
    seconds: float = 0.0
    means: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.means = metrics.means(self.figures)


def load(folder: Path, home: Path, titles: movielens.Titles = "gtitle") -> Films:
    """Import and encode the folder in the database under ``home`` (what is there already is not done again)."""
    settings = Settings(home=home, database_url="")
    upgrade(settings)
    sessions, encoders = open_sessions(settings), load_encoders(settings)
    run_import(sessions, movielens.read(folder, titles=titles))
    encode_new(sessions, encoders)
    with sessions() as session:
        clicks = stretches.read_log(session).clicks
        catalogue = articles.load_catalogue(session)
        everything = np.arange(len(catalogue))
        loaded = {
            e.modality: vectors.load_vectors(session, e.modality, e.encoder_id, e.dim, everything) for e in encoders
        }
        content = Content({m: v for m, (v, _) in loaded.items()}, {m: mask for m, (_, mask) in loaded.items()})
        keys = np.flatnonzero(content.mask["title"])
        return Films(_ties_at_random(clicks), content, keys, _hold_outs(folder, keys, catalogue.article_ids))


def warm(films: Films) -> Events:
    """G: every click after the split, ranked against all films that the user has not rated earlier."""
    candidates = np.zeros(films.size, np.bool_)
    candidates[films.keys] = True
    return _events(films, films.clicks, candidates, np.ones(len(films.clicks), np.bool_))


def cold(films: Films, hold_out: int) -> Events:
    """C: the films of a hold-out are unknown to training and histories; they alone are targets and candidates."""
    candidates = np.zeros(films.size, np.bool_)
    candidates[films.cold[hold_out]] = True
    held = candidates[films.clicks.article]
    return _events(films, take(films.clicks, ~held), candidates, held)


def measure(scores: Scores, test: Events) -> Result:
    """Rank every target by these scores, mid-rank on ties."""
    ranks, aucs = np.zeros(len(test)), np.zeros(len(test))
    for first in range(0, len(test), BLOCK):
        part = np.arange(first, min(first + BLOCK, len(test)))
        window = test.histories.windows(test.start[part], test.end[part], test.at[part], HISTORY)
        values, target = scores(window).astype(np.float64), test.target[part]
        own = np.take_along_axis(values, target[:, None], 1)[:, 0]
        aucs[part] = metrics.auc_against(own, np.take_along_axis(values, test.negatives[part], 1))
        values[:, ~test.candidates] = -np.inf
        for row, event in enumerate(part):
            values[row, test.seen[event]] = -np.inf
        ranks[part] = metrics.mid_rank(values, target)
    figures = {
        "r@10": metrics.recall_at(ranks, 10),
        "ndcg@10": metrics.ndcg_at(ranks, 10),
        "mrr": metrics.reciprocal_rank(ranks),
        "auc": aucs,
    }
    return Result(figures, test.user)


def pooled(results: list[Result]) -> dict[str, float]:
    """Means over seeds or hold-outs, each counting the same, and the interval of nDCG@10 over users."""
    figures = {name: float(np.mean([r.means[name] for r in results])) for name in results[0].means}
    values = np.concatenate([r.figures["ndcg@10"] for r in results])
    low, high = bootstrap_mean(values, np.concatenate([r.users for r in results]))
    return {**figures, "ndcg@10_low": low, "ndcg@10_high": high}


def timed(make: Callable[[], Scores], test: Events) -> Result:
    """Fit, then measure; the seconds are those of fitting."""
    started = time.perf_counter()
    scores = make()
    seconds = time.perf_counter() - started
    result = measure(scores, test)
    result.seconds = seconds
    return result


def take(clicks: ClickColumns, rows: Ints | Bools) -> ClickColumns:
    """These rows of the columns."""
    return ClickColumns(**{name: column[rows] for name, column in vars(clicks).items()})


def _events(films: Films, known: ClickColumns, candidates: Bools, targets: Bools) -> Events:
    clicks, histories = films.clicks, Histories.of(known)
    targets = targets & candidates[clicks.article]  # a rating of a film that the catalogue lacks is no target
    later = np.flatnonzero((clicks.at > films.split) & (clicks.weight > 0) & targets)
    start, end = histories.before(clicks.user[later], clicks.at[later])
    enough = end - start >= LEAST_EARLIER
    later, start, end = later[enough], start[enough], end[enough]
    if not len(later):
        raise RecsysError("no test event is left: the log is too short for protocol B")
    return Events(
        train=take(known, known.at <= films.split),
        histories=histories,
        user=clicks.user[later],
        at=clicks.at[later],
        target=clicks.article[later],
        start=start,
        end=end,
        candidates=candidates,
        seen=_rated_before(clicks, clicks.user[later], clicks.at[later]),
        negatives=_negatives(films, candidates, clicks.user[later]),
    )


def _ties_at_random(clicks: ClickColumns) -> ClickColumns:
    """Positions decide the order within a second; the order of the file means nothing."""
    return replace(clicks, position=np.random.default_rng(TIES_SEED).permutation(clicks.position))


def _hold_outs(folder: Path, keys: Ints, article_ids: np.ndarray) -> tuple[Ints, ...]:
    key_of = {str(article_ids[key]): int(key) for key in keys}
    files = [folder / f"cold_items_{number}.txt" for number in range(HOLD_OUTS)]
    if all(file.exists() for file in files):
        return tuple(np.array([key_of[name] for name in file.read_text().split() if name in key_of]) for file in files)
    if any(file.exists() for file in files):
        raise RecsysError(f"{folder} holds some of {', '.join(file.name for file in files)}: give all of them, or none")
    size = int(len(keys) * COLD_SHARE)
    return tuple(np.random.default_rng(number).choice(keys, size, replace=False) for number in range(HOLD_OUTS))


def _rated_before(clicks: ClickColumns, users: Ints, times: Floats) -> list[Ints]:
    order = np.lexsort((clicks.at, clicks.user))
    user, at, article = clicks.user[order], clicks.at[order], clicks.article[order]
    first, behind = np.searchsorted(user, users), np.searchsorted(user, users, side="right")
    spans = zip(first, behind, times, strict=True)
    return [article[a : a + np.searchsorted(at[a:b], time)] for a, b, time in spans]


def _negatives(films: Films, candidates: Bools, users: Ints) -> Ints:
    """Drawn in proportion to the clicks of the test period, from what the user never clicks."""
    clicks = take(films.clicks, films.clicks.weight > 0)
    later = clicks.article[(clicks.at > films.split) & candidates[clicks.article]]
    popularity = np.bincount(later, minlength=films.size).astype(np.float64)
    generator = np.random.default_rng(NEGATIVES_SEED)
    drawn = np.zeros((len(users), NEGATIVES), np.int64)
    for user in np.unique(users):
        chances = popularity.copy()
        chances[clicks.article[clicks.user == user]] = 0
        rows = np.flatnonzero(users == user)
        drawn[rows] = generator.choice(films.size, (len(rows), NEGATIVES), p=chances / chances.sum())
    return drawn

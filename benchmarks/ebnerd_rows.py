"""The rows of protocol A (shown lists): peers, and the product's own commands."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import ebnerd_live
import numpy as np
from ebnerd import Week, scored
from ebnerd_peers import Fitted, TwoStages, click_peers, column, tuned_column, two_stages
from news_models import News, fit_lists, row_name, tuned_lists
from peers.lambdarank import choice_probabilities

from recsys.columns import Floats, Floats32, Ints
from recsys.evaluation import metrics
from recsys.evaluation.bootstrap import bootstrap_mean, paired_bootstrap
from recsys.evaluation.evaluate import RANKING
from recsys.evaluation.slices import slices
from recsys.features.examples import Examples
from recsys.lifecycle.judging import evaluate
from recsys.lifecycle.train import train
from recsys.pipeline import affinity
from recsys.pipeline.scorer import assemble

TABLE = "protocol A: the lists that were shown"
DIFFERENCES = "protocol A, difference of nDCG@10 and AUC, paired over users"
FEW = "clicked_at_most_20_exposures"
UNTUNED = {
    "co-click with the last 5": ("co_click_recent", 1),
    "co-click with the history (user kNN)": ("co_click_history", 1),
    "newest first shown": ("since_first_shown", -1),
}

Row = dict[str, Any]


@dataclass(frozen=True)
class Measured:
    """One way of ranking, on the lists of the test."""

    name: str
    figures: dict[str, Floats]  # by metric (lists,)
    users: Ints  # (lists,)
    seconds: float | None = None
    version: str | None = None  # of this project's own model
    calibration: dict[str, float] = field(default_factory=dict)


def rows(week: Week, seeds: int, *, peers: bool, news: bool, live: bool) -> Iterator[Row]:
    """All rows of A, the differences between ours and the best of the others, then all rows of A2."""
    few = slices(week.lists[1], week.whole.catalogue)[FEW]
    done: list[Measured] = []
    fitted = click_peers(week) if peers else []
    trees = two_stages(week) if peers else None
    for one in _measured(week, fitted, trees, seeds, peers=peers, news=news):
        done.append(one)
        yield _row(one, few)
    yield from _differences(done)
    if live:
        versions = {one.name: one.version for one in done if one.version}
        yield from ebnerd_live.rows(week, fitted, trees, versions, {one.name: one.seconds for one in done})


def _measured(
    week: Week, fitted: Sequence[Fitted], trees: TwoStages | None, seeds: int, *, peers: bool, news: bool
) -> Iterator[Measured]:
    test = week.lists[1]
    yield from _blind(week)
    for fitted_one in fitted:
        yield _judged(fitted_one.name, test, scored(fitted_one.scores, test), fitted_one.seconds)
    if peers:
        for name, prefix in {"recent popularity": "clicks", "smoothed CTR": "ctr"}.items():
            half_life, chosen = tuned_column(week, prefix)
            yield _judged(f"{name}, half-life {half_life}", test, column(test, chosen))
        for name, (chosen, sign) in UNTUNED.items():
            yield _judged(name, test, sign * column(test, chosen))
    if peers and news:
        yield from _news(week)
    if trees:
        yield _lambdarank(test, trees)
    for seed in range(seeds):
        yield _own(week, seed)


def _blind(week: Week) -> Iterator[Measured]:
    """What knows nothing of the articles: for their log loss, since the order is random."""
    train_lists, test = week.lists
    rate = float(train_lists.labels.mean())
    lengths = np.diff(test.offsets)
    blind = np.zeros(len(test.keys))
    yield _judged(f"random, the CTR of training ({rate:.3f})", test, blind, probabilities=np.full(len(test.keys), rate))
    yield _judged("random, 1 / list length", test, blind, probabilities=np.repeat(1 / lengths, lengths))


def _news(week: Week) -> Iterator[Measured]:
    """NRMS and NAML on the same vectors, or on ids where there is no text; one seed, since a fit takes minutes."""
    known, (older, test) = week.known, week.lists
    news = News.of(known.content, known.catalogue.section, len(known.catalogue))
    for kind in ("NRMS", "NAML"):
        plan = tuned_lists(kind, news, older)
        started = time.perf_counter()
        scores = fit_lists(kind, news, older, plan, 0)
        seconds = time.perf_counter() - started
        yield _judged(row_name(kind, news, plan), test, scores(test), seconds)


def _lambdarank(test: Examples, trees: TwoStages) -> Measured:
    modalities = trees.views.towers.content_space.present
    found = affinity.example_affinities(trees.views, modalities, test, range(len(test)))
    scores = trees.listwise(assemble(test.features, found), test.offsets)
    chances = choice_probabilities(scores, test.offsets, trees.listwise.plan.temperature)
    name = f"LightGBM lambdarank on our head's inputs, {trees.listwise.plan.title}"
    return _judged(name, test, scores, trees.listwise.seconds, chances)


def _own(week: Week, seed: int) -> Measured:
    """The product's own commands: train on what lies before the split, evaluate on what follows."""
    started = time.perf_counter()
    model = train(week.sessions, week.settings, until=week.split, seed=seed)
    seconds = time.perf_counter() - started
    judged = evaluate(week.sessions, week.settings, version=model.version, since=week.split)
    calibration = {name: judged.summary[name] for name in ("log_loss", "ece")}
    return Measured(f"recsys, seed {seed}", judged.figures, judged.users, seconds, model.version, calibration)


def _judged(
    name: str,
    test: Examples,
    scores: Floats | Floats32,
    seconds: float | None = None,
    probabilities: Floats | None = None,
) -> Measured:
    figures = metrics.list_metrics(test.offsets, test.labels, scores)
    calibration = {}
    if probabilities is not None:
        calibration["log_loss"] = metrics.log_loss(test.labels, probabilities)
        calibration["ece"] = metrics.ece(test.labels, probabilities)
    return Measured(name, figures, test.user, seconds, calibration=calibration)


def _row(one: Measured, few: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> Row:
    return {
        "table": TABLE,
        "name": one.name,
        "impressions": len(one.users),
        **{name: metrics.mean(one.figures[name]) for name in RANKING},
        "log_loss": one.calibration.get("log_loss"),
        "ece": one.calibration.get("ece"),
        "auc_few_exposures": metrics.mean(one.figures["auc"][few]),
        "confidence": {name: bootstrap_mean(one.figures[name], one.users) for name in ("auc", "ndcg@10")},
        "seconds_to_train": ebnerd_live.rounded(one.seconds),
    }


def _differences(done: Sequence[Measured]) -> Iterator[Row]:
    """Our first seed less the best of the peers, and less the best of those that are no LightGBM."""
    ours = next((one for one in done if one.version), None)
    peers = sorted((one for one in done if not one.version), key=lambda one: -metrics.mean(one.figures["ndcg@10"]))
    if ours is None:
        return
    for rival in peers[:2]:
        row: Row = {"table": DIFFERENCES, "name": f"{ours.name} − {rival.name}", "confidence": {}}
        for name in ("ndcg@10", "auc"):
            row[name], low, high = paired_bootstrap(ours.figures[name], rival.figures[name], ours.users)
            row["confidence"][name] = low, high
        yield row

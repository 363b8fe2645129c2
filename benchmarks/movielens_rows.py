"""The rows of protocol B: peers tuned on the training clicks, and the product's own towers, all on the same events."""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from indexes import searched
from modalities import permuted, without
from movielens import Events, Films, Result, Scores, pooled, timed
from news_models import News, clicks_maker, row_name, tuned_clicks
from peers.clicked import has_clicks
from peers.items import content_knn
from peers.tuning import COLLABORATIVE, POPULAR, RECENT, Peer, best, on_development, titled

from recsys.columns import Bools, Floats, Ints
from recsys.evaluation.bootstrap import paired_bootstrap
from recsys.pipeline.content import Content
from recsys.pipeline.model import views_of
from recsys.training.towers import FitConfig, TowerConfig, fit_towers

DIFFERENCES = "protocol B, difference of nDCG@10, paired over users"
IMAGE_WEIGHT = 0.25  # of the squared cosine, in content kNN

Row = dict[str, Any]
Maker = Callable[[Events, int], Scores]  # events, seed
Tests = dict[str, list[Events]]  # by protocol, one for each hold-out


@dataclass(frozen=True)
class Method:
    """How to fit one way of scoring for each protocol that it can do."""

    name: str
    makers: dict[str, Maker]
    seeds: int = 1
    own: bool = False


@dataclass(frozen=True)
class Measured:
    """One method's results by protocol and then by hold-out and seed."""

    method: Method
    results: dict[str, list[list[Result]]]

    def values(self, kind: str, figure: str) -> Floats:
        """One figure of each event, hold-out after hold-out, as the mean over seeds."""
        by_test = [np.mean([result.figures[figure] for result in seeds], axis=0) for seeds in self.results[kind]]
        return np.concatenate(by_test)


def rows(
    films: Films, tests: Tests, seeds: int, *, fusion: str, peers: bool, news: bool, controls: bool
) -> Iterator[Row]:
    """A row for each method, then the differences between ours and the best of the others."""
    methods = list[Iterator[Method]]()
    if peers:
        methods += [click_peers(films, tests, max(1, seeds))]
        methods += [news_peers(films, tests)] if news else []
    methods += [own(films, fusion, seeds, controls=controls)] if seeds else []
    done: list[Measured] = []
    for method in chain.from_iterable(methods):
        done.append(measured(method, tests))
        yield row(done[-1], tests)
    yield from differences(done, tests)


def measured(method: Method, tests: Tests) -> Measured:
    """Fit and score it for each protocol, hold-out and seed."""
    results = {
        kind: [
            [timed(lambda m=maker, t=test, s=seed: m(t, s), test) for seed in range(method.seeds)]
            for test in tests[kind]
        ]
        for kind, maker in method.makers.items()
    }
    return Measured(method, results)


def row(one: Measured, tests: Tests) -> Row:
    """Its figures, with those of the warm targets that training never met."""
    found: Row = {"table": title(tests), "name": one.method.name, "confidence": {}}
    for kind, by_test in one.results.items():
        figures = pooled([result for seeds in by_test for result in seeds])
        found["confidence"][f"{kind}_ndcg@10"] = figures.pop("ndcg@10_low"), figures.pop("ndcg@10_high")
        found |= {f"{kind}_{name}": round(value, 4) for name, value in figures.items()}
        if kind == "G" and unseen(tests).any():
            found["G_unseen_r@10"] = float(one.values("G", "r@10")[unseen(tests)].mean())
    seconds = [result.seconds for by_test in one.results.values() for seeds in by_test for result in seeds]
    return {**found, "seconds_to_train": round(float(np.mean(seconds)), 1)}


def title(tests: Tests) -> str:
    """What the table shows, and of how many events."""
    warm, cold = (sum(len(test) for test in tests[kind]) for kind in ("G", "C"))
    never = f"{unseen(tests).sum():,} of them never seen in training"
    return f"protocol B: G all films ({warm:,} events, {never}), C films that were held out ({cold:,} events)"


def unseen(tests: Tests) -> Bools:
    """Which warm events (n,) have a target that nobody clicked in training."""
    warm = tests["G"][0]
    return ~has_clicks(warm.train, len(warm.candidates))[warm.target]


def differences(done: Sequence[Measured], tests: Tests) -> Iterator[Row]:
    """Our nDCG@10 less that of EASE and of the best peer, event by event."""
    ours = next((one for one in done if one.method.own), None)
    if ours is None:
        return
    for kind in tests:
        values = {one.method.name: one.values(kind, "ndcg@10") for one in done if kind in one.results}
        peers = [one.method.name for one in done if kind in one.results and not one.method.own]
        best_one = max(peers, key=lambda name: values[name].mean(), default=None)
        for name in (name for name in peers if name == best_one or name.startswith("EASE")):
            users = np.concatenate([test.user for test in tests[kind]])
            difference, low, high = paired_bootstrap(values[ours.method.name], values[name], users)
            told = f"{kind}: {ours.method.name} − {name}{' (the best peer)' if name == best_one else ''}"
            confidence = {"ndcg@10": (low, high)}
            yield {"table": DIFFERENCES, "name": told, "ndcg@10": difference, "confidence": confidence}


def click_peers(films: Films, tests: Tests, seeds: int) -> Iterator[Method]:
    """What needs no network, each in its best setting on the development split."""
    judge = functools.partial(on_development, test=tests["G"][0])
    for peer in (POPULAR, RECENT, *COLLABORATIVE):
        setting = best(peer, films.size, judge)
        yield Method(
            titled(peer.name, setting), {"G": _maker(peer, films.size, setting)}, max(1, seeds) if peer.seeded else 1
        )
    for name, weight in {"content kNN, frozen title": 0.0, "content kNN, frozen title + image": IMAGE_WEIGHT}.items():
        yield Method(name, _both(lambda _test, _seed, w=weight: content_knn(films.content, w)))


def news_peers(films: Films, tests: Tests) -> Iterator[Method]:
    """NRMS and NAML on the same frozen vectors; one seed, since a fit takes minutes."""
    news = News.of(films.content)
    for kind in ("NRMS", "NAML"):
        plan = tuned_clicks(kind, news, functools.partial(on_development, test=tests["G"][0]))
        yield Method(row_name(kind, news, plan), _both(clicks_maker(kind, news, plan)))


def own(films: Films, fusion: str, seeds: int, *, controls: bool) -> Iterator[Method]:
    """The product's own training, and the same without one thing or another."""
    fit = functools.partial(two_towers, films, config=FitConfig(TowerConfig(fusion=fusion)))
    yield _towers(fit, f"two towers, {fusion}", films.content, seeds)
    if controls:
        for view in ("learned", "content"):
            yield _towers(functools.partial(fit, view=view), f"two towers, {view} index alone", films.content, seeds)
        yield _towers(fit, "two towers, images permuted", permuted(films.content, "image"), seeds)
        yield _towers(fit, "two towers, no images", without(films.content, "image"), seeds)


def two_towers(
    films: Films,
    content: Content,
    test: Events,
    seed: int,
    config: FitConfig = FitConfig(),
    view: str = "blended",
    augmented: Sequence[Content] = (),
) -> Scores:
    """The product's own fit and FAISS indexes; scores of "learned", "content" or both "blended"."""
    towers = fit_towers(content, test.train, until=films.split + 1, config=config, seed=seed, views=augmented)
    keys: Ints = np.flatnonzero(content.mask["title"])
    views = views_of(towers, content, keys)
    return lambda window: searched(views, window, films.size, view)


def _towers(fit: Callable[..., Scores], name: str, content: Content, seeds: int) -> Method:
    return Method(name, _both(lambda test, seed: fit(content, test, seed)), seeds, own=True)


def _maker(peer: Peer, size: int, setting: dict[str, Any]) -> Maker:
    if peer.seeded:
        return lambda test, seed: peer.fit(test.train, size, seed=seed, **setting)
    return lambda test, _seed: peer.fit(test.train, size, **setting)


def _both(maker: Maker) -> dict[str, Maker]:
    return {"G": maker, "C": maker}

"""NRMS and NAML as peers on the product's own frozen vectors: how they are trained, and what they score.

For quality.py::

    news = News.of(content, sections=None)          # sections: (articles,) codes, NONE unknown; or None
    plan = tuned_clicks("NRMS", news, judge)        # judge(fit) -> quality: peers.tuning.on_development
    maker = clicks_maker("NRMS", news, plan)        # (Events, seed) -> Scores, as in peers.py and movielens.py
    plan = tuned_lists("NAML", news, train)         # ebnerd.py: on the training lists as replayed (``Examples``),
    scores = fit_lists("NAML", news, train, plan, seed)(test)    # true shown-not-clicked negatives; (rows,) of a test's
    name = row_name("NAML", news, plan)             # says what stands for the titles, and the epochs

Where no article has a text, an id embedding stands in, and ``row_name`` says so.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from movielens import Events, Scores
from news_modules import (
    CATEGORY_DIM,
    HEAD_DIM,
    HEADS,
    NAML_DIM,
    AdditiveAttention,
    Coded,
    MultiViewNews,
    ProjectedNews,
    Recommender,
    SelfAttentionUser,
    frozen,
)
from torch import Tensor, nn

from recsys.columns import NONE, Bools, ClickColumns, Floats32, Ints
from recsys.evaluation import metrics
from recsys.features.examples import HISTORY, Examples
from recsys.pipeline.content import Content
from recsys.pipeline.histories import Histories, Windows

NEGATIVES = 4  # beside each click: "npratio" of both papers
TEXTS = ("title", "summary", "body")
DEVELOPMENT = 0.9  # share of the training lists: a plan is chosen on those after it
SCORED = 2048  # users scored at once


@dataclass(frozen=True)
class News:
    """What these models read of articles; row = article key."""

    texts: dict[str, Floats32]  # (articles, d) by view, zeros where an article has none
    sections: Ints | None  # (articles,) or NONE
    size: int

    @classmethod
    def of(cls, content: Content, sections: Ints | None = None, size: int | None = None) -> "News":
        """The texts and sections that any article has; ``size`` (articles) where ``content`` may hold nothing."""
        size = size or content.rows
        texts = {name: v[:size] for name, v in content.vectors.items() if name in TEXTS and content.mask[name].any()}
        return cls(texts, sections if sections is not None and (sections != NONE).any() else None, size)


@dataclass(frozen=True)
class Plan:
    """How long and how fast one of them is trained."""

    epochs: int
    rate: float = 1e-3
    batch: int = 64


@dataclass(frozen=True)
class Clicked:
    """n clicks to train on; candidates begin with the clicked article."""

    history: Ints  # (n, HISTORY) article keys, NONE padded
    candidates: Callable[[np.random.Generator], Ints]  # draws (n, 1 + NEGATIVES) keys, NONE padded

    def __len__(self) -> int:
        return len(self.history)


PLANS = tuple(Plan(epochs, rate) for rate in (3e-4, 1e-3) for epochs in (2, 4))  # an epoch of NRMS takes a minute
ListScores = Callable[[Examples], Floats32]


def recommender(kind: str, news: News, known: Bools) -> Recommender:
    """An untrained "NRMS" or "NAML"; ``known`` (articles,) have an id of their own where there is no text."""
    views: dict[str, tuple[nn.Module, int]] = {
        name: (frozen(torch.from_numpy(v)), v.shape[1]) for name, v in news.texts.items()
    }
    if not views:
        ids = np.where(known, np.cumsum(known) - 1, NONE)
        views["id"] = (Coded(torch.from_numpy(ids), HEADS * HEAD_DIM), HEADS * HEAD_DIM)
    if kind == "NRMS":
        view, dim = next(iter(views.values()))
        size = HEADS * HEAD_DIM
        return Recommender(ProjectedNews(view, dim, size), SelfAttentionUser(size))
    if news.sections is not None:
        views["section"] = (Coded(torch.from_numpy(news.sections), CATEGORY_DIM), CATEGORY_DIM)
    return Recommender(MultiViewNews(views, NAML_DIM), AdditiveAttention(NAML_DIM))


def fit(kind: str, news: News, data: Clicked, plan: Plan, seed: int) -> Recommender:
    """Train by a softmax over each click and its negatives, with Adam; negatives are drawn anew in each epoch."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = np.random.default_rng(seed)
        model = recommender(kind, news, _known(data, news.size, generator))
        optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=plan.rate)
        model.train()
        for _ in range(plan.epochs):
            for batch in batches(data, plan.batch, generator):
                optimiser.zero_grad(set_to_none=True)
                loss_of(model, *batch).backward()  # type: ignore[no-untyped-call]
                optimiser.step()
    return model.eval()


def batches(data: Clicked, size: int, generator: np.random.Generator) -> Iterator[tuple[Ints, Ints]]:
    """One epoch in a new order: histories (b, HISTORY) and candidates (b, 1 + NEGATIVES) of keys."""
    order, candidates = generator.permutation(len(data)), data.candidates(generator)
    for first in range(0, len(order), size):
        rows = order[first : first + size]
        yield data.history[rows], candidates[rows]


def loss_of(model: Recommender, history: Ints, candidates: Ints) -> Tensor:
    """Mean negative log-likelihood of the clicks, each the first of its candidates."""
    history = history[:, (history != NONE).any(axis=0)]  # padding that all of the batch have costs only time
    keys, places = _distinct(history, candidates)
    scores = model(keys, places[:, : history.shape[1]], places[:, history.shape[1] :])
    return nn.functional.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.long))


def clicks_of(train: ClickColumns, size: int) -> Clicked:
    """Each click with what its user had clicked before, and clicked articles drawn evenly, less the user's own."""
    histories = Histories.of(train)
    start, end = histories.before_own()
    rows = np.flatnonzero(end > start)
    window = histories.windows(start[rows], end[rows], histories.at[rows], HISTORY)
    users, own, pool = histories.user[rows], histories.article[rows], np.unique(histories.article)
    clicked = np.unique(histories.user * size + histories.article)

    def drawn(generator: np.random.Generator) -> Ints:
        others = generator.choice(pool, (len(rows), NEGATIVES))
        known = np.isin(users[:, None] * size + others, clicked)
        return np.concatenate([own[:, None], np.where(known, NONE, others)], axis=1)

    return Clicked(window.article, drawn)


def clicks_in(examples: Examples) -> Clicked:
    """Each click in a list with the history of that time, and articles drawn from those shown beside it, unclicked."""
    rows = np.flatnonzero(examples.labels > 0)
    lists = np.searchsorted(examples.offsets, rows, side="right") - 1
    others = np.flatnonzero(examples.shown & (examples.labels == 0))
    first, behind = (
        np.searchsorted(others, examples.offsets[lists]),
        np.searchsorted(others, examples.offsets[lists + 1]),
    )

    def drawn(generator: np.random.Generator) -> Ints:
        """With repetition where a list has fewer others than are drawn."""
        count = (behind - first)[:, None]
        place = first[:, None] + (generator.random((len(rows), NEGATIVES)) * count).astype(np.int64)
        keys = examples.keys[others[np.minimum(place, len(others) - 1)]] if len(others) else place
        return np.concatenate([examples.keys[rows][:, None], np.where(count > 0, keys, NONE)], axis=1)

    return Clicked(examples.history[lists], drawn)


def clicks_maker(kind: str, news: News, plan: Plan) -> Callable[[Events, int], Scores]:
    """How quality.py fits and scores it on protocol B."""
    return lambda test, seed: _fit_clicks(kind, news, plan, test.train, seed)


def fit_lists(kind: str, news: News, examples: Examples, plan: Plan, seed: int) -> ListScores:
    """Train on replayed lists; what comes back scores the rows of others."""
    model = fit(kind, news, clicks_in(examples), plan, seed)
    return lambda test: list_scores(model, news, test)


def tuned_clicks(kind: str, news: News, judge: Callable[[Callable[[ClickColumns], Scores]], float]) -> Plan:
    """The best of PLANS; ``judge`` fits on a part of the training clicks and says how good that is on the rest."""
    return max(PLANS, key=lambda plan: judge(lambda train: _fit_clicks(kind, news, plan, train, 0)))


def tuned_lists(kind: str, news: News, examples: Examples) -> Plan:
    """The plan with the best nDCG@10 on the newest tenth of the training lists."""
    cut = int(len(examples) * DEVELOPMENT)
    older, newest = examples.stretch(0, cut), examples.stretch(cut, len(examples))

    def quality(plan: Plan) -> float:
        scores = fit_lists(kind, news, older, plan, 0)(newest)
        return metrics.mean(metrics.list_metrics(newest.offsets, newest.labels, scores)["ndcg@10"])

    return max(PLANS, key=quality)


def row_name(kind: str, news: News, plan: Plan) -> str:
    """What it reads and how it was trained, for a table."""
    reads = [f"frozen {name} vectors" for name in news.texts] or ["an id embedding, there being no text"]
    if kind == "NRMS":
        reads = reads[:1]
    elif news.sections is not None:
        reads.append("section")
    return f"{kind} on {' + '.join(reads)}, {plan.epochs} epochs at {plan.rate:g}"


@torch.inference_mode()
def list_scores(model: Recommender, news: News, test: Examples) -> Floats32:
    """Scores (rows,) of the lists' rows."""
    vectors, scores = model.news(torch.arange(news.size)), np.zeros(len(test.keys), np.float32)
    for first in range(0, len(test), SCORED):
        rows = slice(test.offsets[first], test.offsets[min(first + SCORED, len(test))])
        users = _users(model, vectors, test.history[first : first + SCORED])
        owner = np.repeat(np.arange(len(users)), np.diff(test.offsets[first : first + SCORED + 1]))
        scores[rows] = (users[owner] * vectors[test.keys[rows]]).sum(1).numpy()
    return scores


def _fit_clicks(kind: str, news: News, plan: Plan, train: ClickColumns, seed: int) -> Scores:
    model = fit(kind, news, clicks_of(train, news.size), plan, seed)
    with torch.inference_mode():
        vectors = model.news(torch.arange(news.size))

    def scores(window: Windows) -> Floats32:
        with torch.inference_mode():
            dense: Floats32 = (_users(model, vectors, window.article) @ vectors.T).numpy()
        return dense

    return scores


def _users(model: Recommender, vectors: Tensor, history: Ints) -> Tensor:
    """User vectors (batch, dim) of histories (batch, h) of keys, NONE padded."""
    places = torch.from_numpy(history)
    users: Tensor = model.user(vectors[places.clamp(min=0)], places != NONE)
    return users


def _distinct(history: Ints, candidates: Ints) -> tuple[Tensor, Tensor]:
    """The keys of a batch (u,), and where each of its histories and candidates, side by side, is found in them."""
    both = np.concatenate([history, candidates], axis=1)
    keys, places = np.unique(both, return_inverse=True)
    absent = int(keys[0] == NONE)
    return torch.from_numpy(keys[absent:]), torch.from_numpy(places.reshape(both.shape) - absent)


def _known(data: Clicked, size: int, generator: np.random.Generator) -> Bools:
    """(size,) which articles occur in the training."""
    known = np.zeros(size + 1, np.bool_)  # NONE is the last one
    known[data.history] = True
    known[data.candidates(generator)] = True
    return known[:-1]

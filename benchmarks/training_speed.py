"""Training speed beside NRMS on one log: how many impressions a second each takes through one epoch, on one thread.

Every row passes over the same impressions. Seconds are of this process's CPU, so that other work on the machine does
not count.
"""

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from clock import Clock
from news_models import Clicked, News, Plan, batches, clicks_in, loss_of, recommender
from news_modules import HEAD_DIM, HEADS, ProjectedNews, Recommender, SelfAttentionUser
from torch import Tensor, nn

from recsys.columns import Ints
from recsys.encoders.source import text_source
from recsys.encoders.text_model import load_model, load_tokenizer, masked_mean
from recsys.features.examples import Examples
from recsys.features.replay import Replay
from recsys.training.fit import TrainingSet, fit
from recsys.training.heads import HeadConfig

SPEED = "training: impressions per second of one epoch, one thread, CPU seconds"
BATCH = 64  # as published; a larger one is faster on cached vectors
STEPS = {64: 40, 512: 10}  # timed of each NRMS on cached vectors, behind one that is not
END_TO_END_STEPS = 3
WARM_UP = 1

Row = dict[str, Any]


class Titles(nn.Module):
    """The title encoder inside the training: token ids -> mean over the last layer of a MiniLM, all of it trained."""

    ids: Tensor
    real: Tensor

    def __init__(self, titles: Sequence[str]) -> None:
        super().__init__()
        source = text_source("all-MiniLM-L6-v2", "")
        tokens = load_tokenizer(source)(list(titles), padding=True, return_tensors="pt")
        self.encoder = load_model(source).train()
        self.register_buffer("ids", tokens["input_ids"])
        self.register_buffer("real", tokens["attention_mask"] > 0)

    def forward(self, keys: Tensor) -> Tensor:
        """(u,) article keys -> (u, 384); no longer padded than the longest of these titles."""
        real = self.real[keys]
        longest = int(real.sum(1).max())
        ids, real = self.ids[keys, :longest], real[:, :longest]
        return masked_mean(self.encoder(input_ids=ids, attention_mask=real.long()).last_hidden_state, real)


def rows(data: TrainingSet, titles: Sequence[str]) -> Iterator[Row]:
    """This project's training, NRMS on the same cached vectors, and NRMS that encodes its titles."""
    yield from own(data)
    examples = Replay(data.attributes, data.users, live_hours=data.live_hours).run(data.log)
    clicked, news = clicks_in(examples), News.of(data.content)
    known = np.ones(news.size, np.bool_)
    for size, steps in STEPS.items():
        model = recommender("NRMS", news, known)
        yield _timed(f"NRMS on the same cached vectors, batch {size}", model, clicked, examples, size, steps)
    width = HEADS * HEAD_DIM
    model = Recommender(ProjectedNews(Titles(titles), 384, width), SelfAttentionUser(width))
    yield _timed(f"NRMS that encodes titles, batch {BATCH}", model, clicked, examples, BATCH, END_TO_END_STEPS)


def own(data: TrainingSet) -> Iterator[Row]:
    """``recsys train`` itself: everything that it fits, held-out and forward-chained copies included."""
    clock = Clock()
    fit(data, version="benchmark", report=clock)
    lists, epochs = len(data.log.impressions), HeadConfig().epochs
    trained = clock.seconds["towers"] + clock.seconds["heads"]
    yield _row(f"recsys, towers and heads, {epochs} epochs", lists * epochs, trained)
    yield _row(
        f"recsys, the same with replay and affinities, {epochs} epochs", lists * epochs, sum(clock.seconds.values())
    )


def _timed(name: str, model: Recommender, data: Clicked, examples: Examples, size: int, steps: int) -> Row:
    """Time some steps of an epoch; a step stands for its share of the log's impressions."""
    torch.manual_seed(0)
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=Plan(1).rate)
    done, started = 0, 0.0
    for number, batch in enumerate(islice(_endless(data, size), steps + WARM_UP)):
        if number == WARM_UP:
            started = time.process_time()
        optimiser.zero_grad(set_to_none=True)
        loss_of(model, *batch).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        done += len(batch[0]) if number >= WARM_UP else 0
    return _row(name, done * len(examples) / len(data), time.process_time() - started)


def _endless(data: Clicked, size: int) -> Iterator[tuple[Ints, Ints]]:
    """Batches of one epoch after the other, each in a new order."""
    generator = np.random.default_rng(0)
    while True:
        yield from batches(data, size, generator)


def _row(name: str, impressions: float, seconds: float) -> Row:
    return {
        "table": SPEED,
        "name": name,
        "impressions x epochs": round(impressions),
        "CPU seconds": seconds,
        "impressions / s": round(impressions / seconds),
    }

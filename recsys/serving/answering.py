"""Answers of the pipeline of which every article is in the catalogue at this very moment."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy.orm import Session

from recsys.counts import count
from recsys.database import articles
from recsys.database.rules import Rule, rules_in_force
from recsys.domain import Article, NotReadyError, Timestamp
from recsys.pipeline import recommend as pipeline
from recsys.pipeline.exploration import Exploration
from recsys.pipeline.model import Model
from recsys.pipeline.situation import Request
from recsys.serving.live import Live
from recsys.settings import Settings
from recsys.stages import stage

TRIES = 3  # rounds in which articles that are gone from the catalogue are replaced
MOST_NEWS = 1000  # articles that changed a moment ago and are looked at for that: a few milliseconds


@dataclass(frozen=True)
class Checked:
    """Answers, one for each request, and cards of the articles in them that are still there, by key."""

    answers: list[pipeline.Answer]
    found: dict[int, Article]
    editors: tuple[Rule, ...]  # the orders that were heeded


def live_model(live: Live) -> Model:
    """The model that answers.

    Raises:
        NotReadyError: while no model is live.
    """
    if live.model is None:
        raise NotReadyError(live.trouble or "No model is live yet: run `recsys train`, or `recsys demo`.")
    return live.model


def answer_many(
    session: Session,
    live: Live,
    model: Model,
    requests: Sequence[Request],
    limit: int,
    settings: Settings,
    exploration: Exploration | None = None,
) -> Checked:
    """The ``limit`` best articles for each of some requests of one instant; there is at least one.

    A process's copy of the catalogue may lag behind: what is gone is excluded, with whatever else this process has not
    heard of yet, and those requests are answered again.
    """
    at = requests[0].at
    with stage("hydrate"):
        editors = tuple(rules_in_force(session, at))
    options = pipeline.ListOptions(
        limit, settings.diversity, settings.section_cap, settings.tired_after, editors, exploration
    )
    waiting, answers, found = dict(enumerate(requests)), dict[int, pipeline.Answer](), dict[int, Article]()
    for _ in range(TRIES):
        answered = _answered(live, model, list(waiting.values()), options, at)
        answers.update(zip(waiting, answered, strict=True))
        found |= _there(session, {key for answer in answered for key in answer.keys.tolist()}, at)
        gone = {i: _unfit(answers[i].keys.tolist(), found, request.section, editors) for i, request in waiting.items()}
        count("filtered", "gone", sum(len(missing) for missing in gone.values()))
        waiting = {i: request for i, request in waiting.items() if gone[i]}
        if not waiting:
            break
        news = live.unread(session)[:MOST_NEWS]
        found |= _there(session, news, at)
        for i, request in waiting.items():
            waiting[i] = _without(request, gone[i] + _unfit(news, found, request.section, editors))
    answers |= {i: answers[i].without(gone[i]) for i in waiting}
    return Checked([answers[i] for i in range(len(requests))], found, editors)


def _answered(
    live: Live, model: Model, requests: Sequence[Request], options: pipeline.ListOptions, at: Timestamp
) -> list[pipeline.Answer]:
    with live.lock:
        ground = live.ground(model, at)
        return pipeline.recommend_many(model, live.reader(), requests, options, ground)


def _there(session: Session, keys: Iterable[int], at: Timestamp) -> dict[int, Article]:
    """Cards of those articles that are in the catalogue at this moment."""
    with stage("filter"):
        return current(articles.cards_by_key(session, keys), at)


def current(found: dict[int, Article], at: Timestamp) -> dict[int, Article]:
    """Those articles that are published and not expired; a process's copy of the catalogue may lag behind."""
    return {
        key: article
        for key, article in found.items()
        if (article.expires_at is None or article.expires_at > at)
        and (article.published_at is None or article.published_at <= at)
    }


def _unfit(keys: list[int], found: dict[int, Article], section: str | None, editors: Sequence[Rule]) -> list[int]:
    """Those articles that are gone, or have moved to another section than the one asked for, or to a blocked one."""
    blocked = {rule.section for rule in editors if rule.action == "block"} - {None}
    return [
        key
        for key in keys
        if key not in found or found[key].section in blocked or section not in (None, found[key].section)
    ]


def _without(request: Request, gone: list[int]) -> Request:
    return replace(request, exclude=np.concatenate([request.exclude, np.array(gone, np.int64)]))

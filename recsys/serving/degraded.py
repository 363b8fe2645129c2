"""Answers without the database: from users as they were last seen, and the articles as the process knows them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsys.columns import NONE, Ints
from recsys.database import merges
from recsys.database.rules import Rule
from recsys.domain import Recommendation
from recsys.features.history import empty_view
from recsys.pipeline import recommend as pipeline
from recsys.pipeline.model import Model
from recsys.pipeline.situation import Request
from recsys.serving.answering import live_model
from recsys.serving.asked import Asked
from recsys.serving.hydrate import here, within
from recsys.serving.lines import described
from recsys.serving.live import Live
from recsys.serving.user_cache import CachedUser, UserCache
from recsys.settings import Settings


@dataclass(frozen=True)
class Remembered:
    """What a process has kept of better times."""

    users: UserCache
    editors: tuple[Rule, ...]  # orders that were in force at the last answer


def answer(live: Live, kept: Remembered, asked: Asked, settings: Settings) -> tuple[Model, list[Recommendation]]:
    """The best articles by what this process knows; a user who is not remembered is one of whom nothing is known.

    Raises:
        NotReadyError: while no model is live.
    """
    found = kept.users.find(asked.user_id)
    model = live_model(live)
    model = model if found is None else live.models.get(found.version, model)
    editors = tuple(rule for rule in kept.editors if rule.in_force(asked.at))
    options = pipeline.ListOptions(asked.limit, settings.diversity, settings.section_cap, settings.tired_after, editors)
    with live.lock:
        ground = live.ground(model, asked.at)
        (chosen,) = pipeline.recommend_many(model, live.reader(), [_request(live, found, asked)], options, ground)
    return model, described(chosen, live.cards.articles(live.world.catalogue, chosen.keys.tolist()), {})


def _request(live: Live, found: CachedUser | None, asked: Asked) -> Request:
    catalogue = live.world.catalogue
    reading = _keys_of(live, [asked.context.context_article] if asked.context.context_article else [])
    context = here(asked.context, int(reading[0]) if len(reading) else NONE, len(catalogue))
    barred = _keys_of(live, asked.exclude)
    view = empty_view() if found is None else within(found.view, len(catalogue))
    return Request(0 if found is None else found.user, view, asked.at, context, asked.section, barred)


def _keys_of(live: Live, article_ids: Sequence[str]) -> Ints:
    """Keys of the articles that these ids stood for when the database last answered, as far as they are known."""
    keys = np.array(live.cards.keys_of(live.world.catalogue, article_ids), np.int64)
    return merges.surviving(keys, live.aliases)

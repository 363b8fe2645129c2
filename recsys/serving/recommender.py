"""Answers requests: hydrate the user from the database, run the pipeline, check the catalogue, log what was served."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy.orm import Session

from recsys.database import articles, merges
from recsys.database.session import Sessions
from recsys.domain import Context, Neighbour, NotKnownError, NotPossibleError, NotReadyError, Recommendation, Timestamp
from recsys.pipeline import recommend as pipeline
from recsys.pipeline.model import Model
from recsys.pipeline.situation import Request
from recsys.serving.answering import answer_many, live_model
from recsys.serving.hydrate import request_of
from recsys.serving.lines import described, explanations
from recsys.serving.live import Live
from recsys.serving.neighbours import neighbours
from recsys.serving.remember import remember
from recsys.settings import Settings


@dataclass(frozen=True)
class Served:
    """One answer to one user."""

    user_id: str
    model_version: str
    impression_id: str | None  # None where nothing was logged, or could be
    items: list[Recommendation]


@dataclass(frozen=True)
class Ranked:
    """One of the publisher's own articles, with P(click | shown in the list that was sent)."""

    article_id: str
    score: float
    position: int


@dataclass(frozen=True)
class RankedList:
    """The publisher's own list in the order of one model version, best first."""

    model_version: str
    items: list[Ranked]


class Recommender:
    """The three things people ask for: articles for a user, an order of given articles, and neighbours of one."""

    def __init__(self, sessions: Sessions, settings: Settings, live: Live):
        self.sessions, self.settings, self.live = sessions, settings, live

    def recommend(
        self,
        user_id: str,
        *,
        limit: int = 10,
        section: str | None = None,
        exclude: Sequence[str] = (),
        context: Context = Context(),
        with_explanations: bool = False,
        log: bool = True,
        at: Timestamp | None = None,
    ) -> Served:
        """The ``limit`` best articles for a user; one who is not known gets what is trending and fresh.

        Raises:
            NotReadyError: while no model is live.
        """
        model, now = live_model(self.live), time.time() if at is None else at
        with self.sessions() as session:
            request = self._request(session, user_id, context, now, section, exclude)
            checked = answer_many(session, self.live, model, [request], limit, self.settings)
            why = explanations(session, model, request, checked.answers[0]) if with_explanations else {}
        items = described(checked.answers[0], checked.found, why)
        impression_id = self._log(user_id, now, items, context, model) if log else None
        return Served(user_id, model.version, impression_id, items)

    def rank(self, user_id: str, article_ids: Sequence[str], context: Context = Context()) -> RankedList:
        """The publisher's own list, best first; of ids that stand for one article the first counts.

        Raises:
            NotKnownError: when an article is not in the catalogue.
            NotPossibleError: when the live model has no ranking head.
            NotReadyError: while no model is live.
        """
        model = live_model(self.live)
        if model.heads is None:
            raise NotPossibleError(
                "The live model was trained without impressions and predicts no clicks: train on a log that has them."
            )
        with self.sessions() as session:
            request = self._request(session, user_id, context, time.time(), None, ())
            names = _catalogued(session, article_ids)
        listed = np.array(list(names), np.int64)
        if listed.max(initial=0) >= len(self.live.world.catalogue):
            self.live.refresh()  # an article of this very moment
        if listed.max(initial=0) >= len(self.live.world.catalogue):  # beside a transaction that still runs
            raise NotReadyError("An article of the list was written only just now: ask again in a second.")
        with self.live.lock:
            scored = pipeline.rank(model, self.live.reader(), request, listed)
        scores = pipeline.probabilities(model, scored.rows, scored.utility)
        order = np.argsort(-scores, kind="stable")
        ranked = [Ranked(names[int(listed[i])], float(scores[i]), place + 1) for place, i in enumerate(order)]
        return RankedList(model.version, ranked)

    def similar(self, article_id: str, by: str = "fused", limit: int = 10) -> list[Neighbour]:
        """The nearest articles of the catalogue by the fused embedding, or by one modality alone.

        Raises:
            NotKnownError: when the article or the modality is not known.
            NotReadyError: while no model is live.
        """
        model, now = live_model(self.live), time.time()
        live = np.flatnonzero(self.live.world.catalogue.expires_at > now)
        with self.sessions() as session:
            return neighbours(session, model, article_id, by, limit, live=live, at=now)

    def _request(
        self,
        session: Session,
        user_id: str,
        context: Context,
        at: Timestamp,
        section: str | None,
        exclude: Sequence[str],
    ) -> Request:
        return request_of(
            session, user_id, at, catalogue=len(self.live.world.catalogue), context=context, section=section,
            exclude=exclude,
        )  # fmt: skip

    def _log(
        self, user_id: str, at: Timestamp, items: list[Recommendation], context: Context, model: Model
    ) -> str | None:
        return remember(
            self.sessions, user_id=user_id, at=at, answer=items, context=context, model_version=model.version,
            seen=self.settings.served_is_seen,
        )  # fmt: skip


def _catalogued(session: Session, article_ids: Sequence[str]) -> dict[int, str]:
    """These articles by key, all of which must be in the catalogue; of ids that stand for one the first."""
    keys = merges.surviving_keys(session, article_ids)
    present = articles.articles_by_key(session, keys.values())
    unknown = [article_id for article_id in article_ids if keys.get(article_id) not in present]
    if unknown:
        raise NotKnownError(f"Not in the catalogue: {', '.join(unknown[:5])}. PUT them to /v1/articles first.")
    names: dict[int, str] = {}
    for article_id in article_ids:
        names.setdefault(keys[article_id], article_id)
    return names

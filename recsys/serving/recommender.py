"""Answers requests: hydrate the user from the database, run the pipeline, check the catalogue, log what was served."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy.orm import Session

from recsys.columns import Ints
from recsys.database import articles, merges
from recsys.database.served import ServedList
from recsys.database.session import Sessions
from recsys.domain import Context, Neighbour, NotKnownError, NotPossibleError, NotReadyError, Recommendation, Timestamp
from recsys.pipeline import recommend as pipeline
from recsys.pipeline.content import Content
from recsys.pipeline.model import Model
from recsys.pipeline.situation import Request
from recsys.serving import degraded
from recsys.serving.answering import answer_many, live_model
from recsys.serving.asked import Asked
from recsys.serving.breaker import UNANSWERED, impatient
from recsys.serving.degraded import Remembered
from recsys.serving.experiment import exploration_of, model_for, propensities_of
from recsys.serving.explaining import explanations
from recsys.serving.hydrate import request_of
from recsys.serving.lines import described
from recsys.serving.live import Live
from recsys.serving.metrics import ANSWERS, DEGRADED, UNLOGGED, observing
from recsys.serving.neighbours import neighbours, neighbours_of_content
from recsys.serving.recent import Recent
from recsys.serving.served_log import ServedLog
from recsys.settings import Settings
from recsys.stages import stage


@dataclass(frozen=True)
class Served:
    """One answer to one user."""

    user_id: str
    model_version: str
    impression_id: str | None  # None where nothing was logged, or could be
    items: list[Recommendation]
    degraded: bool = False  # the database did not answer


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
        self.recent = Recent()
        self.served = ServedLog(sessions, served_is_seen=settings.served_is_seen)
        self.exploration = exploration_of(settings)
        self._remembered = Remembered(live.cached_users, ())

    @observing()
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
        now = time.time() if at is None else at
        asked = Asked(user_id, now, limit, section, exclude, context, with_explanations, log)
        database = self.live.database
        if database.may_ask():
            try:
                served = self._from_database(asked)
            except UNANSWERED as error:
                database.failed(error)
            else:
                database.answered()
                return served
        return self._without_database(asked)

    def _from_database(self, asked: Asked) -> Served:
        explore = self.exploration if asked.log and asked.section is None and not asked.exclude else None
        with impatient(self.sessions) as session:
            with stage("hydrate"):
                model = model_for(self.live, session, asked.user_id)
                request = self._request(session, asked.user_id, asked.context, asked.at, asked.section, asked.exclude)
            checked = answer_many(session, self.live, model, [request], asked.limit, self.settings, explore)
            (answer,) = checked.answers
            why = explanations(session, model, request, answer) if asked.with_explanations else {}
        self._remembered.users.keep(asked.user_id, request.user, request.view, model.version)
        self._remembered = replace(self._remembered, editors=checked.editors)
        items = described(answer, checked.found, why)
        with stage("log"):
            propensities = propensities_of(answer)
            impression_id = self._log(asked, request.user, items, model, propensities) if asked.log else None
        self._count(model.version, answer, log=asked.log, logged=impression_id is not None)
        return Served(asked.user_id, model.version, impression_id, items)

    def _without_database(self, asked: Asked) -> Served:
        model, items = degraded.answer(self.live, self._remembered, asked, self.settings)
        ANSWERS.labels(model.version).inc()
        DEGRADED.inc()
        return Served(asked.user_id, model.version, None, items, degraded=True)

    def rank(self, user_id: str, article_ids: Sequence[str], context: Context = Context()) -> RankedList:
        """The publisher's own list, best first; of ids that stand for one article the first counts.

        Raises:
            NotKnownError: when an article is not in the catalogue.
            NotPossibleError: when the live model has no ranking head.
            NotReadyError: while no model is live.
        """
        with self.sessions() as session:
            model = model_for(self.live, session, user_id)
            if model.heads is None:
                raise NotPossibleError(
                    "The live model was trained without impressions and predicts no clicks: train on a log that has "
                    "them."
                )
            request = self._request(session, user_id, context, time.time(), None, ())
            names = _catalogued(session, article_ids)
        listed = np.array(list(names), np.int64)
        if listed.max(initial=0) >= len(self.live.world.catalogue):
            self.live.read_catalogue()  # an article of this very moment
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
        with self.sessions() as session:
            return neighbours(session, model, article_id, by, limit, live=self._live_keys(now), at=now)

    def search(self, model: Model, content: Content, limit: int = 10) -> list[Neighbour]:
        """The articles nearest to raw vectors of a text or a picture, one row by modality."""
        now = time.time()
        with self.sessions() as session:
            return neighbours_of_content(session, model, content, limit, live=self._live_keys(now), at=now)

    def _live_keys(self, now: Timestamp) -> Ints:
        """Keys of the articles that the catalogue has at this moment, however long ago they were shown."""
        catalogue = self.live.world.catalogue
        return catalogue.described_among(np.flatnonzero(catalogue.here(now)))

    def _count(self, version: str, answer: pipeline.Answer, *, log: bool, logged: bool) -> None:
        """Note an answer for the metrics; of previews nothing but their number."""
        ANSWERS.labels(version).inc()
        if log:
            UNLOGGED.inc(not logged)
            self.recent.note(version, answer)

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
        self,
        asked: Asked,
        user: int,
        items: list[Recommendation],
        model: Model,
        propensities: list[float] | None,
    ) -> str | None:
        answer = ServedList("", asked.user_id, asked.at, items, asked.context, model.version, propensities, user)
        return self.served.note(answer)


def _catalogued(session: Session, article_ids: Sequence[str]) -> dict[int, str]:
    """These articles by key, all of which must be in the catalogue; of ids that stand for one the first."""
    keys = merges.surviving_keys(session, article_ids)
    present = articles.cards_by_key(session, keys.values())
    unknown = [article_id for article_id in article_ids if keys.get(article_id) not in present]
    if unknown:
        raise NotKnownError(f"Not in the catalogue: {', '.join(unknown[:5])}. PUT them to /v1/articles first.")
    names: dict[int, str] = {}
    for article_id in article_ids:
        names.setdefault(keys[article_id], article_id)
    return names

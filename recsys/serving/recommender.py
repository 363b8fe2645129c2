"""Answers requests: hydrate the user from the database, run the pipeline, check the catalogue, log what was served."""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

import numpy as np
from sqlalchemy.orm import Session

from recsys.columns import NONE, PAGES, Floats32, Ints, device_code
from recsys.database import articles, served, users
from recsys.database.session import Sessions, writing
from recsys.domain import (
    Article,
    Context,
    Explanation,
    Neighbour,
    NotKnownError,
    NotPossibleError,
    NotReadyError,
    Recommendation,
    Timestamp,
)
from recsys.features.features import RequestContext
from recsys.features.history import UserView, empty_view
from recsys.pipeline import explain
from recsys.pipeline import recommend as pipeline
from recsys.pipeline.load import load_content, load_view
from recsys.pipeline.model import Model
from recsys.pipeline.situation import Request
from recsys.serving.live import Live
from recsys.settings import Settings

TRIES = 3  # rounds in which articles that are gone from the catalogue are replaced
SPARE = 20  # neighbours looked up beyond those wanted, since some may be gone from the catalogue


@dataclass(frozen=True)
class Served:
    """One answer to one user."""

    user_id: str
    model_version: str
    impression_id: str | None  # None where nothing was logged
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
        model, now = self._model(), time.time() if at is None else at
        with self.sessions() as session:
            request = self._request(session, user_id, context, now, section, exclude)
            answer, found = self._answer(session, model, request, limit)
            items = self._described(session, model, request, answer, found, with_explanations)
        impression_id = self._log(user_id, now, items, context, model) if log else None
        return Served(user_id, model.version, impression_id, items)

    def rank(self, user_id: str, article_ids: Sequence[str], context: Context = Context()) -> RankedList:
        """The publisher's own list (of different articles), best first.

        Raises:
            NotKnownError: when an article is not in the catalogue.
            NotPossibleError: when the live model has no ranking head.
            NotReadyError: while no model is live.
        """
        model = self._model()
        if model.heads is None:
            raise NotPossibleError(
                "The live model was trained without impressions and predicts no clicks: train on a log that has them."
            )
        with self.sessions() as session:
            request = self._request(session, user_id, context, time.time(), None, ())
            listed = _catalogued(session, article_ids)
        if listed.max(initial=0) >= len(self.live.world.catalogue):
            self.live.refresh()  # an article of this very moment
        with self.live.lock:
            scored = pipeline.rank(model, self.live.reader(), request, listed)
        scores = pipeline.probabilities(model, scored.rows, scored.utility)
        order = np.argsort(-scores, kind="stable")
        ranked = [Ranked(article_ids[i], float(scores[i]), place + 1) for place, i in enumerate(order)]
        return RankedList(model.version, ranked)

    def similar(self, article_id: str, by: str = "fused", limit: int = 10) -> list[Neighbour]:
        """The nearest articles of the catalogue by the fused embedding, or by one modality alone.

        Raises:
            NotKnownError: when the article or the modality is not known.
            NotReadyError: while no model is live.
        """
        model = self._model()
        with self.sessions() as session:
            key = articles.keys_of(session, [article_id]).get(article_id)
            if key is None or articles.get_article(session, article_id) is None:
                raise NotKnownError(f"There is no article {article_id!r} in the catalogue.")
            now = time.time()
            present = np.flatnonzero(self.live.world.catalogue.expires_at > now)
            similarity, keys = _nearest(model, key, by, limit + SPARE, present[present != key])
            found = _current(articles.articles_by_key(session, keys.tolist()), now)
        pairs = [(int(k), float(s)) for k, s in zip(keys, similarity, strict=True) if int(k) in found][:limit]
        return [Neighbour(found[k].article_id, found[k].title, s, image_url(found[k])) for k, s in pairs]

    def _model(self) -> Model:
        if self.live.model is None:
            raise NotReadyError(self.live.trouble or "No model is live yet: run `recsys train`, or `recsys demo`.")
        return self.live.model

    def _request(
        self,
        session: Session,
        user_id: str,
        context: Context,
        at: Timestamp,
        section: str | None,
        exclude: Sequence[str],
    ) -> Request:
        user = users.key_of(session, user_id)
        view = empty_view() if user is None else load_view(session, user, at)
        named = articles.keys_of(session, [*exclude, *([context.context_article] if context.context_article else [])])
        reading = named.get(context.context_article, NONE) if context.context_article else NONE
        here = RequestContext(
            PAGES.get(context.page, 0),
            device_code(context.device),
            -1 if context.subscriber is None else int(context.subscriber),
            reading if reading < len(self.live.world.catalogue) else NONE,
        )
        barred = np.array([named[article_id] for article_id in exclude if article_id in named], np.int64)
        return Request(user or 0, self._within(view), at, here, section, barred)

    def _answer(
        self, session: Session, model: Model, request: Request, limit: int
    ) -> tuple[pipeline.Answer, dict[int, Article]]:
        """An answer of which every article is in the catalogue at this very moment."""
        for _ in range(TRIES):
            with self.live.lock:
                answer = pipeline.recommend(
                    model, self.live.reader(), request, limit,
                    diversity=self.settings.diversity, section_cap=self.settings.section_cap,
                )  # fmt: skip
            found = _current(articles.articles_by_key(session, answer.keys.tolist()), request.at)
            gone = [int(key) for key in answer.keys if int(key) not in found]
            if not gone:
                break
            request = _without(request, gone)
        return answer, found

    def _described(
        self,
        session: Session,
        model: Model,
        request: Request,
        answer: pipeline.Answer,
        found: dict[int, Article],
        with_explanations: bool,
    ) -> list[Recommendation]:
        why = self._explanations(session, model, request, answer) if with_explanations else {}
        lines = [
            line for line in zip(answer.keys.tolist(), answer.scores, answer.source, strict=True) if line[0] in found
        ]
        return [
            Recommendation(
                article_id=found[key].article_id,
                title=found[key].title,
                section=found[key].section,
                image_url=image_url(found[key]),
                published_at=found[key].published_at,
                position=place + 1,
                score=float(score),
                source=source,
                explanation=why.get(key),
            )
            for place, (key, score, source) in enumerate(lines)
        ]

    def _explanations(
        self, session: Session, model: Model, request: Request, answer: pipeline.Answer
    ) -> dict[int, Explanation]:
        because = {int(key): explain.reasons(model.views, int(key), request.history) for key in answer.keys}
        named = articles.articles_by_key(session, {key for keys in because.values() for key in keys})
        content = load_content(session, model.encoders, np.sort(answer.keys))
        weights = model.views.towers.item_vectors(content, answer.keys)[1]
        return {
            int(key): Explanation(
                tuple(named[read].title or named[read].article_id for read in because[int(key)] if read in named),
                explain.modality_weights(model.views, weights[place]),
                pipeline.named_inputs(model, answer.rows[place]),
            )
            for place, key in enumerate(answer.keys)
        }

    def _log(self, user_id: str, at: Timestamp, items: list[Recommendation], context: Context, model: Model) -> str:
        impression_id = uuid.uuid4().hex
        with writing(self.sessions) as session:
            served.log_served(
                session, impression_id=impression_id, user_id=user_id, at=at, answer=items, context=context,
                model_version=model.version,
            )  # fmt: skip
            if self.settings.served_is_seen and items:
                served.confirm_served(session, impression_id, time.time())
        return impression_id

    def _within(self, view: UserView) -> UserView:
        """The view without articles that are newer than this process's catalogue."""
        size = len(self.live.world.catalogue)
        if max(view.clicked.max(initial=0), view.shown.max(initial=0)) < size:
            return view
        clicked, shown = view.clicked < size, view.shown < size
        return UserView(
            view.clicked[clicked],
            view.clicked_at[clicked],
            view.clicked_weight[clicked],
            view.shown[shown],
            view.shown_at[shown],
        )


def image_url(article: Article) -> str | None:
    """Where a browser finds the picture: the publisher's address, or this API's own for local files."""
    if article.image is None or article.image.startswith(("http://", "https://")):
        return article.image
    return f"/v1/articles/{quote(article.article_id, safe='')}/image"


def _catalogued(session: Session, article_ids: Sequence[str]) -> Ints:
    """Keys of these articles, all of which must be in the catalogue."""
    keys = articles.keys_of(session, article_ids)
    present = articles.articles_by_key(session, keys.values())
    unknown = [article_id for article_id in article_ids if keys.get(article_id) not in present]
    if unknown:
        raise NotKnownError(f"Not in the catalogue: {', '.join(unknown[:5])}. PUT them to /v1/articles first.")
    return np.array([keys[article_id] for article_id in article_ids], np.int64)


def _current(found: dict[int, Article], at: Timestamp) -> dict[int, Article]:
    """Those articles that are published and not expired; a process's copy of the catalogue may lag behind."""
    return {
        key: article
        for key, article in found.items()
        if (article.expires_at is None or article.expires_at > at)
        and (article.published_at is None or article.published_at <= at)
    }


def _without(request: Request, gone: list[int]) -> Request:
    return replace(request, exclude=np.concatenate([request.exclude, np.array(gone, np.int64)]))


def _nearest(model: Model, key: int, by: str, limit: int, allowed: Ints) -> tuple[Floats32, Ints]:
    """Similarities and keys of the nearest articles; what says nothing in this view is near to nothing."""
    views, space = model.views, model.views.towers.content_space
    wanted = np.array([key], np.int64)
    if by == "fused":
        index, part, query = views.learned, slice(None), views.learned.vectors(wanted)[0]
    elif by in space.modalities:
        index, part, query = views.content, space.parts[by], space.only(by, views.content.vectors(wanted)[0])
    else:
        raise NotKnownError(f"There is no view {by!r}: choose fused, {' or '.join(space.modalities)}.")
    told = index.vectors(allowed)[0][:, part].any(axis=1)
    scores, keys = index.search(query, limit, allowed=allowed[told])
    found = (keys[0] >= 0) & query.any()
    return scores[0][found], keys[0][found]

"""Articles for a user: the pipeline's own list, or the publisher's list in the best order."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.deps import ADMITTED, RecommenderDep, RunningDep
from api.fields import PathId, instant
from api.problems import documented, invalid
from api.schemas import (
    AppliedRuleOut,
    ContextIn,
    ExplanationOut,
    RankedOut,
    RankIn,
    RankOut,
    RecommendationOut,
    RecommendationsOut,
    RecommendIn,
)
from api.security import needs
from recsys.domain import Recommendation

router = APIRouter(prefix="/users/{user_id}")

NO_STORE = {"Cache-Control": "no-store"}


@router.get("/recommendations", response_model=RecommendationsOut, dependencies=[needs("read"), ADMITTED])
def recommend(user_id: PathId, running: RunningDep, asked: Annotated[RecommendIn, Query()]) -> Response:
    """The best articles for a user; one who is not known gets what is trending and fresh."""
    served = running.recommender.recommend(
        user_id,
        limit=asked.limit,
        section=asked.section or None,
        exclude=asked.exclude,
        context=asked.to_domain(),
        with_explanations=asked.explain,
        log=asked.log,
    )
    answer = RecommendationsOut(
        user_id=user_id,
        model_version=served.model_version,
        impression_id=served.impression_id,
        items=[_line(item) for item in served.items],
    )
    if served.degraded:
        answer.degraded = True
    # as bytes: FastAPI would check the answer once more, in a thread of its own
    return Response(answer.model_dump_json(exclude_unset=True), headers=NO_STORE, media_type="application/json")


@router.post("/rank", responses=documented(404, 409), dependencies=[needs("read"), ADMITTED])
def rank(user_id: PathId, body: RankIn, recommender: RecommenderDep) -> RankOut:
    """The publisher's own list, best first, with a click probability for each article; nothing is logged."""
    if len(set(body.article_ids)) < len(body.article_ids):
        raise invalid("article_ids", "an article stands in the list twice")
    ranked = recommender.rank(user_id, body.article_ids, (body.context or ContextIn()).to_domain())
    items = [RankedOut(article_id=r.article_id, position=r.position, score=r.score) for r in ranked.items]
    return RankOut(user_id=user_id, model_version=ranked.model_version, items=items)


def _line(item: Recommendation) -> RecommendationOut:
    line = RecommendationOut(
        article_id=item.article_id,
        title=item.title,
        section=item.section,
        image_url=item.image_url,
        published_at=None if item.published_at is None else instant(item.published_at),
        position=item.position,
        score=item.score,
        source=item.source,
    )
    if item.rule is not None:
        line.rule = AppliedRuleOut.model_validate(item.rule, from_attributes=True)
    if item.explanation is not None:
        line.explanation = ExplanationOut.model_validate(item.explanation, from_attributes=True)
    return line

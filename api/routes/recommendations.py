"""Articles for a user: the pipeline's own list, or the publisher's list in the best order."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from fastapi.exceptions import RequestValidationError

from api.deps import ADMITTED, RecommenderDep
from api.fields import Device, Id, PathId, Placement, Section, Text, instant
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
)
from api.security import needs
from recsys.domain import Context, Page, Recommendation

router = APIRouter(prefix="/users/{user_id}")

MOST_EXCLUDED = 1000
NO_STORE = {"Cache-Control": "no-store"}


async def _context(
    page: Annotated[Page | None, Query(description="where the list is shown")] = None,
    context_article: Annotated[Id | None, Query(description="the article being read")] = None,
    device: Annotated[Device | None, Query(description="desktop, mobile, tablet, or another name")] = None,
    subscriber: bool | None = None,
    placement: Placement | None = None,
) -> Context:
    return Context(page, context_article, device, subscriber, placement)


async def _excluded(
    exclude: Annotated[
        list[Text], Query(max_length=MOST_EXCLUDED, description="article ids; repeat it, or separate by commas")
    ] = [],  # noqa: B006
) -> list[str]:
    """The ids, and each value as a whole too: an id may hold a comma."""
    parts = [part for value in exclude for part in value.split(",")]
    if len(parts) > MOST_EXCLUDED:
        why = f"at most {MOST_EXCLUDED:,} articles can be excluded"
        raise RequestValidationError([{"loc": ("query", "exclude"), "msg": why}])
    return [*exclude, *parts]


@router.get("/recommendations", response_model=RecommendationsOut, dependencies=[needs("read"), ADMITTED])
def recommend(
    user_id: PathId,
    recommender: RecommenderDep,
    context: Annotated[Context, Depends(_context)],
    excluded: Annotated[list[str], Depends(_excluded)],
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
    section: Annotated[Section | None, Query(description="of this section only")] = None,
    explain: bool = False,
    log: Annotated[bool, Query(description="false for previews: the answer is not logged")] = True,
) -> Response:
    """The best articles for a user; one who is not known gets what is trending and fresh."""
    served = recommender.recommend(
        user_id,
        limit=limit,
        section=section or None,
        exclude=excluded,
        context=context,
        with_explanations=explain,
        log=log,
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

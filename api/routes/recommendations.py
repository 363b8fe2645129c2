"""Articles for a user: the pipeline's own list, or the publisher's list in the best order."""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import AfterValidator, BaseModel, Field, ValidationError

from api.deps import ADMITTED, RecommenderDep, Running, RunningDep
from api.fields import PathId, Section, Text, instant
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
from api.security import check, needs
from recsys.domain import Page, Recommendation

router = APIRouter(prefix="/users/{user_id}")

MOST_EXCLUDED = 1000  # articles
NO_STORE = {"Cache-Control": "no-store"}


def _split(values: list[str]) -> list[str]:
    """The ids in values that commas part, and each value as a whole too: an id may hold a comma."""
    parts = [part for value in values for part in value.split(",")]
    if len(parts) > MOST_EXCLUDED:
        raise ValueError(f"at most {MOST_EXCLUDED:,} articles can be excluded")
    return [*values, *parts]


class RecommendIn(ContextIn):
    """What is asked of a recommendation; one model, since FastAPI looks at every argument of a route by itself."""

    page: Page | None = Field(None, description="where the list is shown")
    limit: int = Field(10, ge=1, le=100)
    section: Section | None = Field(None, description="of this section only")
    exclude: Annotated[list[Text], Field(max_length=MOST_EXCLUDED), AfterValidator(_split)] = Field(
        [], description="article ids; repeat it, or separate by commas"
    )
    explain: bool = False
    log: bool = Field(True, description="false for previews: the answer is not logged")


class _Reader(BaseModel):
    user_id: PathId


class _Asked(BaseModel):
    """All that a request says, as FastAPI names its parts."""

    path: _Reader
    query: RecommendIn


async def _straight(request: Request) -> Response:
    """Do what FastAPI makes of ``recommend`` and its dependencies, which took it a twentieth of the whole answer."""
    check(request, "read")
    query: dict[str, Any] = dict(request.query_params)
    if "exclude" in query:
        query["exclude"] = request.query_params.getlist("exclude")
    try:
        asked = _Asked.model_validate({"path": request.path_params, "query": query})
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error
    running: Running = request.app.state.running
    await request.scope["fastapi_inner_astack"].enter_async_context(running.admission.admitted())  # until it is sent
    answer = partial(recommend, asked.path.user_id, running, asked.query)
    return await to_thread.run_sync(answer, limiter=running.admission.threads)


class _Straight(APIRoute):
    """A route that FastAPI documents and leads to, without its reading of parameters one by one."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request."""
        return _straight


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


router.add_api_route(
    "/recommendations",
    recommend,
    response_model=RecommendationsOut,
    dependencies=[needs("read"), ADMITTED],
    route_class_override=_Straight,
)


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

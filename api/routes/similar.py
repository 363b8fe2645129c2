"""The nearest articles of one article."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.exceptions import RequestValidationError

from api.deps import ADMITTED, LiveDep, RecommenderDep
from api.fields import PathId
from api.problems import documented
from api.schemas import NeighbourOut, SimilarOut
from api.security import needs

router = APIRouter(prefix="/articles/{article_id}")


async def _by(
    live: LiveDep,
    by: Annotated[
        str, Query(description="what is compared: fused, title, image, or another modality of the live model")
    ] = "fused",
) -> str:
    known = ["fused", *live.model.encoders] if live.model else [by]
    if by not in known:
        why = f"the live model compares by {', '.join(known[:-1])} or {known[-1]}"
        raise RequestValidationError([{"loc": ("query", "by"), "msg": why}])
    return by


@router.get("/similar", responses=documented(404), dependencies=[needs("read"), ADMITTED])
def similar(
    article_id: PathId,
    recommender: RecommenderDep,
    by: Annotated[str, Depends(_by)],
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
) -> SimilarOut:
    """Neighbours by the fused embedding, or by one modality alone; none while the article has no vector yet."""
    neighbours = recommender.similar(article_id, by, limit)
    items = [NeighbourOut.model_validate(neighbour, from_attributes=True) for neighbour in neighbours]
    return SimilarOut(article_id=article_id, by=by, items=items)

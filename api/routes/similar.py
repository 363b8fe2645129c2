"""The nearest articles of one article."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from api.deps import RecommenderDep
from api.fields import PathId
from api.problems import documented
from api.schemas import NeighbourOut, SimilarOut

router = APIRouter(prefix="/articles/{article_id}")


@router.get("/similar", responses=documented(404))
def similar(
    article_id: PathId,
    recommender: RecommenderDep,
    by: Annotated[Literal["fused", "title", "image"], Query(description="what is compared")] = "fused",
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
) -> SimilarOut:
    """Neighbours by the fused embedding, or by one modality alone; none while the article has no vector yet."""
    neighbours = recommender.similar(article_id, by, limit)
    items = [NeighbourOut.model_validate(neighbour, from_attributes=True) for neighbour in neighbours]
    return SimilarOut(article_id=article_id, by=by, items=items)

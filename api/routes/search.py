"""Articles that are near to a text or a picture."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import AfterValidator, BaseModel, Field, model_validator

from api.deps import RecommenderDep, RunningDep
from api.fields import Picture, Words
from api.problems import documented, invalid
from api.schemas import NeighbourOut
from api.security import needs
from recsys.domain import Modality, is_address
from recsys.serving.answering import live_model

router = APIRouter()


def _sent(picture: str) -> str:
    if is_address(picture):
        raise ValueError("send the picture itself, as data:image/png;base64,...: addresses are not fetched here")
    return picture


class SearchIn(BaseModel):
    """What to look for: a text, a picture, or both."""

    text: Words | None = None
    image: Annotated[Picture, AfterValidator(_sent)] | None = Field(
        None, description="a picture as data:image/png;base64,... (also jpeg, webp, gif, ...)"
    )
    limit: Annotated[int, Field(ge=1, le=100)] = 10

    @model_validator(mode="after")
    def _something(self) -> "SearchIn":
        if self.text is None and self.image is None:
            raise ValueError("a search has a text, an image, or both")
        return self


class SearchOut(BaseModel):
    """The articles nearest to it; with a text and a picture, by the mean of both cosines (0: not there)."""

    by: list[Modality]
    items: list[NeighbourOut]


async def _admitted(running: RunningDep) -> AsyncIterator[None]:
    async with running.searches.admission.admitted():
        yield


@router.post("/search", responses=documented(409), dependencies=[needs("read"), Depends(_admitted)])
def search(body: SearchIn, running: RunningDep, recommender: RecommenderDep) -> SearchOut:
    """Articles by what their titles say and their pictures show, nearest first. The first search takes seconds.

    409 where the live model was trained without titles or pictures, or with another encoder than the settings name.
    """
    model = live_model(running.live)
    content = running.searches.content(body.text, body.image, model.encoders)
    if not all(mask.all() for mask in content.mask.values()):
        raise invalid("image", "it cannot be read")
    found = recommender.search(model, content, body.limit)
    items = [NeighbourOut.model_validate(neighbour, from_attributes=True) for neighbour in found]
    return SearchOut(by=sorted(content.vectors), items=items)

"""Articles that are near to a text or a picture."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, BaseModel, Field, ValidationError, model_validator
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

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


SCHEMA = SearchIn.model_json_schema()
UPLOAD = {
    "type": "object",
    "properties": SCHEMA["properties"] | {"image": {"type": "string", "format": "binary"}},
}
UNREADABLE = "it is no whole form that can be read, of a file `image`, a `text` and a `limit`"
BODY = {
    "required": True,
    "content": {
        "application/json": {"schema": SCHEMA},
        "multipart/form-data": {"schema": UPLOAD},
    },
}


async def _asked(request: Request) -> SearchIn:
    """The body of a request: JSON, or a form with a file."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    sent = await _form(request) if kind == "multipart/form-data" else await _json(request, kind)
    try:
        return SearchIn.model_validate(sent)
    except ValidationError as error:
        wrong = [{**e, "loc": ("body", *e["loc"])} for e in error.errors()]
        raise RequestValidationError(wrong) from error


async def _json(request: Request, kind: str) -> Any:
    body = await request.body()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise RequestValidationError([], body=body)
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise invalid("", "it is no JSON that can be read") from error


async def _form(request: Request) -> dict[str, Any]:
    try:
        whole = (await request.body()).rstrip().endswith(b"--")  # a part that was cut off would be none without a word
        async with request.form(max_files=1, max_fields=3) as form:
            sent: dict[str, Any] = {name: value for name, value in form.items() if not _is_empty(value)}
            if isinstance(picture := sent.get("image"), UploadFile):
                sent["image"] = "data:;base64," + base64.b64encode(await picture.read()).decode()
    except (HTTPException, ValueError, LookupError) as error:  # the parser's words, or an encoding that nobody knows
        raise invalid("", UNREADABLE) from error
    if not whole:
        raise invalid("", UNREADABLE)
    return sent


def _is_empty(value: str | UploadFile) -> bool:
    """Whether this is a field of a page's form that nobody filled in."""
    return not value if isinstance(value, str) else not value.filename and not value.size


@router.post(
    "/search",
    openapi_extra={"requestBody": BODY},
    responses=documented(409),
    dependencies=[needs("read"), Depends(_admitted)],
)
def search(body: Annotated[SearchIn, Depends(_asked)], running: RunningDep, recommender: RecommenderDep) -> SearchOut:
    """Articles by what their titles say and their pictures show, nearest first. The first search takes seconds.

    A picture comes in JSON, or as the file `image` of a form.

    409 where the live model was trained without titles or pictures, or with another encoder than the settings name.
    """
    model = live_model(running.live)
    content = running.searches.content(body.text, body.image, model.encoders)
    if not all(mask.all() for mask in content.mask.values()):
        raise invalid("image", "it cannot be read")
    found = recommender.search(model, content, body.limit)
    items = [NeighbourOut.model_validate(neighbour, from_attributes=True) for neighbour in found]
    return SearchOut(by=sorted(content.vectors), items=items)

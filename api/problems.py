"""Errors as RFC 9457 problem details: a sentence that says what to do, never a traceback."""

import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.paths import allowed
from recsys.domain import NotKnownError, NotPossibleError, NotReadyError, RecsysError
from recsys.serving.breaker import UNANSWERED
from recsys.settings import Settings

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
STATUSES: dict[type[RecsysError], int] = {NotKnownError: 404, NotPossibleError: 409, NotReadyError: 503}
RETRY = {"Retry-After": "1"}
UNREADABLE = "There was an error parsing the body"  # what FastAPI says of JSON that is nested too deeply, and its like
MOST_ERRORS = 20  # of one request that are listed
UNEXPECTED = "Something went wrong here; the server's log says what."


class Problem(BaseModel):
    """What went wrong, and what to do about it."""

    type: str = "about:blank"
    title: str = Field(description="the name of the HTTP status")
    status: int
    detail: str = Field(description="a sentence that a person can act on")
    errors: list[dict[str, str]] | None = Field(None, description="of a 422: where the request is wrong, and why")


def install(app: FastAPI) -> None:
    """Have the application answer every error as a problem."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RecsysError, _explained)
    for unanswered in UNANSWERED:
        app.add_exception_handler(unanswered, _database)
    app.add_exception_handler(Exception, _unexpected)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's description of problem responses."""
    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def invalid(where: str, why: str) -> RequestValidationError:
    """An error to raise for a part of the body that is wrong for a reason which its schema cannot know."""
    return RequestValidationError([{"loc": ("body", where) if where else ("body",), "msg": why}])


def reasons(error: ValidationError | RequestValidationError) -> list[dict[str, str]]:
    """Where and why input does not fit its schema, without repeating the input."""
    return [_reason(e) for e in error.errors()[:MOST_ERRORS]]


def sentence(errors: Sequence[Mapping[str, str]]) -> str:
    """The same in one line; what concerns an input as a whole needs no place."""
    return "; ".join(f"{e['where']}: {e['why']}" if e["where"] else e["why"] for e in errors)


def respond(status: int, detail: str, errors: Any = None, headers: dict[str, str] | None = None) -> Response:
    """A problem as an answer."""
    problem = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, errors=errors)
    content = json.dumps(problem.model_dump(exclude_none=True))  # ASCII: what is wrong may be what cannot be encoded
    return Response(content, status, headers, MEDIA_TYPE)


@contextmanager
def conflicts() -> Iterator[None]:
    """Inside, what is refused is refused because of the state of things: 409, unless the error says something else."""
    try:
        yield
    except RecsysError as error:
        if isinstance(error, tuple(STATUSES)):
            raise
        raise NotPossibleError(str(error)) from error


def without_paths(text: str, settings: Settings) -> str:
    """A sentence for clients: where files lie on the server is for its log alone."""
    for home in (settings.home.absolute(), settings.home):
        text = re.sub(rf"(?<![\w.-]){re.escape(str(home))}/", "", text)  # and not the end of some other word
    return text


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = reasons(error)
    if isinstance(error.body, bytes):  # FastAPI did not read it as JSON
        kind = request.headers.get("content-type", "nothing")
        errors = [{"where": "body", "why": f"send JSON with Content-Type: application/json, not as {kind}"}]
    return respond(422, sentence(errors[:3]), errors)


def _reason(error: Mapping[str, Any]) -> dict[str, str]:
    where, why = error["loc"], str(error["msg"]).removeprefix("Value error, ")
    if error.get("type") == "json_invalid":  # FastAPI gives the number of a character as its place
        where, why = ("body",), f"it is no JSON that can be read from character {where[-1]} on: {error['ctx']['error']}"
    elif error.get("type") == "union_tag_not_found":
        where, why = (*where, error["ctx"]["discriminator"].strip("'")), "Field required"
    return {"where": ".".join(str(part) for part in where), "why": why}


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.detail == UNREADABLE:
        return _invalid(request, invalid("", "it is no JSON that can be read: see its nesting and its numbers"))
    phrase = HTTPStatus(error.status_code).phrase
    known = {
        404: f"There is nothing at {request.url.path}: see /docs for what there is.",
        405: f"{request.method} is not possible at {request.url.path}: see /docs for what is.",
    }
    detail = known.get(error.status_code, error.detail) if error.detail == phrase else error.detail
    headers = {"Allow": ", ".join(allowed(request))} if error.status_code == 405 else dict(error.headers or {})
    return respond(error.status_code, detail, headers=headers)


def _explained(request: Request, error: Exception) -> Response:
    status = next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 500)
    if status >= 500:
        log.warning("answered %d: %s", status, error)
    detail = without_paths(str(error), request.app.state.settings)
    return respond(status, detail, headers=RETRY if status == 503 else None)


def _database(_request: Request, error: Exception) -> Response:
    log.error("the database does not answer: %s", getattr(error, "orig", error))
    return respond(503, "The database does not answer at the moment: try again.", headers=RETRY)


def _unexpected(_request: Request, _error: Exception) -> Response:
    """The server logs the traceback; the client learns only that it is there."""
    return respond(500, UNEXPECTED)

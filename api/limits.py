"""Bounds on what a request may be, before anything looks at it: its address, the size of its body, and its patience.

A body is read whole here, as every route would do, so that one which is too long or too slow never reaches a route.
"""

import asyncio
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import pictures, problems
from api.paths import below_root

MOST_ADDRESS = 32 * 2**10  # bytes of path and query: a thousand excluded articles fit
MOST_BODY = 4 * 2**20  # bytes: a thousand events with lists of fifty fit
MOST_WITH_PICTURES = MOST_BODY + pictures.MOST_BYTES * 4 // 3  # base64 makes four bytes of three
SECONDS = 30.0  # for a body to come in


class _RefusedError(Exception):
    """A body that is not taken, and the problem that says so."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        self.answer = problems.respond(status, detail)


class Limits:
    """Answers 413, 414 or 408 to what is too large, too long or too slow."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        try:
            _check_address(scope)
            body = await _body(scope, receive)
        except _RefusedError as refused:
            return await refused.answer(scope, receive, send)
        if body is None:  # the client went away
            return None
        return await self.app(scope, _again(body, receive), send)


def _check_address(scope: Scope) -> None:
    size = len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"])
    if size > MOST_ADDRESS:
        why = f"An address has at most {MOST_ADDRESS:,} bytes, this one has {size:,}: send less in the query."
        raise _RefusedError(HTTPStatus.REQUEST_URI_TOO_LONG, why)


async def _body(scope: Scope, receive: Receive) -> bytes | None:
    """The whole body; None when the client goes away before it is there."""
    headers = Headers(scope=scope)
    announced = headers.get("content-length", "")
    if not announced and "transfer-encoding" not in headers:
        return b""
    most = MOST_WITH_PICTURES if below_root(scope).startswith(("/v1/articles", "/v1/search")) else MOST_BODY
    if announced.isdecimal():
        _check_size(int(announced), most)
    try:
        async with asyncio.timeout(SECONDS):
            return await _collected(receive, most)
    except TimeoutError as error:
        why = f"The body did not come within {SECONDS:.0f} s: send it faster, or in smaller parts."
        raise _RefusedError(HTTPStatus.REQUEST_TIMEOUT, why) from error


async def _collected(receive: Receive, most: int) -> bytes | None:
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        _check_size(len(body), most)
        more = message.get("more_body", False)
    return bytes(body)


def _check_size(size: int, most: int) -> None:
    if size > most:
        why = f"A body has at most {most:,} bytes here: send less at a time."
        raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, why)


def _again(body: bytes, receive: Receive) -> Receive:
    """What a route receives: the body, and then what comes after it."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return messages.pop() if messages else await receive()

    return replayed

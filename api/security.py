"""Who may do what: API keys with the scopes read, write and admin. Without keys this machine alone is answered.

``Access`` refuses a request before its body is read; ``needs`` says at each route which scope it takes, for the check
and for OpenAPI; ``WhoDep`` is the caller's name, for the audit.
"""

from ipaddress import ip_address
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer, SecurityScopes
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from api import problems
from api.keyring import Keyring
from api.paths import below_root
from recsys.database.keys import SCOPES, Caller

LOCAL = Caller("local", frozenset(SCOPES))  # whoever calls while there are no keys
GUARDED = ("/v1", "/metrics")
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="recsys"'}
NO_KEY = (
    "This needs an API key, sent as `Authorization: Bearer KEY` or `X-API-Key: KEY`: "
    "`recsys keys create NAME --scope read --scope write` makes one."
)
WRONG_KEY = "This API key is unknown or was revoked: `recsys keys list` shows which there are."
NOT_LOCAL = "There is no API key yet, so only this machine is answered: make one with `recsys keys create NAME`."

_BEARER = HTTPBearer(auto_error=False, scheme_name="bearer", description="an API key: read, write or admin")
_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, scheme_name="header", description="the same API key")


class Access:
    """Finds out who calls, and answers 401 or 403 to whom nothing here is open."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        app = self.app
        if scope["type"] == "http" and below_root(scope).startswith(GUARDED):
            found = await _identified(scope)
            if isinstance(found, Caller):
                scope = {**scope, "caller": found}
            else:
                app = found
        await app(scope, receive, send)


async def _identified(scope: Scope) -> Caller | ASGIApp:
    """Who calls, or the answer to somebody who may not."""
    keyring: Keyring = scope["app"].state.running.keyring
    headers = Headers(scope=scope)
    key = _sent_key(headers)
    if key is not None:  # a wrong key is wrong even where none is needed: its sender believes otherwise
        return await keyring.caller(key) or problems.respond(401, WRONG_KEY, headers=_invalid_token())
    if not keyring.empty:
        return problems.respond(401, NO_KEY, headers=CHALLENGE)
    return LOCAL if _is_local(scope, headers) else problems.respond(403, NOT_LOCAL)


def needs(scope: str) -> Any:
    """A route's dependency: the scope that it takes, "read", "write" or "admin"; to stand in ``dependencies=[...]``."""
    return Security(_check_all, scopes=[scope])


async def _check_all(
    request: Request,
    scopes: SecurityScopes,
    _bearer: Annotated[Any, Depends(_BEARER)],  # these two only tell OpenAPI
    _header: Annotated[Any, Depends(_HEADER)],
) -> None:
    for scope in scopes.scopes:
        check(request, scope)


def check(request: Request, scope: str) -> None:
    """Refuse a caller who does not have a scope: an HTTPException of 401 or 403."""
    caller: Caller | None = request.scope.get("caller")
    if caller is None:  # a route outside of what Access guards
        raise HTTPException(401, NO_KEY, CHALLENGE)
    if not caller.may(scope):
        has = " and ".join(sorted(caller.scopes)) or "none"
        raise HTTPException(403, f"This takes an API key with the scope {scope}; {caller.name!r} has {has}.")


async def _who(request: Request) -> str:
    caller: Caller = request.scope.get("caller", LOCAL)
    return caller.name


WhoDep = Annotated[str, Depends(_who)]


def _sent_key(headers: Headers) -> str | None:
    """The key in a request's headers; None where none was sent."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else headers.get("x-api-key")


def _invalid_token() -> dict[str, str]:
    return {"WWW-Authenticate": CHALLENGE["WWW-Authenticate"] + ', error="invalid_token"'}


def _is_local(scope: Scope, headers: Headers) -> bool:
    """Whether somebody on this machine asks, as far as the connection (or the proxy before it) says.

    Not so a page of another site that runs in this machine's browser, whether the browser says so or the page has made
    its own name point here, nor what a proxy on this machine passes on from a public name.
    """
    host = headers.get("host", "")
    name = host.rpartition(":")[0] or host
    return (
        _is_loopback((scope.get("client") or ("",))[0])
        and headers.get("sec-fetch-site") not in ("cross-site", "same-site")
        and headers.get("origin", f"//{host}").partition("//")[2] == host
        and ("." not in name or _is_address(name))
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return True  # no address: a Unix socket, or no socket at all


def _is_address(name: str) -> bool:
    try:
        return bool(ip_address(name.strip("[]")))
    except ValueError:
        return False

"""Pages for people. They are files that hold no data: their scripts ask the API, with a key where it takes one."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

router = APIRouter(include_in_schema=False)

FOLDER = Path(__file__).parent.parent / "web"
HEADERS = {
    # scripts and styles of this server alone, so that no title or id can become one; pictures may be anywhere
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src http: https: blob:; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",  # an address here may name a reader
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


class _Assets(StaticFiles):
    """Scripts and styles, which a browser asks for again: an old script does not fit a new page."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """A file with the headers of the pages."""
        answer = super().file_response(*args, **kwargs)
        answer.headers.update(HEADERS)
        return answer


assets = _Assets(directory=FOLDER)


@router.get("/")
async def reader() -> FileResponse:
    """What a reader gets, and why."""
    return _page("reader")


@router.get("/inspect")
async def inspect() -> FileResponse:
    """What is similar to an article, a text or a picture."""
    return _page("inspect")


@router.get("/models")
async def models() -> FileResponse:
    """The model versions."""
    return _page("models")


@router.get("/data")
async def data() -> FileResponse:
    """What the database holds."""
    return _page("data")


def _page(name: str) -> FileResponse:
    return FileResponse(FOLDER / f"{name}.html", headers=HEADERS)

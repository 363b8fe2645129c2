"""Pages for people. They are files that hold no data: their scripts ask the API, with a key where it takes one."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from string import Template
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

router = APIRouter(include_in_schema=False)

PAGES = (  # path, name of its files, title
    ("/", "reader", "Reader"),
    ("/inspect", "inspect", "Similarity"),
    ("/models", "models", "Models"),
    ("/data", "data", "Data"),
)
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


def _answer(html: str) -> Callable[[], Awaitable[HTMLResponse]]:
    async def page() -> HTMLResponse:
        return HTMLResponse(html, headers=HEADERS)

    return page


def _html(path: str, name: str, title: str) -> str:
    """The shell that all pages share, around what is a page's own; its link in the navigation is marked."""
    link = f'<a href="{path.removeprefix("/") or "./"}"'
    shell = (FOLDER / "shell.html").read_text("utf-8").replace(link, f'{link} aria-current="page"')
    return Template(shell).substitute(title=title, name=name, main=(FOLDER / f"{name}.html").read_text("utf-8"))


for _path, _name, _title in PAGES:
    router.add_api_route(_path, _answer(_html(_path, _name, _title)))

"""What every command begins with, its settings, and ends with, what it prints."""

import os
import time
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.markup import escape

from recsys.cli.output import out, parse_time, print_json
from recsys.domain import RecsysError
from recsys.ingest.validate import LONGEST_ID
from recsys.settings import Settings

Json = Annotated[bool, typer.Option("--json", help="print one JSON document")]
Time = Annotated[
    float | None, typer.Option(parser=parse_time, metavar="TIME", help="RFC 3339 time; without a zone it is UTC")
]


def _checked(value: str) -> str:
    if not 0 < len(value) <= LONGEST_ID:
        raise typer.BadParameter(f"An id has 1 to {LONGEST_ID} characters.")
    return value


Id = Annotated[str, typer.Argument(callback=_checked)]


def load_settings() -> Settings:
    """The settings of the environment.

    Raises:
        RecsysError: when one of them cannot be what it is.
    """
    try:
        return Settings()
    except ValidationError as error:
        wrong = error.errors()[0]
        name = "_".join(("RECSYS", *(str(part) for part in wrong["loc"]))).upper()
        raise RecsysError(f"{name} cannot be {wrong['input']!r}: {wrong['msg']}.") from error
    except UnicodeDecodeError as error:
        raise RecsysError("The .env file of this folder is not UTF-8: save it as such.") from error


def open_recommender(at: float | None) -> Any:
    """What answers in this process, knowing the log until a time, or all of it."""
    from recsys.database.session import open_sessions
    from recsys.encoders import expected_ids
    from recsys.serving.live import Live
    from recsys.serving.recommender import Recommender

    settings = load_settings()
    sessions = open_sessions(settings)
    live = Live(sessions, settings, expected_ids(settings), until=time.time() if at is None else at)
    return Recommender(sessions, settings, live)


def show(document: Any, as_json: bool, text: Any) -> None:
    """Print the document for programs, or the text for people."""
    if as_json:
        print_json(document)
    else:
        out.print(escape(text) if isinstance(text, str) else text, soft_wrap=isinstance(text, str), highlight=False)


def limit_threads(settings: Settings) -> None:
    """Have the libraries of this process and its children use as many threads for one product as the settings say.

    They read it when they are loaded: numpy and FAISS start as many as there are cores otherwise, and with several
    requests at once these fight over the cores.
    """
    if settings.threads:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ.setdefault(name, str(settings.threads))


def check_window(since: float | None, until: float | None) -> None:
    """Refuse a window that ends before it begins."""
    if since is not None and until is not None and since >= until:
        raise typer.BadParameter("--since must lie before --until, or there is nothing between them.")

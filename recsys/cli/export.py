"""``recsys export``: what the database knows, and what the live model recommends, as files for other programs."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from recsys.cli.context import Json, Time, load_settings, open_recommender, show
from recsys.cli.output import progress
from recsys.domain import RecsysError

What = Literal["articles", "impressions", "clicks", "vectors", "recommendations"]
Limit = Annotated[int | None, typer.Option("-n", "--limit", min=1, max=100, help="items for each user; 10 unless said")]
By = Annotated[
    Literal["fused", "content"] | None, typer.Option(help="vectors of the live model, in place of the encoders'")
]
Users = Annotated[
    Path | None, typer.Option("--users", metavar="FILE", help="answer these users only, one id in each line")
]


def export(
    what: Annotated[What, typer.Argument(help="what to write")],
    path: Annotated[Path, typer.Argument(help="a file that ends in .parquet or .jsonl")],
    limit: Limit = None,
    at: Time = None,
    users: Users = None,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Write articles, impressions, clicks, vectors, or recommendations for every user, as Parquet or JSON Lines."""
    from recsys.serving.export_file import check_ending

    if what != "recommendations" and (limit, at, users) != (None, None, None):
        raise typer.BadParameter("-n, --at and --users belong to recommendations.")
    if what != "vectors" and by is not None:
        raise typer.BadParameter("--by belongs to vectors.")
    check_ending(path)
    with progress() as report:

        def tell(done: int, total: int) -> None:
            report("users" if what == "recommendations" else what, done, total)

        if what == "recommendations":
            rows = _recommendations(path, limit or 10, at, users, tell)
        elif by is not None:
            rows = _view(path, by, tell)
        else:
            rows = _stored(what, path, tell)
    show({"rows": rows}, as_json, f"{rows:,} rows are in {path}.")


def _stored(what: str, path: Path, tell: Any) -> int:
    from recsys.database.session import open_sessions
    from recsys.serving import export as files

    write = {
        "articles": files.export_articles,
        "impressions": files.export_impressions,
        "clicks": files.export_clicks,
        "vectors": files.export_vectors,
    }[what]
    return write(open_sessions(load_settings()), path, tell)


def _view(path: Path, by: str, tell: Any) -> int:
    from recsys.serving.export import export_view

    return export_view(open_recommender(None).live, by, path, tell)


def _recommendations(path: Path, limit: int, at: float | None, users: Path | None, tell: Any) -> int:
    from recsys.serving.export_recommendations import export_recommendations

    user_ids = None if users is None else _ids_in(users)
    r = open_recommender(at)
    return export_recommendations(
        r.sessions, r.settings, r.live, path, limit=limit, at=at, user_ids=user_ids, progress=tell
    )


def _ids_in(file: Path) -> list[str]:
    """The lines of a file that hold something, each once."""
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")  # a line separator may be part of an id
    except (OSError, UnicodeDecodeError) as error:
        raise RecsysError(f"{file} cannot be read as a list of user ids ({error}): one id in each line.") from error
    return list(dict.fromkeys(line.strip() for line in lines if line.strip()))

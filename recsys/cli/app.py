"""The commands of ``recsys``. Rooms are imported inside of them, so that ``recsys --help`` needs no torch."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic import ValidationError
from rich.markup import escape

from recsys.cli.output import (
    err,
    neighbours_table,
    out,
    parse_time,
    print_json,
    progress,
    recommendations_document,
    recommendations_table,
)
from recsys.domain import RecsysError
from recsys.settings import Settings

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="A news recommender, from log to answer.")

Json = Annotated[bool, typer.Option("--json", help="print one JSON document")]
Time = Annotated[
    float | None, typer.Option(parser=parse_time, metavar="TIME", help="RFC 3339 time; without a zone it is UTC")
]


def main() -> None:
    """Run a command; a failure that can be explained is one sentence on standard error, and exit code 1."""
    try:
        app()
    except RecsysError as error:
        err.print(f"[red]error:[/red] {escape(str(error))}", soft_wrap=True, highlight=False)
        sys.exit(1)


@app.command()
def init(as_json: Json = False) -> None:
    """Create the database schema, or bring it up to date."""
    from recsys.database.session import upgrade

    settings = _settings()
    revision = upgrade(settings)
    _show({"revision": revision}, as_json, f"The schema of {settings.url} is at revision {revision}.")


@app.command(name="import")
def import_log(
    kind: Annotated[Literal["ebnerd", "movielens", "table"], typer.Argument(help="format of the log")],
    path: Annotated[Path, typer.Argument(help="its folder")],
    since: Time = None,
    until: Time = None,
    timezone: Annotated[str, typer.Option(help="of times that are written without one")] = "UTC",
    as_json: Json = False,
) -> None:
    """Read articles, impressions and clicks; importing twice changes nothing."""
    from recsys.database.session import open_sessions
    from recsys.ingest.importer import import_path

    sessions = open_sessions(_settings())
    with progress() as report:
        done = import_path(
            sessions, kind, path, since=since, until=until, timezone=timezone,
            progress=lambda count: report("records", count, count),
        )  # fmt: skip
    refused = "".join(f"\n  refused {count:,}: {reason}" for reason, count in done.refused.items())
    counts = f"{done.articles:,} articles, {done.impressions:,} impressions, {done.clicks:,} clicks"
    _show(done, as_json, f"{counts}; new: {done.new}{refused}")


@app.command()
def encode(as_json: Json = False) -> None:
    """Make title and image vectors for the articles that have none yet."""
    from recsys.database.session import open_sessions
    from recsys.encoders import load_encoders
    from recsys.lifecycle.encode import encode_new

    settings = _settings()
    sessions = open_sessions(settings)
    with progress() as report:
        done = encode_new(sessions, load_encoders(settings), report)
    for warning in done.warnings:
        err.print(f"[yellow]warning:[/yellow] {escape(warning)}", soft_wrap=True)
    _show(done, as_json, f"encoded {done.encoded}, cached {done.cached}, missing {done.missing}, broken {done.broken}")


@app.command()
def train(
    since: Time = None,
    until: Time = None,
    seed: int = 0,
    as_json: Json = False,
) -> None:
    """Train on the log before --until and write a candidate snapshot; it goes live only when nothing is yet."""
    from recsys.database import models
    from recsys.database.session import open_sessions
    from recsys.lifecycle.train import train as run

    settings = _settings()
    sessions = open_sessions(settings)
    with progress() as report:
        model = run(sessions, settings, since=since, until=until, seed=seed, report=report)
    with sessions() as session:
        live = models.live_version(session) == model.version
    state = "It is live, since nothing was before." if live else f"Promote it with `recsys promote {model.version}`."
    figures = {name: model.metrics[name] for name in ("examples_per_second", "seconds")}
    document = {"version": model.version, "live": live, **figures, "metrics": model.metrics}
    _show(document, as_json, f"Version {model.version} was trained in {model.metrics['seconds']} s. {state}")


@app.command()
def evaluate(
    since: Annotated[float, typer.Option(parser=parse_time, metavar="TIME", help="begin of the window, RFC 3339")],
    until: Time = None,
    version: Annotated[str | None, typer.Option(help="the newest unless named")] = None,
    pool: Annotated[
        Literal["shown", "live"], typer.Option(help="rank each logged list, or all live articles")
    ] = "shown",
    as_json: Json = False,
) -> None:
    """Replay a window of the log point-in-time and score a version on it."""
    from recsys.database.session import open_sessions
    from recsys.evaluation.report import table
    from recsys.lifecycle.train import evaluate as run

    settings, live = _settings(), pool == "live"
    with progress() as report:
        judged = run(
            open_sessions(settings), settings, version=version, since=since, until=until, live=live,
            progress=lambda done, total: report("lists", done, total),
        )  # fmt: skip
    shown = ["r@10", "r@50", "r@100", "ndcg@10", "sources_r@100", "sources_r@500"]
    columns = shown if live else ["auc", "mrr", "ndcg@5", "ndcg@10", "log_loss", "ece"]
    _show(judged.summary, as_json, table([{"name": judged.summary["version"], **judged.summary}], ["name", *columns]))


@app.command()
def retrain(seed: int = 0, as_json: Json = False) -> None:
    """Encode, train on all but the newest slice, evaluate on it, and promote if not worse."""
    from recsys.database.session import open_sessions
    from recsys.lifecycle.retrain import retrain as run

    settings = _settings()
    with progress() as report:
        done = run(open_sessions(settings), settings, seed=seed, report=report)
    verb = "promoted" if done.promoted else "kept back"
    _show(done, as_json, f"Version {done.version} was {verb}: {done.why}.")


@app.command()
def models(as_json: Json = False) -> None:
    """List the model versions."""
    from recsys.database import models as known
    from recsys.database.session import open_sessions
    from recsys.lifecycle.train import describe

    with open_sessions(_settings())() as session:
        live, rows = known.live_version(session), [describe(row) for row in known.versions(session)]
    lines = [
        f"{'*' if row['version'] == live else ' '} {row['version']}  {row['status']}  {row['reason'] or ''}"
        for row in rows
    ]
    _show({"versions": rows, "live": live}, as_json, "\n".join(lines) or "There is no model yet.")


@app.command()
def promote(version: str, as_json: Json = False) -> None:
    """Make a version live."""
    from recsys.database.session import open_sessions
    from recsys.lifecycle.train import promote as run

    run(open_sessions(_settings()), _settings(), version)
    _show({"live": version}, as_json, f"Version {version} is live.")


@app.command()
def rollback(as_json: Json = False) -> None:
    """Make the version live that was live before."""
    import time

    from recsys.database import models as known
    from recsys.database.session import open_sessions, writing

    with writing(open_sessions(_settings())) as session:
        version = known.rollback(session, time.time())
    _show({"live": version}, as_json, f"Version {version} is live again.")


@app.command()
def recommend(
    user: str,
    limit: Annotated[int, typer.Option("-n", min=1, max=100)] = 10,
    at: Time = None,
    explain: bool = False,
    as_json: Json = False,
) -> None:
    """Recommend articles to a user, by the live pipeline in this process."""
    recommender = _recommender(at)
    answer = recommender.recommend(user, limit=limit, with_explanations=explain, log=False, at=at)
    document = {**vars(answer), "items": recommendations_document(answer.items)}
    _show(document, as_json, recommendations_table(answer.items, f"For {user}, by model {answer.model_version}"))


@app.command()
def similar(
    article: str,
    limit: Annotated[int, typer.Option("-n", min=1, max=100)] = 10,
    by: Literal["fused", "title", "image"] = "fused",
    as_json: Json = False,
) -> None:
    """Show the articles nearest to one."""
    items = _recommender(None).similar(article, by, limit)
    document = {"article_id": article, "by": by, "items": items}
    _show(document, as_json, neighbours_table(items, f"Nearest to {article} by {by}"))


@app.command()
def serve(host: str = "127.0.0.1", port: int = 8000, workers: Annotated[int, typer.Option(min=1)] = 1) -> None:
    """Run the API and the background worker."""
    import uvicorn

    from recsys.database.session import open_sessions
    from recsys.lifecycle.worker import start_worker

    settings = _settings()
    open_sessions(settings)
    worker = start_worker(settings)
    try:
        uvicorn.run("api.app:create_app", factory=True, host=host, port=port, workers=workers)
    finally:
        worker.stop()


@app.command()
def demo(as_json: Json = False) -> None:
    """The whole way on the bundled synthetic sample: import, encode, train, evaluate, retrain, recommend."""
    from recsys.cli.demo import run_demo

    run_demo(_settings(), as_json=as_json)


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        wrong = error.errors()[0]
        name = "_".join(("RECSYS", *(str(part) for part in wrong["loc"]))).upper()
        raise RecsysError(f"{name} cannot be {wrong['input']!r}: {wrong['msg']}.") from error


def _recommender(at: float | None) -> Any:
    from recsys.database.session import open_sessions
    from recsys.encoders import expected_ids
    from recsys.serving.live import Live
    from recsys.serving.recommender import Recommender

    settings = _settings()
    sessions = open_sessions(settings)
    live = Live(sessions, settings, expected_ids(settings), until=float("inf") if at is None else at)
    return Recommender(sessions, settings, live)


def _show(document: Any, as_json: bool, text: Any) -> None:
    if as_json:
        print_json(document)
    else:
        out.print(escape(text) if isinstance(text, str) else text, soft_wrap=isinstance(text, str), highlight=False)

"""The commands of ``recsys``. Rooms are imported inside of them, so that ``recsys --help`` needs no torch."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from recsys.cli.context import Id, Json, Time, check_window, load_settings, open_recommender, show
from recsys.cli.doctor import doctor
from recsys.cli.endings import Commands, StoppedError
from recsys.cli.export import export
from recsys.cli.judging import evaluate
from recsys.cli.keys import keys
from recsys.cli.output import (
    err,
    neighbours_table,
    progress,
    recommendations_document,
    recommendations_tables,
)
from recsys.cli.serve import serve
from recsys.cli.versions import models, promote, rollback
from recsys.domain import RecsysError

HEADLESS = (
    "It predicts no clicks, since the log has no lists with clicks in them, or too few: it orders articles by likeness "
    "to what was read, and a score is an article's share of one click in its list."
)

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="A news recommender, from log to answer.",
)


def main() -> None:
    """Run a command; a failure that can be explained is one sentence on standard error, and exit code 1."""
    try:
        app()
    except RecsysError as error:
        err.print(f"[red]error:[/red] {escape(str(error))}", soft_wrap=True, highlight=False)
        sys.exit(error.code if isinstance(error, StoppedError) else 1)


@app.command()
def init(as_json: Json = False) -> None:
    """Create the database schema, or bring it up to date."""
    from sqlalchemy import make_url

    from recsys.database.session import upgrade

    settings = load_settings()
    revision = upgrade(settings)
    where = make_url(settings.url).render_as_string() if settings.database_url else settings.url  # without a password
    show({"revision": revision}, as_json, f"The schema of {where} is at revision {revision}.")


@app.command(name="import")
def import_log(
    kind: Annotated[Literal["ebnerd", "mind", "movielens", "table"], typer.Argument(help="format of the log")],
    path: Annotated[Path, typer.Argument(help="its folder")],
    since: Time = None,
    until: Time = None,
    timezone: Annotated[str, typer.Option(help="of times that are written without one")] = "UTC",
    report_file: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="name every refused row here (.csv or .jsonl)")
    ] = None,
    as_json: Json = False,
) -> None:
    """Read articles, impressions and clicks; importing twice changes nothing."""
    from recsys.database.session import open_sessions
    from recsys.ingest.importer import import_path
    from recsys.ingest.tally import summary

    check_window(since, until)
    settings = load_settings()
    sessions = open_sessions(settings)
    with progress() as report:
        done = import_path(
            sessions, kind, path, since=since, until=until, timezone=timezone, media=settings.media,
            report=report_file, progress=lambda count: report("records", count, count),
        )  # fmt: skip
    show(done, as_json, "\n  ".join(summary(done)))


@app.command()
def encode(as_json: Json = False) -> None:
    """Make the vectors of each modality for the articles that have none yet."""
    from recsys.database.session import open_sessions
    from recsys.encoders import load_encoders, with_views
    from recsys.lifecycle.encode import encode_new
    from recsys.lifecycle.fetching import fetch_pictures

    settings = load_settings()
    sessions = open_sessions(settings)
    with progress() as report:
        fetch_pictures(sessions, settings, report)
        done = encode_new(sessions, with_views(load_encoders(settings), settings.augment), report)
    for warning in done.warnings:
        err.print(f"[yellow]warning:[/yellow] {escape(warning)}", soft_wrap=True)
    show(done, as_json, "\n".join(done.lines))


@app.command()
def train(
    since: Time = None,
    until: Time = None,
    seed: int = 0,
    finetune_title: Annotated[
        bool, typer.Option("--finetune-title", help="first tune the title encoder on what readers click together")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train on the log before --until and write a candidate snapshot; it goes live only when nothing is yet."""
    from recsys.database import models
    from recsys.database.session import open_sessions
    from recsys.lifecycle.finetune import train_with_finetuned_title
    from recsys.lifecycle.train import train as plainly

    check_window(since, until)
    settings = load_settings()
    sessions = open_sessions(settings)
    run = train_with_finetuned_title if finetune_title else plainly
    with progress() as report:
        model = run(sessions, settings, since=since, until=until, seed=seed, report=report)
    with sessions() as session:
        live = models.live_version(session) == model.version
    state = "It is live, since nothing was before." if live else f"Promote it with `recsys promote {model.version}`."
    if "finetuning" in model.metrics:
        folder = model.metrics["finetuning"]["folder"]
        state = f"Set RECSYS_TITLE_ENCODER={folder} to evaluate, serve and retrain with its title encoder. {state}"
    if model.heads is None:
        state = f"{HEADLESS} {state}"
    figures = {name: model.metrics[name] for name in ("examples_per_second", "seconds", "robots")}
    document = {"version": model.version, "live": live, **figures, "metrics": model.metrics}
    show(document, as_json, f"Version {model.version} was trained in {model.metrics['seconds']} s. {state}")


app.command()(evaluate)


@app.command()
def retrain(
    seed: int = 0,
    full: Annotated[bool, typer.Option("--full", help="train from scratch, not on from the live version")] = False,
    as_json: Json = False,
) -> None:
    """Encode, train on all but the newest slice, evaluate on it, and promote if not worse."""
    from recsys.database.session import open_sessions
    from recsys.lifecycle.jobs import retrain_now as run

    settings = load_settings()
    with progress() as report:
        done = run(open_sessions(settings), settings, seed=seed, warm=not full, report=report)
    show(done, as_json, done.sentence)


app.command()(models)


@app.command()
def robots(as_json: Json = False) -> None:
    """List the users that training and counters leave out: flagged ones, and those who click too fast."""
    from recsys.database.robots import listed
    from recsys.database.session import open_sessions

    settings = load_settings()
    with open_sessions(settings)() as session:
        found = listed(session, settings.robot_clicks_per_hour)
    lines = [
        f"{r.user_id}  {r.clicks:,} clicks, {r.most_clicks_per_hour:,} in an hour, {r.impressions:,} lists"
        f"{', flagged' if r.flagged else ''}"
        for r in found
    ]
    show({"robots": found}, as_json, "\n".join(lines) or "There are no robots.")


app.command()(promote)
app.command()(rollback)


@app.command()
def recommend(
    user: Id,
    limit: Annotated[int, typer.Option("-n", min=1, max=100)] = 10,
    at: Time = None,
    explain: bool = False,
    as_json: Json = False,
) -> None:
    """Recommend articles to a user, by the live pipeline in this process."""
    recommender = open_recommender(at)
    answer = recommender.recommend(user, limit=limit, with_explanations=explain, log=False, at=at)
    said = {name: value for name, value in vars(answer).items() if name != "degraded" or value}  # as the API does
    document = {**said, "items": recommendations_document(answer.items)}
    show(document, as_json, recommendations_tables(answer.items, f"For {user}, by model {answer.model_version}"))


@app.command()
def similar(
    article: Id,
    limit: Annotated[int, typer.Option("-n", min=1, max=100)] = 10,
    by: Annotated[str, typer.Option(help="fused, or a modality of the live model: title, image, ...")] = "fused",
    as_json: Json = False,
) -> None:
    """Show the articles nearest to one."""
    items = open_recommender(None).similar(article, by, limit)
    document = {"article_id": article, "by": by, "items": items}
    lonely = f"Nothing is near to {article} by {by}: it has no such vector (`recsys encode` makes them), or is alone."
    show(document, as_json, neighbours_table(items, f"Nearest to {article} by {by}") if items else lonely)


app.command()(export)
app.command()(doctor)
app.add_typer(keys, name="keys")


app.command()(serve)


@app.command()
def demo(as_json: Json = False) -> None:
    """The whole way on the bundled synthetic sample: import, encode, train, evaluate, retrain, recommend."""
    from recsys.cli.demo import run_demo

    run_demo(load_settings(), as_json=as_json)

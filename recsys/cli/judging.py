"""The command that says how good a version is."""

from typing import Annotated, Literal

import typer

from recsys.cli.context import Json, Time, check_window, load_settings, show
from recsys.cli.output import parse_time, progress


def evaluate(
    since: Annotated[
        float | None, typer.Option(parser=parse_time, metavar="TIME", help="begin of the window, RFC 3339")
    ] = None,
    until: Time = None,
    version: Annotated[str | None, typer.Option(help="the newest unless named")] = None,
    pool: Annotated[
        Literal["shown", "live"] | None,
        typer.Option(help="rank each logged list, which is what it does unless told, or all live articles"),
    ] = None,
    off_policy: Annotated[
        bool, typer.Option("--off-policy", help="estimate its clicks per list from lists served with exploration")
    ] = False,
    as_json: Json = False,
) -> None:
    """Replay a window of the log point-in-time and score a version on it."""
    from recsys.database.session import open_sessions
    from recsys.evaluation.sheet import sheet
    from recsys.lifecycle.judging import evaluate as run

    check_window(since, until)
    if off_policy:
        if pool is not None:
            raise typer.BadParameter("--pool does not go with --off-policy, which asks each logged list again.")
        _evaluate_off_policy(version, since, until, as_json)
        return
    if since is None:
        raise typer.BadParameter("--since is needed, except with --off-policy: name the begin of the window.")
    settings, live = load_settings(), pool == "live"
    with progress() as report:
        judged = run(
            open_sessions(settings), settings, version=version, since=since, until=until, live=live,
            progress=lambda done, total: report("lists", done, total),
        )  # fmt: skip
    show(judged.summary, as_json, sheet(judged.summary, live=live))


def _evaluate_off_policy(version: str | None, since: float | None, until: float | None, as_json: bool) -> None:
    from recsys.database.session import open_sessions
    from recsys.evaluation.sheet import off_policy_sheet
    from recsys.lifecycle.off_policy import evaluate_off_policy

    settings = load_settings()
    with progress() as report:
        summary = evaluate_off_policy(
            open_sessions(settings), settings, version=version, since=since, until=until,
            progress=lambda done, total: report("lists", done, total),
        )  # fmt: skip
    show(summary, as_json, off_policy_sheet(summary))

"""The commands that list the model versions and say which one is live."""

from dataclasses import asdict

from recsys.cli.context import Json, load_settings, show


def models(as_json: Json = False) -> None:
    """List the model versions, and what readers made of their lists."""
    from recsys.database import models as known
    from recsys.database.session import open_sessions
    from recsys.evaluation import traffic
    from recsys.lifecycle.versions import describe, rfc3339

    settings = load_settings()
    with open_sessions(settings)() as session:
        live, rows = known.live_version(session), [describe(row) for row in known.versions(session)]
        limit = settings.robot_clicks_per_hour
        seen, running = traffic.traffic(session, robot_limit=limit), traffic.comparison(session, robot_limit=limit)
    listed = [{**row, "traffic": seen.get(row["version"], traffic.NOTHING)} for row in rows]
    lines = [
        f"{'*' if row['version'] == live else ' '} {row['version']}  {row['status']}  {traffic.line(row['traffic'])}  "
        f"{row['reason'] or ''}"
        for row in listed
    ]
    lines += [] if running is None else [traffic.verdict(running)]
    experiment = None if running is None else {**asdict(running), "since": rfc3339(running.since)}
    document = {"versions": listed, "live": live, "experiment": experiment}
    show(document, as_json, "\n".join(lines) or "There is no model yet.")


def promote(version: str, as_json: Json = False) -> None:
    """Make a version live."""
    from recsys.database.session import open_sessions
    from recsys.lifecycle.versions import promote as run

    run(open_sessions(load_settings()), load_settings(), version)
    show({"live": version}, as_json, f"Version {version} is live.")


def rollback(as_json: Json = False) -> None:
    """Make the version live that was live before."""
    from recsys.database.session import open_sessions
    from recsys.lifecycle.versions import rollback as run

    settings = load_settings()
    version = run(open_sessions(settings), settings)
    show({"live": version}, as_json, f"Version {version} is live again.")

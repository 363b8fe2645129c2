"""``recsys keys``: API keys are made, listed and revoked by whoever may run commands on the host."""

import time
from itertools import count
from typing import Annotated, Any

import typer

from recsys.cli.context import Json, load_settings, show
from recsys.ingest.validate import LONGEST_ID

keys = typer.Typer(no_args_is_help=True, help="API keys: with the first one the API answers to keys only.")

WHO = "cli"


@keys.command()
def create(
    name: Annotated[str | None, typer.Argument(help="who will use it, which the audit names; else a number")] = None,
    scope: Annotated[list[str], typer.Option(help="read, write or admin, which includes both; repeat it")] = ["read"],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Make a key and print it, once: only its hash is kept."""
    from recsys.database import keys as known
    from recsys.database.session import open_sessions, writing

    if name is not None and (not 0 < len(name) <= LONGEST_ID or not name.isprintable()):
        raise typer.BadParameter(f"A key's name has 1 to {LONGEST_ID} characters that can be printed.")
    for unknown in set(scope) - set(known.SCOPES):
        raise typer.BadParameter(f"{unknown!r} is no scope: choose among {', '.join(known.SCOPES)}.")
    with writing(open_sessions(load_settings())) as session:
        taken = {row.name for row in known.listed(session)}
        name = name or next(free for number in count(1) if (free := f"key {number}") not in taken)
        key = known.create(session, name, scope, at=time.time(), who=WHO)
    document = {"key": key, "name": name, "scopes": sorted(set(scope))}
    show(
        document,
        as_json,
        f"{key}\nKeep it: it cannot be shown again. Send it as `Authorization: Bearer KEY`. Its name is {name}.",
    )


@keys.command(name="list")
def list_keys(as_json: Json = False) -> None:
    """List the keys that are in use and those that were revoked, without what they are."""
    from recsys.database import keys as known
    from recsys.database.session import open_sessions

    with open_sessions(load_settings())() as session:
        rows = [_described(row) for row in known.listed(session)]
    lines = [
        f"{row['name']}  {', '.join(row['scopes'])}  since {row['created_at']}"
        f"{', revoked ' + row['revoked_at'] if row['revoked_at'] else ''}"
        for row in rows
    ]
    show({"keys": rows}, as_json, "\n".join(lines) or "There are no keys: the API answers this machine only.")


@keys.command()
def revoke(name: str, as_json: Json = False) -> None:
    """Take a key out of use; every process refuses it within a second or two."""
    from recsys.database import keys as known
    from recsys.database.session import open_sessions, writing

    with writing(open_sessions(load_settings())) as session:
        known.revoke(session, name, at=time.time(), who=WHO)
        session.flush()
        left = len(known.callers(session))
    last = "" if left else " It was the last one: from now on the API is open, to this machine only."
    show({"revoked": name, "left": left}, as_json, f"The key {name} is revoked.{last}")


def _described(row: Any) -> dict[str, Any]:
    from recsys.lifecycle.versions import rfc3339

    revoked = None if row.revoked_at is None else rfc3339(row.revoked_at)
    return {"name": row.name, "scopes": row.scopes, "created_at": rfc3339(row.created_at), "revoked_at": revoked}
